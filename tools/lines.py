"""Lines of a file as a model is shown them beside a message."""

from __future__ import annotations

from collections.abc import Sequence

LINES = 40
"""Lines shown at most."""
CHARACTERS = 300
"""Of each line."""


def numbered(lines: Sequence[str], first: int, last: int) -> list[str]:
    """Return lines from `first` to `last`, 1-based, as `12| text`, long ones cut."""
    return [
        f"{number}| {line if len(line) <= CHARACTERS else line[:CHARACTERS] + '…'}"
        for number, line in enumerate(lines[first - 1 : last], first)
    ]


def excerpt(text: str, places: Sequence[tuple[int, int]]) -> str:
    """Return the lines of some places, numbered."""
    lines = text.replace("\r\n", "\n").split("\n")
    rows: list[str] = []
    for first, last in places:
        if rows:
            rows.append("…")
        room = LINES - len(rows)
        if room <= 0:
            break
        rows += numbered(lines, first, min(last, first + room - 1))
        if last > first + room - 1:
            rows.append("…")
    return "\n".join(rows)
