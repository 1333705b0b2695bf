"""JSON that says a call: the shapes models give it, and reading it from the text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qcode.calls.cursor import Cursor, Ending
from qcode.calls.found import Fault, Found
from qcode.calls.lenient import Unreadable, ValueScan, end_of_value, loads
from qcode.calls.offered import Offered
from qcode.record import Record, replace

ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "params")
_NAME_KEYS = ("name", "tool_name", "function_name", "tool")
_ENVELOPE = frozenset({"type", "id", "index"})
_NAME = re.compile(
    r"""["'](?:name|tool_name|function_name|tool|function)["']\s*:\s*["']([^"'\n]{1,100})["']"""
)
_NAME_WITHIN = 400
"""Characters in which a call names its tool, if it can be read or not."""


def calls_of(value: Any, offered: Offered, *, strict: bool = False) -> list[Found] | None:
    """Return the calls that a JSON value is, in order; None if it is anything else.

    `strict` takes only what names its tool and its arguments apart.
    """
    if isinstance(value, list):
        each = [calls_of(item, offered, strict=strict) for item in value]
        if not each or any(found is None for found in each):
            return None
        return [call for found in each for call in found or ()]
    if not isinstance(value, dict) or _is_definition(value):
        return None
    several = value.get("tool_calls")
    if isinstance(several, list) and len(value) == 1:
        return calls_of(several, offered, strict=strict)
    inner = value.get("function")
    if isinstance(inner, dict):
        found = None if _is_definition(inner) else _one(inner, offered, strict=strict)
    elif isinstance(inner, str) and "name" not in value:
        rest = {k: v for k, v in value.items() if k != "function"}
        found = _one({"name": inner, **rest}, offered, strict=strict)
    else:
        found = _one(value, offered, strict=strict)
    if found is None:
        return None
    call_id = value.get("id")
    return [replace(found, id=call_id) if isinstance(call_id, str) else found]


def _one(value: dict[str, Any], offered: Offered, *, strict: bool) -> Found | None:
    key = next((k for k in ARGUMENT_KEYS if k in value), None)
    named = next((k for k in _NAME_KEYS if isinstance(value.get(k), str)), None)
    if named is None:
        if strict:
            return None
        if key is not None and isinstance(value[key], dict):
            keys = ", ".join(map(str, value[key])) or "none"
            return Found("", {}, fault=Fault.MISSING_NAME, detail=f"Its arguments were: {keys}.")
        if len(value) == 1:
            ((name, arguments),) = value.items()
            if name in offered and isinstance(arguments, dict):
                return Found(name, arguments)
        return None
    name = value[named]
    if not name.strip() and key is not None and not strict:
        return Found("", {}, fault=Fault.MISSING_NAME)
    if offered.is_placeholder(name):
        return None
    if key is not None:
        arguments = value[key]
        return Found(name, {} if arguments is None else arguments)
    if strict:
        return None
    return Found(name, {k: v for k, v in value.items() if k != named and k not in _ENVELOPE})


def _is_definition(value: Mapping[str, Any]) -> bool:
    """Whether this describes a tool, as prompts do and models repeat."""
    parameters = value.get("parameters")
    return isinstance(parameters, dict) and (
        "description" in value or ("properties" in parameters and "type" in parameters)
    )


def read_calls(
    cursor: Cursor, offered: Offered, closers: tuple[str, ...] = ()
) -> list[Found] | None:
    """Take the JSON value at the cursor; return its calls, or one with a fault; None if neither.

    `closers` are what may end it if its own brackets do not.

    Raises:
        Undecided: it has not ended yet.
    """
    start = cursor.at
    read = read_object(cursor, closers)
    if read.fault is Fault.NONE:
        found = calls_of(read.value, offered)
        return [replace(call, notes=read.notes) for call in found] if found else None
    match = _NAME.search(cursor.text, start, start + _NAME_WITHIN)
    if match is None:
        # Cut before it named a tool: still no prose.
        is_call = read.fault is Fault.TRUNCATED and _begins_call(cursor.text[start:])
        return [Found("", {}, fault=read.fault, detail=read.detail)] if is_call else None
    if offered.is_placeholder(match[1]):
        return None
    return [Found(match[1], {}, fault=read.fault, detail=read.detail)]


_BEGINS = re.compile(
    r"""[{\[]\s*(\{\s*)?(["']?(n(a(m(e.{0,120})?)?)?)?)?\Z"""
    r"""|\{\s*["'](?:arguments|parameters)["']\s*:""",
    re.DOTALL,
)


def _begins_call(text: str) -> bool:
    return _BEGINS.match(text) is not None


class Read(Record):
    """JSON from the text, repaired, or why it has no reading."""

    value: Any
    notes: tuple[str, ...] = ()
    fault: Fault = Fault.NONE
    detail: str = ""

    def arguments_of(self, name: str, call_id: str = "") -> Found:
        """Return the call of a tool whose arguments this is."""
        fault, detail = self.fault, self.detail
        if fault is Fault.NONE and not isinstance(self.value, dict):
            fault, detail = Fault.INVALID, "The arguments must be one JSON object."
        value = {} if fault is not Fault.NONE else self.value
        return Found(name, value, id=call_id, fault=fault, detail=detail, notes=self.notes)


def read_object(cursor: Cursor, closers: tuple[str, ...] = ()) -> Read:
    """Take the JSON value at the cursor; `closers` may end it if its own brackets do not.

    Raises:
        Undecided: it has not ended yet.
    """
    text, start = cursor.text, cursor.at
    end = end_of_value(text, start, cursor.memo.setdefault(("value", start), ValueScan(start)))
    problem: Unreadable | None = None
    if end >= 0:
        cursor.at = end
        cursor.reach = max(cursor.reach, end)
        try:
            loaded = loads(text[start:end])
            return Read(loaded.value, loaded.notes)
        except Unreadable as error:
            problem = error
    # Its own brackets do not tell; a closing tag does, and where there is none yet, the end.
    if end < 0:
        cursor.await_more()
    closed = _first(text, closers, max(start, end))
    if closed < 0 or end < 0:
        cursor.await_more()
    limit = closed if closed >= 0 else len(text) if end < 0 else end
    cursor.at = limit
    cursor.reach = max(cursor.reach, limit)
    try:
        natural = closed >= 0 or cursor.ending is Ending.NATURAL
        loaded = loads(text[start:limit], ended=natural)
    except Unreadable as error:
        problem = problem or error
        fault = Fault.TRUNCATED if problem.cut and closed < 0 else Fault.INVALID
        return Read(None, (), fault, problem.reason)
    return Read(loaded.value, loaded.notes)


def _first(text: str, literals: tuple[str, ...], start: int) -> int:
    found = [at for each in literals if (at := text.find(each, start)) >= 0]
    return min(found, default=-1)
