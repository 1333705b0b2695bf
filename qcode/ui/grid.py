"""Tables of Markdown: rows of cells to lines that fit the columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from qcode.ui.inline import inline
from qcode.ui.runs import Line, Run, length, wrapped

Side: TypeAlias = Literal["left", "right", "centre"]

LEAST_COLUMNS = 5
"""Of a cell; where there is less room, each row becomes a list of its cells."""
SEPARATOR = " │ "

_DELIMITER = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_PIPE = re.compile(r"(?<!\\)\|")
_BREAK = re.compile(r"<br[ ]*/?>", re.IGNORECASE)


def cells(row: str) -> list[str]:
    """Return the sources of a row's cells."""
    row = row.strip().removeprefix("|")
    if row.endswith("|") and not row.endswith("\\|"):
        row = row[:-1]
    return [cell.strip().replace("\\|", "|") for cell in _PIPE.split(row)]


def sides(header: str, delimiter: str) -> list[Side] | None:
    """Return how the columns are aligned; None if the two lines begin no table."""
    if "|" not in header or not _DELIMITER.fullmatch(delimiter):
        return None
    marks = cells(delimiter)
    if len(marks) != len(cells(header)):
        return None
    return [
        "centre" if mark.startswith(":") and mark.endswith(":") and len(mark) > 1
        else "right" if mark.endswith(":")
        else "left"
        for mark in marks
    ]  # fmt: skip


def widths(rows: Sequence[Sequence[Sequence[Run]]], columns: int) -> list[int]:
    """Return how wide the columns of a table are; empty if there is no room for it."""
    count = max(map(len, rows), default=0)
    natural = [1] * count
    for row in rows:
        for index, cell in enumerate(row):
            natural[index] = max(natural[index], _widest(cell))
    room = columns - len(SEPARATOR) * (count - 1)
    if room < LEAST_COLUMNS * count and room < sum(natural):
        return []
    # The narrow ones get what they need, the others equal shares of what is left.
    out = [0] * count
    order = sorted(range(count), key=natural.__getitem__)
    for place, index in enumerate(order):
        out[index] = min(natural[index], room // (count - place))
        room -= out[index]
    return out


def row_lines(
    row: Sequence[Sequence[Run]], wide: Sequence[int], aligned: Sequence[Side]
) -> list[Line]:
    """Return a row's lines; cells are broken between words."""
    broken = [
        wrapped(row[index], width) if index < len(row) else [] for index, width in enumerate(wide)
    ]
    lines: list[Line] = []
    for at in range(max(map(len, broken), default=0)):
        line: Line = []
        for index, width in enumerate(wide):
            if index:
                line.append((SEPARATOR, "bar"))
            cell = broken[index][at] if at < len(broken[index]) else []
            free = width - length(cell)
            side = aligned[index] if index < len(aligned) else "left"
            before = free if side == "right" else free // 2 if side == "centre" else 0
            line += [(" " * before, ""), *cell, (" " * (free - before), "")]
        lines.append(_stripped(line))
    return lines


def rule(wide: Sequence[int]) -> Line:
    """Return the line between a table's head and the rest."""
    return [("─┼─".join("─" * width for width in wide), "bar")]


def listed(
    names: Sequence[Sequence[Run]], row: Sequence[Sequence[Run]], columns: int
) -> list[Line]:
    """Return a row as a list of its cells: there is no room for columns."""
    lines: list[Line] = []
    for index, cell in enumerate(row):
        name = list(names[index]) if index < len(names) else []
        lines += wrapped([*name, (": ", "strong"), *cell] if name else list(cell), columns)
    return [*lines, [("─" * min(columns, 12), "bar")]]


def read(row: str, style: str = "") -> list[list[Run]]:
    """Return a row's cells as runs."""
    return [inline(_BREAK.sub("  \n", cell), style) for cell in cells(row)]


def _widest(cell: Sequence[Run]) -> int:
    if all("\n" not in text for text, _ in cell):
        return length(cell)
    return max(map(length, wrapped(cell, 10_000)))


def _stripped(line: Line) -> Line:
    while line and not line[-1][0].strip(" ") and not line[-1][1]:
        line.pop()
    return line
