"""An answer as it is written, to lines that are printed once and never drawn again.

What is done leaves at once; what may still change is shown by `tail` below it. The same text
gives the same lines, in whatever pieces it comes. It is a model's: nothing of it gets to the
terminal that is no text.
"""

from __future__ import annotations

import re

from qcode.ui.blocks import Blocks
from qcode.ui.leaves import Table
from qcode.ui.printable import Printing, fit
from qcode.ui.runs import chopped, expanded, paint, painted
from qcode.ui.theme import Theme

LINE_CHARACTERS = 1_000
"""A line that is longer is taken in pieces, so that it can be shown before its end."""

_MARKS_ALONE = re.compile(r"[ \t>]*[-=*_+#`~|:. \d]{0,80}")
"""The beginning of a line that may turn out to be any block."""


class Flow:
    """Takes an answer in pieces; gives it out as styled lines."""

    def __init__(self, theme: Theme, columns: int) -> None:
        self._theme = theme
        self._columns = max(columns, 4)
        self._printing = Printing()
        self._rest = ""
        """The end of the text that is no whole line yet."""
        self._long = False
        """Whether it is the rest of a line that was taken in pieces."""
        self._blocks = Blocks(self._columns)
        self._drawn: tuple[int, list[str]] | None = None
        """Rows and lines of the tail, as long as nothing changes."""
        self._begun = False
        """Whether anything but empty lines came; of plain text."""

    def feed(self, text: str) -> str:
        """Take a piece, return the lines that are done: each ends in a newline."""
        return self._take(self._printing.feed(text))

    def flush(self) -> str:
        """Return the lines that are left: the answer has ended, and another may begin."""
        done = self._take(self._printing.flush())
        rest, self._rest = self._rest, ""
        if not self._theme.colour:
            self._begun = False
            return f"{done}{rest}\n" if rest.strip() else done
        if rest:
            self._line(rest)
        self._blocks.close()
        done += painted(self._blocks.out, self._theme)
        self._blocks, self._long = Blocks(self._columns), False
        return done

    def tail(self, rows: int) -> list[str]:
        """Return the end of what is not done yet, as at most so many lines of a live region."""
        if self._drawn is None or self._drawn[0] != rows:
            self._drawn = rows, self._tail(rows)
        return list(self._drawn[1])

    def resize(self, columns: int) -> None:
        """Have the lines that follow be of at most so many columns."""
        self._columns = self._blocks.columns = max(columns, 4)
        self._drawn = None

    def _take(self, safe: str) -> str:
        if not safe:
            return ""
        self._drawn = None
        if not self._theme.colour:
            return self._as_written(safe)
        text, at = self._rest + safe, 0
        while True:
            newline = text.find("\n", at, at + LINE_CHARACTERS)
            if newline >= 0:
                self._line(text[at:newline])
                self._long = False
                at = newline + 1
            elif len(text) - at >= LINE_CHARACTERS:
                end = at + LINE_CHARACTERS
                cut = text.rfind(" ", end - 200, end) + 1 or end
                self._line(text[at:cut])
                self._long = True
                at = cut
            else:
                break
        self._rest = text[at:]
        done, self._blocks.out = self._blocks.out, []
        return painted(done, self._theme)

    def _line(self, text: str) -> None:
        if self._long:
            self._blocks.extend(text)
        else:
            self._blocks.line(text)

    def _as_written(self, safe: str) -> str:
        """Return whole lines as they are: there are no styles, and the terminal breaks them."""
        if not self._begun:
            whole = self._rest + safe
            text = whole.lstrip("\n")
            self._begun = bool(text.strip())
            self._rest = ""
            safe = text
        done, newline, rest = safe.rpartition("\n")
        if not newline:
            self._rest += rest
            return ""
        done, self._rest = f"{self._rest}{done}\n", rest
        return done

    def _tail(self, rows: int) -> list[str]:
        if rows < 1:
            return []
        if not self._theme.colour:
            # No more than can be shown is looked at.
            end = expanded(self._rest[-rows * self._columns :])
            lines = chopped([(end, "")], self._columns) if end else []
            return [paint(line, self._theme) for line in lines[-rows:]]
        leaf = self._blocks.leaf
        if isinstance(leaf, Table):
            last = [*leaf.rows[-rows:], self._rest][-rows:] if self._rest else leaf.rows[-rows:]
            rest = [fit(expanded(row), self._columns) for row in last or [leaf.header]]
            return [self._theme.paint(row, "dim") for row in rest]
        ghost = self._blocks.copy()
        if self._rest and (self._long or not _MARKS_ALONE.fullmatch(self._rest)):
            if self._long:
                ghost.extend(self._rest)
            else:
                ghost.line(self._rest)
        ghost.close()
        return [paint(line, self._theme) for line in ghost.out[-rows:]]
