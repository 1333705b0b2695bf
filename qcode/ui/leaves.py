"""The blocks of Markdown that hold text, each growing by lines: paragraph, code, table.

A leaf gives out what can no more change (`take`), and the rest when it ends (`finish`).
What one holds back is bounded, however long it grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from qcode.ui import grid
from qcode.ui.code import Highlighter
from qcode.ui.grid import Side
from qcode.ui.inline import KEPT_BREAK_COLUMNS, inline
from qcode.ui.runs import Line, Run, chopped, expanded, wrapped

PART_CHARACTERS = 1_000
"""Of a paragraph that are read as one; what is longer is finished in parts."""
TABLE_ROWS = 100
TABLE_CHARACTERS = 16_000
"""Of a table that its columns are measured by; rows that follow are fitted in."""


class Leaf(Protocol):
    """A block that holds text."""

    spaced: bool
    """Whether it stands apart from what is before and after it."""

    def add(self, line: str) -> None:
        """Take the next line."""

    def extend(self, text: str) -> None:
        """Take more of the line before."""

    def take(self, columns: int) -> list[Line]:
        """Return the lines that are done."""

    def finish(self, columns: int) -> list[Line]:
        """Return the lines that are left."""

    def copy(self) -> Leaf:
        """Return one that goes on from here by itself."""


@dataclass(slots=True)
class Paragraph:
    """Text that is broken to the columns."""

    source: str = ""
    spaced: bool = False
    _last: str = ""
    """The line that was added last, as far as it counts."""
    _carry: list[Run] = field(default_factory=list)
    """The unfinished line that a part ended with."""

    def add(self, line: str) -> None:
        line = line.lstrip(" ")
        if self.source:
            # A line shorter than others was ended on purpose.
            hard = len(self._last) < KEPT_BREAK_COLUMNS or self._last.endswith("  ")
            if not self.source.endswith("\\"):
                self.source = self.source.rstrip(" ") + "  " * hard
            self.source += "\n"
        self.source += line
        self._last = line

    def extend(self, text: str) -> None:
        self.source += text
        self._last += text

    def last_line(self) -> str:
        """Return the source of the line that was added last."""
        return self._last

    def without_last_line(self) -> Paragraph | None:
        """Return what stands before it, if anything does."""
        before, newline, _ = self.source.rpartition("\n")
        if not newline:
            return replace(self, source="") if self._carry else None
        return replace(self, source=before.rstrip(" "))

    def take(self, columns: int) -> list[Line]:
        done: list[Line] = []
        while len(self.source) > PART_CHARACTERS:
            cut = _cut(self.source)
            part, self.source = self.source[:cut], self.source[cut:].lstrip(" ")
            runs = self._carry + inline(part.rstrip(" \n"))
            if self.source.startswith("\n") or part.endswith("\n"):
                self.source = self.source.removeprefix("\n")
                self._carry = []
                done += wrapped(runs, columns)
            else:
                *lines, self._carry = wrapped(runs, columns)
                done += lines
                self._carry.append((" " * part.endswith(" "), ""))
        return done

    def finish(self, columns: int) -> list[Line]:
        runs = self._carry + inline(self.source.strip(" "))
        return wrapped(runs, columns) if runs else []

    def copy(self) -> Paragraph:
        return replace(self, _carry=list(self._carry))


def _cut(source: str) -> int:
    """Return where a part may end: between words, outside of what is marked if possible."""
    cut = -1
    end = PART_CHARACTERS
    for _ in range(40):
        at = max(source.rfind(" ", PART_CHARACTERS // 2, end), source.rfind("\n", 0, end)) + 1
        if at <= PART_CHARACTERS // 2:
            break
        cut = at if cut < 0 else cut
        part = source[:at]
        even = all(part.count(mark) % 2 == 0 for mark in ("`", "**", "~~"))
        if even and part.count("[") == part.count("]") and part.count("(") == part.count(")"):
            return at
        end = at - 1
    return cut if cut > 0 else PART_CHARACTERS


@dataclass(slots=True)
class Code:
    """Lines of code, each done as soon as it is whole."""

    highlighter: Highlighter
    fence: str = ""
    """What began it, and ends it; empty for code that is only indented."""
    indent: int = 0
    spaced: bool = True
    _lines: list[Line] = field(default_factory=list)
    _blanks: int = 0
    """Empty lines that belong to it only if more of it follows."""

    def add(self, line: str) -> None:
        if not self.fence and not line.strip():
            self._blanks += 1
            return
        self._lines += [[] for _ in range(self._blanks)]
        self._blanks = 0
        self._lines.append(self.highlighter.line(expanded(line)))

    @property
    def pending_blank(self) -> bool:
        """Whether empty lines were left over."""
        return self._blanks > 0

    def label(self, text: str) -> None:
        """Show what the code is said to be."""
        self._lines.append([(text, "dim")])

    def extend(self, text: str) -> None:
        self.add(text)

    def take(self, columns: int) -> list[Line]:
        lines, self._lines = self._lines, []
        return [[("  ", ""), *row] for line in lines for row in chopped(line, columns - 2)]

    def finish(self, columns: int) -> list[Line]:
        return self.take(columns)

    def copy(self) -> Code:
        return replace(self, highlighter=self.highlighter.copy(), _lines=list(self._lines))


@dataclass(slots=True)
class Table:
    """Rows, laid out when all are known or there are many."""

    header: str
    sides: Sequence[Side]
    spaced: bool = True
    rows: list[str] = field(default_factory=list)
    _size: int = 0
    _widths: list[int] | None = None
    _begun: bool = False

    def add(self, line: str) -> None:
        self.rows.append(line)
        self._size += len(line)

    def extend(self, text: str) -> None:
        if not self.rows:
            self.rows.append("")
        self.rows[-1] += text
        self._size += len(text)

    def take(self, columns: int) -> list[Line]:
        if len(self.rows) <= TABLE_ROWS and self._size <= TABLE_CHARACTERS:
            return []
        return self.finish(columns)

    def finish(self, columns: int) -> list[Line]:
        names = grid.read(self.header, "strong")
        rows = [grid.read(row) for row in self.rows]
        self.rows, self._size = [], 0
        count = max(map(len, [names, *rows]))
        known = self._widths
        if known is None or len(known) < count or sum(known) + 3 * (count - 1) > columns:
            self._widths = known = grid.widths([names, *rows], columns)
        if not known:
            return [line for row in rows or [names] for line in grid.listed(names, row, columns)]
        lines: list[Line] = []
        if not self._begun:
            lines += [*grid.row_lines(names, known, self.sides), grid.rule(known)]
            self._begun = True
        for row in rows:
            lines += grid.row_lines(row, known, self.sides)
        return lines

    def copy(self) -> Table:
        return replace(self, rows=list(self.rows))
