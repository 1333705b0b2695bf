"""BFCL's questions: which functions a model calls, and with what. No files, no agent.

From a checkout or the data of the Berkeley Function-Calling Leaderboard, versions 3 and 4
(gorilla.cs.berkeley.edu, github.com/ShishirPatil/gorilla, Apache-2.0): files
`BFCL_v*_CATEGORY.json` of JSON lines, and the answers of the same name in `possible_answer/`.

Played: what is asked once and judged by comparing calls. Left out: several turns, agents with
memory or a search engine, other languages' literals, and what would run the functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from qcode.errors import UsageError
from qcode.evals.loaders.base import Loading, read_lines
from qcode.messages import JsonObject
from qcode.providers import ToolSpec
from qcode.record import Record

Wants: TypeAlias = Literal["calls", "none", "any"]
"""What is right: calls as in the answers; no call at all; some call, whichever."""

_FILE = re.compile(r"BFCL_v\d+_(\w+?)\.jsonl?")
_LEFT_OUT = (
    (
        re.compile(r"multi_turn|memory|web_search|format_sensitivity"),
        "it is asked over several turns",
    ),
    (re.compile(r"java"), "its answers are literals of another language"),
    (re.compile(r"exec|rest|sql|chatable"), "its functions would have to be run"),
)
_PLAYED = re.compile(
    r"(?:live_)?(?:simple(?:_python)?|multiple|parallel|parallel_multiple|irrelevance|relevance)"
)
_TYPES = {
    "dict": "object", "float": "number", "tuple": "array", "integer": "integer",
    "boolean": "boolean", "string": "string", "array": "array", "object": "object",
    "number": "number", "any": "",
}  # fmt: skip
_KEPT = ("description", "enum", "default")
_BAD_NAME = re.compile(r"[^a-zA-Z0-9_-]")


class Function(Record):
    """A function as a model is told of it."""

    name: str
    """As the data has it; APIs take no dots, so `spec` has another."""
    spec: ToolSpec
    parameters: JsonObject
    """As the data has them, with its own types."""


class Case(Record):
    """One question."""

    id: str
    category: str
    system: str
    question: str
    functions: tuple[Function, ...]
    wants: Wants
    answers: tuple[Mapping[str, Mapping[str, Sequence[Any]]], ...] = ()
    """One each call: the function's name, to the values that each parameter may have; an empty
    text among them says that the parameter may be left out."""

    def function(self, name: str) -> Function | None:
        """Return a function by its own name or by the one that models are told."""
        return next((each for each in self.functions if name in (each.name, each.spec.name)), None)


def load(path: Path, loading: Loading) -> list[Case]:
    """Return the questions of a folder or file that can be played.

    Raises:
        UsageError: there are none, one is not as it should be, or its answer is missing.
    """
    files = [path] if path.is_file() else sorted(path.rglob("BFCL_v*.json*"))
    cases: list[Case] = []
    for file in files:
        named = _FILE.fullmatch(file.name)
        if named is None or file.parent.name == "possible_answer":
            continue
        category = named[1]
        if reason := why_not(category):
            loading.leave_out(f"bfcl-{category}", reason)
        else:
            cases += _read(file, category, loading)
    if not cases and not loading.left_out:
        raise UsageError(
            f"{path} has no questions of BFCL",
            hint="they are in files named BFCL_v3_simple.json, beside possible_answer/",
        )
    return cases


def why_not(category: str) -> str:
    """Return why a category is not played; nothing: it is."""
    for form, reason in _LEFT_OUT:
        if form.search(category):
            return reason
    return "" if _PLAYED.fullmatch(category) else "nothing is known of this category"


def _read(file: Path, category: str, loading: Loading) -> Iterator[Case]:
    wants: Wants = "calls"
    if category.endswith("irrelevance"):
        wants = "none"
    elif category.endswith("relevance"):
        wants = "any"
    answers = _answers(file) if wants == "calls" else {}
    for number, row in read_lines(file):
        where = f"{file}:{number}"
        name = str(row.get("id") or "")
        functions = row.get("function")
        if not name or not isinstance(functions, list) or not functions:
            raise UsageError(f"{where}: a question has `id`, `question` and `function`")
        turns = _turns(row.get("question"), where)
        if len(turns) != 1:
            loading.leave_out(name, "it is asked over several turns")
            continue
        if wants == "calls" and name not in answers:
            raise UsageError(f"{where}: there is no possible answer to {name}")
        said = {role: "\n\n".join(t for r, t in turns[0] if r == role) for role, _ in turns[0]}
        yield Case(
            name,
            category,
            said.get("system", ""),
            said.get("user", ""),
            tuple(_function(each, where) for each in functions),
            wants,
            answers.get(name, ()),
        )


def _answers(file: Path) -> dict[str, tuple[Mapping[str, Mapping[str, Sequence[Any]]], ...]]:
    beside = file.parent / "possible_answer" / file.name
    if not beside.is_file():
        raise UsageError(f"the answers to {file.name} are missing", hint=f"they belong in {beside}")
    found = {}
    for number, row in read_lines(beside):
        truth = row.get("ground_truth")
        if not isinstance(truth, list) or not all(_is_answer(each) for each in truth):
            raise UsageError(
                f"{beside}:{number}: `ground_truth` is a list of "
                '{"function": {"parameter": [values]}}'
            )
        found[str(row.get("id"))] = tuple(truth)
    return found


def _is_answer(value: object) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    (parameters,) = value.values()
    return isinstance(parameters, dict) and all(isinstance(v, list) for v in parameters.values())


def _turns(question: Any, where: str) -> list[list[tuple[str, str]]]:
    """Return what is said in each turn: roles and texts."""
    if isinstance(question, str):
        return [[("user", question)]]
    try:
        turns = question if isinstance(question[0], list) else [question]
        return [[(str(m["role"]), str(m["content"])) for m in turn] for turn in turns]
    except (TypeError, KeyError, IndexError) as error:
        raise UsageError(
            f"{where}: `question` is a list of turns, each a list of messages"
        ) from error


def _function(value: object, where: str) -> Function:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise UsageError(f"{where}: a function has a `name`")
    parameters = value.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {"type": "dict", "properties": {}}
    name = value["name"]
    told = ToolSpec(
        _BAD_NAME.sub("_", name)[:64], str(value.get("description") or ""), as_schema(parameters)
    )
    return Function(name, told, parameters)


def as_schema(parameters: Mapping[str, Any]) -> JsonObject:
    """Return parameters as JSON Schema: BFCL's types are those of Python."""
    own = str(parameters.get("type") or "")
    kind = _TYPES.get(own.lower(), "")
    schema: JsonObject = {"type": kind} if kind else {}
    schema |= {key: parameters[key] for key in _KEPT if key in parameters}
    if own == "float":
        schema["description"] = f"{schema.get('description', '')} This is a float.".strip()
    inner = parameters.get("properties")
    if isinstance(inner, dict):
        schema["properties"] = {
            name: as_schema(each) for name, each in inner.items() if isinstance(each, dict)
        }
    if isinstance(parameters.get("required"), list):
        schema["required"] = list(parameters["required"])
    if isinstance(parameters.get("items"), dict):
        schema["items"] = as_schema(parameters["items"])
    return schema
