r"""A file's text as edits see it: lines that end with `\n` alone, without a byte order mark.

Only `\n` and `\r\n` end a line; all other separators are data. Matching is done
on the folded text; the raw one is kept, and splices are made in it, so that every
line an edit leaves alone keeps its bytes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property

from qcode.editing.fold import RAW, SHIFTED, TRIMMED, TYPOGRAPHIC, fold, rows
from qcode.record import Record

BOM = "\ufeff"


class Splice(Record):
    """A part of a body's text and what takes its place."""

    start: int
    end: int
    new: str
    like: int = -1
    r"""Where a `\n` stands whose kind new line ends take, if none is replaced; -1: nearby."""
    drops: bool = False
    """Whether lines go, rather than one becoming empty: at a text's end that is not the same."""


class Body:
    """One version of a file's text; immutable."""

    def __init__(self, raw: str) -> None:
        self.bom = BOM if raw.startswith(BOM) else ""
        self.raw = raw[len(self.bom) :]
        self.text = self.raw.replace("\r\n", "\n")
        self._folded: dict[int, str] = {}
        self._keys: dict[int, list[str]] = {}

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends; a final end begins no further line."""
        return rows(self.text)

    @cached_property
    def starts(self) -> list[int]:
        """Where each line begins in `text`, and where the text ends."""
        at, starts = 0, [0]
        for line in self.lines:
            at += len(line) + 1
            starts.append(at)
        starts[-1] = len(self.text)
        return starts

    def folded(self, level: int) -> str:
        r"""Return all lines as a level compares them, each between two `\n`."""
        if level == TYPOGRAPHIC and self.text.isascii():
            level = TRIMMED
        if level not in self._folded:
            if level == RAW:
                end = "" if self.text.endswith("\n") else "\n"
                self._folded[RAW] = f"\n{self.text}{end}"
            elif level == TRIMMED and self._is_trimmed:
                self._folded[TRIMMED] = self.folded(RAW)
            else:
                self._folded[level] = "\n" + "\n".join(self.keys(level)) + "\n"
        return self._folded[level]

    @cached_property
    def _is_trimmed(self) -> bool:
        raw = self.folded(RAW)
        return " \n" not in raw and "\t\n" not in raw

    def keys(self, level: int) -> list[str]:
        """Return each line as a level compares it."""
        if level == RAW or (level == TRIMMED and self._is_trimmed):
            return self.lines
        if level == TYPOGRAPHIC and self.text.isascii():
            return self.keys(TRIMMED)
        if level not in self._keys:
            if level == SHIFTED:
                self._keys[SHIFTED] = [line.strip(" \t") for line in self.keys(TYPOGRAPHIC)]
            else:
                self._keys[level] = fold(self.lines, level)
        return self._keys[level]

    def standing(self) -> set[str]:
        """Return the lines that there are, without blanks around them."""
        return {line.strip() for line in self.lines}

    def find_lines(self, wanted: Sequence[str], level: int, most: int = 1000) -> list[int]:
        """Return the indices of all windows of whole lines that are equal at a level."""
        if not self.text:
            return []
        hay = self.folded(level)
        needle = "\n" + "\n".join(fold(wanted, level)) + "\n"
        found: list[int] = []
        at, line, counted = hay.find(needle), 0, 0
        while at >= 0 and len(found) < most:
            line += hay.count("\n", counted, at)
            counted = at
            found.append(line)
            at = hay.find(needle, at + 1)
        return found

    def line_at(self, place: int) -> int:
        """Return the line of a place in `text`, from 1."""
        return self.text.count("\n", 0, place) + 1

    @cached_property
    def _crlf(self) -> list[int]:
        r"""Places in `text` of the `\n` that are `\r\n` in `raw`."""
        if len(self.raw) == len(self.text):
            return []
        import re

        found = (match.start() for match in re.finditer("\r\n", self.raw))
        return [at - count for count, at in enumerate(found)]

    @cached_property
    def _is_uniform(self) -> bool:
        crlf = len(self.raw) - len(self.text)
        return crlf == 0 or crlf == self.text.count("\n")

    @property
    def has_mixed_ends(self) -> bool:
        """Whether some lines end one way and some the other."""
        return not self._is_uniform

    def _is_crlf(self, place: int) -> bool:
        if self._is_uniform:
            return len(self.raw) > len(self.text)
        index = bisect_left(self._crlf, place)
        return index < len(self._crlf) and self._crlf[index] == place

    def _raw_at(self, place: int) -> int:
        if len(self.raw) == len(self.text):
            return place
        if self._is_uniform:
            return place + self.text.count("\n", 0, place)
        return place + bisect_left(self._crlf, place)

    def _dressed(self, splice: Splice) -> str:
        """Return new text with the line ends of what it replaces, else of its neighbourhood."""
        if len(self.raw) == len(self.text) or "\n" not in splice.new:
            return splice.new
        if self._is_uniform:
            return splice.new.replace("\n", "\r\n")
        replaced = []
        at = self.text.find("\n", splice.start, splice.end)
        while at >= 0:
            replaced.append(self._is_crlf(at))
            at = self.text.find("\n", at + 1, splice.end)
        if not replaced:
            near = splice.like
            if near < 0:
                near = self.text.find("\n", splice.end)
            if near < 0:
                near = self.text.rfind("\n", 0, splice.start)
            replaced = [self._is_crlf(near)]
        pieces = splice.new.split("\n")
        out = [pieces[0]]
        for number, piece in enumerate(pieces[1:]):
            is_crlf = replaced[min(number, len(replaced) - 1)]
            out += ["\r\n" if is_crlf else "\n", piece]
        return "".join(out)

    def spliced(self, splices: Sequence[Splice], *, final_end: bool | None = None) -> str:
        """Return the raw text with splices made, in order and without overlap.

        The state of the final line end is kept, unless `final_end` gives it.
        """
        out, done = [self.bom], 0
        for splice in splices:
            out += [self.raw[done : self._raw_at(splice.start)], self._dressed(splice)]
            done = self._raw_at(splice.end)
        out.append(self.raw[done:])
        raw = "".join(out)
        if not self.text:
            # A text that starts empty gets the new one as it is.
            return raw.removesuffix("\n") if final_end is False else raw
        at = self.text.rfind("\n")
        line_end = "\r\n" if at >= 0 and self._is_crlf(at) else "\n"
        if not self.text.endswith("\n"):
            last = splices[-1] if splices else None
            if last and last.end == len(self.text) and last.drops:
                # The last lines are gone. The one above has an end, and keeps it if it may.
                return raw if final_end else _unended(raw)
            return raw + line_end if final_end else raw
        if final_end is False:
            return _unended(raw)
        return raw if raw.endswith("\n") or len(raw) == len(self.bom) else raw + line_end


def _unended(raw: str) -> str:
    """Return a text without its last line end."""
    return raw[: -2 if raw.endswith("\r\n") else -1] if raw.endswith("\n") else raw
