"""`@selection`, `@diagnostics` and `@file`: what an editor handed over, as the model is told it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qcode.bridge.protocol import Context, Diagnostic
from qcode.errors import ToolError

NAMES = {
    "selection": "what is selected in the editor",
    "diagnostics": "what the editor's checkers say",
    "file": "the file that is open in the editor",
}
"""Mentions, each with a few words on it."""

Show = Callable[[Path], str]
"""Returns a path as the model knows it."""

UNSAVED = ", with changes that are not saved"


def selected(context: Context, show: Show) -> tuple[str, str]:
    """Return what the selection is of, and its text.

    Raises:
        ToolError: nothing is selected.
    """
    one = context.selection
    if one is None or not one.text:
        raise ToolError("nothing is selected in the editor")
    where = show(Path(context.file)) if context.file else "a buffer without a file"
    lines = f" lines {one.first}-{one.last}" if one.first else ""
    unsaved = UNSAVED if context.modified else ""
    return f"{where}{lines}, selected in the editor{unsaved}", one.text


def diagnosed(context: Context, show: Show, is_hidden: Callable[[Path], bool]) -> str:
    """Return a line for each diagnostic, those of the open file first.

    Raises:
        ToolError: the editor said nothing of them.
    """
    if context.diagnostics is None:
        raise ToolError("the editor handed over no diagnostics")
    every = [one for one in context.diagnostics if one.file and not is_hidden(Path(one.file))]
    every.sort(key=lambda one: (one.file != context.file, one.file, one.line, one.column))
    return "\n".join(_line(one, show) for one in every) or "no diagnostics"


def _line(one: Diagnostic, show: Show) -> str:
    source = f" ({one.source})" if one.source else ""
    message = " ".join(one.message.split())
    return f"{show(Path(one.file))}:{one.line}:{one.column}: {one.severity}: {message}{source}"
