"""What the model is told of a call that could not be run as it was written."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from qcode.calls.decoder import DecodedCall
from qcode.calls.example import example
from qcode.calls.found import Fault
from qcode.calls.names import nearest
from qcode.messages import JsonObject
from qcode.prompts import load

_QUOTED = 80
"""Characters of a made-up name that are given back."""


def answer_to(
    call: DecodedCall, schemas: Mapping[str, JsonObject], told: Collection[str] = ()
) -> str:
    """Return the answer to a call with a fault: what was wrong, and what to send instead.

    `told` are the tools that the model knows of, all by default.
    """
    name, told = call.call.name, told or schemas
    match call.fault:
        case Fault.TRUNCATED:
            return load("calls/truncated", tool=name or "a tool", detail=call.detail).replace(
                "  ", " "
            )
        case Fault.UNKNOWN_TOOL:
            return unknown_tool(name, schemas, call.call.arguments, told)
        case Fault.MISSING_NAME:
            return load("calls/nameless", detail=call.detail, tools=", ".join(told))
        case _ if name in schemas:
            return load(
                "calls/invalid", tool=name, detail=call.detail, example=shown_example(schemas[name])
            )
        case _:
            return unknown_tool(name, schemas, told=told)


def unknown_tool(
    name: str,
    schemas: Mapping[str, JsonObject],
    arguments: str = "",
    told: Collection[str] = (),
) -> str:
    """Return what is said of a tool that there is not, the nearest names first."""
    known = ", ".join(nearest(name, told or schemas))
    text = load("calls/unknown", name=name[:_QUOTED], tools=known)
    try:
        fitting = fitting_tool(json.loads(arguments), schemas)
    except (ValueError, RecursionError):
        fitting = ""
    return f"{text} {load('calls/fitting', tool=fitting)}" if fitting else text


def fitting_tool(given: object, schemas: Mapping[str, JsonObject]) -> str:
    """Return the only tool that takes these arguments by their very names, if there is one."""
    if not isinstance(given, dict) or not given:
        return ""
    fitting = [
        name
        for name, schema in schemas.items()
        if set(schema.get("required", ())) <= given.keys() <= schema.get("properties", {}).keys()
    ]
    return fitting[0] if len(fitting) == 1 else ""


def mistaken(tool: str, problem: str, schema: JsonObject) -> str:
    """Return the answer to a call whose arguments the tool does not take."""
    return load("calls/mistaken", tool=tool, problem=problem, example=shown_example(schema))


def repaired(notes: Sequence[str]) -> str:
    """Return what is added to the result of a call that was repaired."""
    return load("calls/repaired", notes="; ".join(notes))


def shown_example(schema: JsonObject) -> str:
    """Return one correct set of arguments as JSON."""
    return json.dumps(example(schema), ensure_ascii=False)
