"""File names in what is printed made links, after it was laid out: no width changes by them.

Only files that are there become links, and what a link shows is the name it opens.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from qcode.hyperlinks import Target, link
from qcode.record import Record

LINE_CHARACTERS = 2_000
"""Longer lines are data; nothing is looked for in them."""
MOST = 40
"""Words of one line that are looked for on disk."""

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_WORD = re.compile(
    r'File "([^"\n]{1,500})", line (\d{1,7})'
    r"|(?:[^\s\"'`<>|,;\u201c\u201d\u2018\u2019{}]|,(?=\d{1,7}\)))+"
)
_AT = re.compile(
    r"(?::(\d{1,7})(?:[:-](\d{1,7}))?|\((\d{1,7}),(\d{1,7})\)|#L(\d{1,7})(?:-L?(\d{1,7}))?)$"
)
"""What may stand behind a name: `:10`, `:10:5`, `:10-20`, `(10,5)`, `#L10`."""
_CLOSERS = {")": "(", "]": "["}


class Found(Record):
    """A file's name in a line."""

    start: int
    end: int
    path: str
    """Absolute."""
    line: int = 0
    """0: none is said."""
    column: int = 0


class Linker:
    """Makes links of the names of files that are there."""

    def __init__(self, root: Path, target: Target) -> None:
        """`root` is what relative names are relative to."""
        self._root = str(root)
        self._target = target

    def linked(self, painted: str, name: str = "") -> str:
        """Return whole lines, styled already, with links in them.

        `name` is a file that they are about, whatever signs are in it.
        """
        if "." not in painted and "/" not in painted and not name:
            return painted
        return "\n".join(self._line(line, name) for line in painted.split("\n"))

    def found(self, text: str, name: str = "") -> Iterator[Found]:
        """Yield the files that a line without styles names, in order."""
        end = 0
        at = text.find(name) if name else -1
        if at >= 0 and (path := self._there(name, is_certain=True)):
            end = at + len(name)
            yield from self._words_of(text[:at], 0)
            yield Found(at, end, path)
        yield from self._words_of(text, end)

    def _words_of(self, text: str, begin: int) -> Iterator[Found]:
        for count, word in enumerate(_words(text)):
            if count >= MOST:
                return
            start, end, name, line, column = word
            if start >= begin and (path := self._there(name)):
                yield Found(start, end, path, line, column)

    def _line(self, painted: str, name: str) -> str:
        if len(painted) > LINE_CHARACTERS or "\x1b]" in painted:
            return painted
        bare = _STYLE.sub("", painted)
        every = list(self.found(bare, name))
        if self._target.native_lines:
            every = [one for one in every if not one.line]
        if not every:
            return painted
        places = _places(painted)
        out: list[str] = []
        at = 0
        for one in every:
            begin, end = places[one.start], places[one.end - 1] + 1
            uri = self._target.uri(one.path, one.line, one.column)
            out += [painted[at:begin], link(painted[begin:end], uri)]
            at = end
        return "".join([*out, painted[at:]])

    def _there(self, name: str, *, is_certain: bool = False) -> str:
        """Return the absolute path of a file that is there, or nothing."""
        if not is_certain and "/" not in name and "." not in name.strip("."):
            return ""
        path = os.path.expanduser(name) if name.startswith("~/") else name
        path = os.path.normpath(os.path.join(self._root, path))
        try:
            return path if stat.S_ISREG(os.stat(path).st_mode) else ""
        except (OSError, ValueError):
            return ""


def _words(text: str) -> Iterator[tuple[int, int, str, int, int]]:
    """Yield what may be names: from where to where, the name, its line and column."""
    for word in _WORD.finditer(text):
        if word[1]:
            yield word.start(), word.end(), word[1], int(word[2]), 0
        elif "." in word[0] or "/" in word[0]:
            yield from _word(word[0], word.start())


def _word(word: str, at: int) -> Iterator[tuple[int, int, str, int, int]]:
    start = len(word) - len(word.lstrip("([*_"))
    body = word[start:]
    while body and (body[-1] in ".:!?*_" or _is_open(body)):
        body = body[:-1]
    place = _AT.search(body)
    name = body[: place.start()] if place else body
    numbers = [int(each) for each in place.groups() if each is not None] if place else []
    is_range = place is not None and "-" in place[0]
    if name:
        line = numbers[0] if numbers else 0
        column = numbers[1] if len(numbers) > 1 and not is_range else 0
        yield at + start, at + start + len(body), name, line, column


def _is_open(body: str) -> bool:
    """Whether what a word ends with closes what did not begin in it."""
    opener = _CLOSERS.get(body[-1], "")
    return bool(opener) and body.count(body[-1]) > body.count(opener)


def _places(painted: str) -> list[int]:
    """Return where each character of the text without styles stands in the styled one."""
    out: list[int] = []
    at = 0
    for style in _STYLE.finditer(painted):
        out += range(at, style.start())
        at = style.end()
    out += range(at, len(painted))
    return out
