"""From a call as it was written to one that can be run: its tool's name, its arguments' types."""

from __future__ import annotations

import json
from typing import Any

from qcode.calls.cursor import Ending
from qcode.calls.found import Fault, Found
from qcode.calls.lenient import CLOSED, Unreadable, loads
from qcode.calls.offered import Offered
from qcode.calls.values import coerce
from qcode.messages import JsonObject
from qcode.record import Record, replace


class Settled(Record):
    """A call whose names and types are those of an offered tool, or one with a fault."""

    name: str
    arguments: dict[str, Any]
    text: str = "{}"
    """The arguments as JSON: the model's own text where it is right."""
    id: str = ""
    fault: Fault = Fault.NONE
    detail: str = ""
    notes: tuple[str, ...] = ()
    is_exact: bool = True
    """Whether the tool was named as it is offered."""


def settle(found: Found, offered: Offered, ending: Ending) -> Settled:
    """Return what a call means; `ending` is the message's.

    Nothing is guessed: what has no single reading has a fault.
    """
    tool = offered.resolve(found.name) if found.name else None
    name = tool or found.name

    def faulty(fault: Fault, detail: str) -> Settled:
        return Settled(name, {}, id=found.id, fault=fault, detail=detail)

    if found.fault is not Fault.NONE:
        return faulty(found.fault, found.detail)
    if not found.name:
        return faulty(Fault.MISSING_NAME, found.detail)
    if tool is None:
        # Kept as it was written: the history shows the model what it did.
        readable = _readable(found.arguments)
        text = json.dumps(readable)  # escaped: nobody checked what is in it
        return replace(faulty(Fault.UNKNOWN_TOOL, ""), arguments=readable, text=text)
    schema = offered.schema(tool)
    arguments, notes, written = found.arguments, list(found.notes), ""
    if isinstance(arguments, str) and not arguments.strip():
        if found.unclosed and ending is Ending.CUT:
            return faulty(Fault.TRUNCATED, "It ends before its arguments.")
        arguments = {}
    if isinstance(arguments, str):
        try:
            loaded = loads(arguments, ended=ending is not Ending.CUT)
        except Unreadable as error:
            only = _only_text(schema)
            if only is None or not found.as_text:
                fault = Fault.TRUNCATED if error.cut else Fault.INVALID
                return faulty(fault, error.reason)
            # The raw body of a call: code for a tool that takes nothing else.
            arguments = {only: arguments}
            notes.append(f"the text of the call was taken for `{only}`")
        else:
            if loaded.is_json:
                written = arguments
            arguments = loaded.value
            notes += loaded.notes
    if not isinstance(arguments, dict):
        return faulty(Fault.INVALID, "The arguments must be one JSON object.")
    coerced = coerce(arguments, schema, raw=found.as_text)
    notes += coerced.notes
    missing = [each for each in schema.get("required", ()) if each not in coerced.arguments]
    is_open = found.unclosed and not isinstance(found.arguments, str)
    if missing and (is_open or CLOSED in notes):
        return faulty(Fault.TRUNCATED, f"It ends before `{missing[0]}`.")
    if repr(coerced.arguments) == repr(arguments):
        text = written or json.dumps(arguments, ensure_ascii=False)
    else:
        text = json.dumps(coerced.arguments, ensure_ascii=False)
    if not _is_encodable(text):
        return faulty(Fault.INVALID, "A value has half of a surrogate pair, which is no character.")
    if name not in found.name:
        notes.insert(0, f"the tool is called `{name}`, not `{found.name[:60]}`")
    return Settled(
        name,
        coerced.arguments,
        text,
        id=found.id,
        notes=tuple(dict.fromkeys(notes)),
        is_exact=name == found.name,
    )


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _readable(arguments: Any) -> dict[str, Any]:
    if isinstance(arguments, str):
        try:
            arguments = loads(arguments).value
        except Unreadable:
            return {}
    return arguments if isinstance(arguments, dict) else {}


def _only_text(schema: JsonObject) -> str | None:
    """Return the only required parameter, if it is a string."""
    required = schema.get("required") or []
    if len(required) != 1:
        return None
    parameter = (schema.get("properties") or {}).get(required[0]) or {}
    return required[0] if parameter.get("type") == "string" else None
