"""Whether calls answer a question of BFCL: names, types, values; of several in any order.

The rules are those of the leaderboard's own comparison (github.com/ShishirPatil/gorilla,
`eval_checker/ast_eval`): texts are compared without case, blanks and some punctuation, an
integer does for a float, and a parameter may be missing where the answers say so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from qcode.evals.loaders.bfcl import Case
from qcode.record import Record

Fault: TypeAlias = Literal[
    "", "no_call", "unasked_call", "count", "name", "missing", "unexpected", "type", "value",
    "unreadable",
]  # fmt: skip

_SIGNS = re.compile(r"[ ,./\-_*^]")


class Called(Record):
    """A call as it was decoded."""

    name: str
    arguments: Mapping[str, Any]
    is_readable: bool = True
    is_repaired: bool = False
    """Whether the model wrote it otherwise, and qcode put it right."""


class Score(Record):
    """What became of one question."""

    passed: bool
    fault: Fault = ""
    detail: str = ""


def score(case: Case, calls: Sequence[Called]) -> Score:
    """Judge the calls of an answer."""
    if case.wants == "none":
        if calls:
            return Score(False, "unasked_call", f"nothing fits, and it called {calls[0].name}")
        return Score(True)
    if not calls:
        return Score(False, "no_call", "it called nothing")
    if broken := [call for call in calls if not call.is_readable]:
        return Score(False, "unreadable", f"a call of {broken[0].name} cannot be read")
    if case.wants == "any":
        return Score(True)
    if len(calls) != len(case.answers):
        return Score(False, "count", f"{len(calls)} calls, {len(case.answers)} are right")
    return _matched(case, calls)


def _matched(case: Case, calls: Sequence[Called]) -> Score:
    """Find an answer for each call, so that none is used twice.

    Two answers may both take one call, so that the first that fits is not always the one.
    """
    table = [[compare(case, call, answer) for answer in case.answers] for call in calls]
    taken: dict[int, int] = {}

    def place(call: int, tried: set[int]) -> bool:
        for answer, found in enumerate(table[call]):
            if found.passed and answer not in tried:
                tried.add(answer)
                if answer not in taken or place(taken[answer], tried):
                    taken[answer] = call
                    return True
        return False

    for number in range(len(calls)):
        if not place(number, set()):
            # What is nearest is told: the answer with which it got furthest.
            failed = [each for each in table[number] if not each.passed]
            if not failed:
                return Score(False, "value", f"{calls[number].name} is called so too often")
            return max(failed, key=lambda each: _FAR.index(each.fault))
    return Score(True)


_FAR: tuple[Fault, ...] = (
    "name", "unexpected", "missing", "type", "value",
)  # fmt: skip


def compare(case: Case, call: Called, answer: Mapping[str, Mapping[str, Sequence[Any]]]) -> Score:
    """Compare one call with one answer."""
    ((name, wanted),) = answer.items()
    function = case.function(name)
    if function is None or call.name not in (function.name, function.spec.name):
        return Score(False, "name", f"it called {call.name}, not {name}")
    described = function.parameters.get("properties") or {}
    for required in function.parameters.get("required") or ():
        if required not in call.arguments:
            return Score(False, "missing", f"{name} lacks {required}")
    for parameter, value in call.arguments.items():
        if parameter not in described or parameter not in wanted:
            return Score(False, "unexpected", f"{name} has no {parameter} to be given")
        options = wanted[parameter]
        if not _is_kind(value, described[parameter], options):
            return Score(
                False, "type", f"{parameter} of {name} is no {described[parameter]['type']}"
            )
        if not any(matches(value, option) for option in options):
            return Score(False, "value", f"{parameter} of {name} is {value!r}")
    for parameter, options in wanted.items():
        if parameter not in call.arguments and "" not in options:
            return Score(False, "missing", f"{name} lacks {parameter}")
    return Score(True)


def _is_kind(value: object, described: Mapping[str, Any], options: Sequence[Any]) -> bool:
    """Whether a value has the described type, or that of the answers, which may be a variable's."""
    kind = str(described.get("type") or "any")
    if _has_type(value, kind, described):
        return True
    given = next((option for option in options if option != ""), None)
    return given is not None and type(value) is type(given) and not _has_type(given, kind, {})


def _has_type(value: object, kind: str, described: Mapping[str, Any]) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float" | "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "array" | "tuple":
            inner = described.get("items")
            if not isinstance(value, (list, tuple)):
                return False
            if not isinstance(inner, dict) or "type" not in inner:
                return True
            return all(_has_type(each, str(inner["type"]), inner) for each in value)
        case "dict" | "object":
            return isinstance(value, dict)
        case _:
            return True


def matches(value: object, option: object) -> bool:
    """Whether a value is one that an answer allows."""
    if isinstance(value, bool) or isinstance(option, bool):
        return value is option
    if isinstance(value, str) and isinstance(option, str):
        return plain(value) == plain(option)
    if isinstance(value, (list, tuple)) and isinstance(option, (list, tuple)):
        pairs = zip(value, option, strict=False)
        return len(value) == len(option) and all(matches(a, b) for a, b in pairs)
    if isinstance(value, dict) and isinstance(option, dict):
        return _matches_object(value, option)
    return value == option


def _matches_object(value: Mapping[str, Any], option: Mapping[str, Any]) -> bool:
    """Compare an object, whose answer has a list of possible values for each key."""
    if set(value) - set(option):
        return False
    for key, allowed in option.items():
        options = allowed if isinstance(allowed, list) else [allowed]
        if key not in value:
            if "" not in options:
                return False
        elif not any(matches(value[key], each) for each in options):
            return False
    return True


def plain(text: str) -> str:
    """Return a text as it is compared: `April 1, 2024` is `april 1 2024`."""
    return _SIGNS.sub("", text).lower().replace("'", '"')
