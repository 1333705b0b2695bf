"""A call that a person changed before they allowed it, and how the model hears of it.

The model's own message stays as it was written; so the result has to say what ran.
"""

from __future__ import annotations

import json
from typing import Any

from qcode.editing.effects import hunks
from qcode.messages import JsonObject, ToolCall
from qcode.record import Record


class Changed(Record):
    """The call as it is run."""

    call: ToolCall
    params: Any
    """Its arguments as the tool reads them."""
    words: str
    """For the model: what was changed."""


def in_words(written: ToolCall, run: ToolCall) -> str:
    """Return what the model is told of a call that is run otherwise than it wrote it."""
    before, after = _arguments(written), _arguments(run)
    told = "The person changed this call before allowing it; what ran:"
    lines: list[str] = []
    command = after.get("command")
    if isinstance(command, str) and command != before.get("command"):
        told += f"\n{command}" if "\n" in command else f" {command}"
        before, after = ({k: v for k, v in a.items() if k != "command"} for a in (before, after))
    else:
        told += " the call with these changes to its arguments:"
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name) or (name in before) != (name in after):
            lines += [f"`{name}`:", *_difference(before.get(name), after.get(name))]
    return "\n".join([told, *lines])


def _arguments(call: ToolCall) -> JsonObject:
    try:
        read = json.loads(call.arguments)
    except ValueError:
        return {"arguments": call.arguments}
    return read if isinstance(read, dict) else {"arguments": call.arguments}


def _difference(before: object, after: object) -> list[str]:
    found = hunks(_text(before), _text(after))
    return "".join(hunk.text for hunk in found).removesuffix("\n").split("\n")


def _text(value: object) -> str:
    """Return a value as lines, all of them ended."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    return f"{text}\n"
