"""The unified diff of a change, for a person; bounded."""

from __future__ import annotations

from qcode.record import Record

LINES = 400
"""Lines of a diff at most."""
_COMPARED = 3000
"""Changed lines that are compared at most: difflib's time grows with their square."""


class Change(Record):
    """How a text changed."""

    added: int
    removed: int
    diff: str


def changes(before: str, after: str, path: str) -> Change:
    """Return the lines added and removed and the unified diff."""
    import difflib

    old, new = _lines(before), _lines(after)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    removed, added = len(old) - tail - head, len(new) - tail - head
    if removed and added and removed + added > _COMPARED:
        text = f"--- {path}\n+++ {path}\n@@ {removed:,} lines replaced by {added:,} @@"
        return Change(added, removed, text)
    first, last = max(0, head - 3), max(0, tail - 3)
    part = difflib.unified_diff(
        old[first : len(old) - last], new[first : len(new) - last], lineterm=""
    )
    rows = list(part)[2:]
    added = sum(row.startswith("+") for row in rows)
    removed = sum(row.startswith("-") for row in rows)
    rows = [_moved(row, first) if row.startswith("@@") else row for row in rows]
    if len(rows) > LINES:
        rows = [*rows[:LINES], f"… {len(rows) - LINES:,} more lines"]
    return Change(added, removed, "\n".join([f"--- {path}", f"+++ {path}", *rows]))


def _lines(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def _moved(row: str, by: int) -> str:
    """Return a hunk's header with its line numbers moved down."""
    import re

    return re.sub(r"([-+])(\d+)", lambda m: f"{m[1]}{int(m[2]) + by}", row)
