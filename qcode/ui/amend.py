"""What of a call is opened in an editor, and the arguments that come of what is written there."""

from __future__ import annotations

import json
from pathlib import PurePath

from qcode.approvals import ApprovalRequest
from qcode.record import Record
from qcode.ui.printable import encodable

_TEXTS = ("command", "content", "new_string", "new_source", "input")
"""Arguments that are most of their call: they are opened alone, as they are."""
_SUFFIX_CHARACTERS = 10


class Draft(Record):
    """What a person is given to change."""

    text: str
    name: str
    """Of the file that an editor sees, by which it knows the language."""
    argument: str = ""
    """Which argument it is; empty: it is all of them, as JSON."""


def draft(request: ApprovalRequest) -> Draft:
    """Return what is opened: the command, the new text, or all arguments."""
    written = _read(request.call.arguments)
    if written is None:
        return Draft(encodable(request.call.arguments), "arguments.json")
    for name in _TEXTS:
        if isinstance(text := written.get(name), str):
            return Draft(encodable(text), _named(name, written), name)
    shown = json.dumps(written, ensure_ascii=False, indent=2)
    return Draft(encodable(shown), "arguments.json")


def amended(request: ApprovalRequest, opened: Draft, text: str) -> str | None:
    """Return the arguments with what was written; None if it comes to the same, or to nothing."""
    if opened.argument == "command":
        text = text.strip("\r\n")
    if text == opened.text or not (text.strip() or opened.argument not in ("", "command")):
        return None
    if not opened.argument:
        return text
    written = _read(request.call.arguments)
    assert written is not None
    return json.dumps({**written, opened.argument: text}, ensure_ascii=False)


def _read(arguments: str) -> dict[str, object] | None:
    try:
        read = json.loads(arguments)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None


def _named(argument: str, written: dict[str, object]) -> str:
    if argument in ("command", "input"):
        return {"command": "command.sh", "input": "change.patch"}[argument]
    suffix = PurePath(str(written.get("file_path", ""))).suffix
    fine = suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= _SUFFIX_CHARACTERS
    return f"proposed{suffix if fine else ''}"
