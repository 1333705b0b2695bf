"""What a model is told when edits of the same file fail again: more each time."""

from __future__ import annotations

import re
from pathlib import Path

from qcode.errors import ToolError
from qcode.tools.base import Context
from qcode.tools.lines import LINES, numbered

REWRITTEN = 300
"""Lines of a file up to which it may better be written whole."""
_ROW = re.compile(r"^ *(\d+)\| ", re.MULTILINE)


def failed_edit(
    context: Context,
    real: Path,
    text: str,
    said: str,
    *,
    sought: str = "",
    line: int | None = None,
    may_rewrite: bool = True,
) -> ToolError:
    """Return the error for an edit that cannot be made in a file's `text`, and count it.

    `said` is why it cannot, `sought` the text that it was to replace, `line` where
    if that is known. The second failure in a row shows the text around the place;
    the third offers another way.
    """
    count = context.failures[real] = context.failures.get(real, 0) + 1
    if count == 1:
        return ToolError(said)
    shown = context.workspace.show(real)
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    parts = [said, f"This is failure {count} in a row with {shown}."]
    line = line or _near(lines, said, sought)
    if line is not None and lines:
        first = max(1, min(line - LINES // 4, len(lines) - LINES + 1))
        rows = numbered(lines, first, first + LINES - 1)
        last = first + len(rows) - 1
        parts.append(f"Lines {first}-{last} of {len(lines)} as they are now:")
        parts += rows
    elif count == 2 and sought:
        parts.append("Nothing in it is like that text: read it, or search for the place.")
    if count > 2:
        parts.append(_other_way(shown, len(lines), may_rewrite=may_rewrite))
    # The same edit that fails again comes to the same, whatever more is said of it.
    return ToolError("\n".join(parts), essence=said)


def _other_way(shown: str, count: int, *, may_rewrite: bool) -> str:
    if may_rewrite and count <= REWRITTEN:
        return (
            f"{shown} is short ({count} lines): read it, then give its whole new content "
            "with write_file."
        )
    return (
        "Make a smaller edit: replace one or two lines, copied from those above or from "
        "read_file, without the numbers."
    )


def _near(lines: list[str], said: str, sought: str) -> int | None:
    """Return the line, 1-based, at which the edit was most likely aimed."""
    if (row := _ROW.search(said)) and int(row[1]) <= len(lines):
        return int(row[1])
    wanted = {line.strip() for line in sought.split("\n") if any(map(str.isalnum, line))}
    for number, line in enumerate(lines, 1):
        if line.strip() in wanted:
            return number
    return None
