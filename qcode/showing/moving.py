"""What a task says is to move from one file to another, and what of it stayed behind. Pure.

A small model writes a function where it is to go, and leaves it where it was. English alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from qcode.record import Record
from qcode.repomap.words import identifiers

_PATH = r"`?((?:[\w-]+/)*[\w.-]*\w\.\w+)`?"
_MOVE = re.compile(
    r"\b(?:move|extract)\s+(?P<what>(?:[^.\n]|\.(?=\w)){1,120}?)\s+(?:from|out of)\s+"
    + _PATH.replace("(", "(?P<source>", 1)
    + r"\s+(?:in)?to\s+(?:[\w-]+\s+){0,4}?"
    + _PATH.replace("(", "(?P<target>", 1),
    re.IGNORECASE,
)


class Move(Record):
    """Definitions that go from one file to another."""

    names: tuple[str, ...]
    """All words of the task that may name them."""
    source: str
    target: str
    """Paths as the task has them."""

    def behind(self, defined: Callable[[str], list[str]]) -> tuple[str, ...]:
        """Return what is in both files, by what each one defines."""
        there = set(defined(self.target)).intersection(self.names)
        return tuple(name for name in dict.fromkeys(defined(self.source)) if name in there)


def moves(task: str) -> list[Move]:
    """Return what a task says is to move."""
    return [
        Move(tuple(identifiers(match["what"])), match["source"], match["target"])
        for match in _MOVE.finditer(task)
        if match["source"] != match["target"]
    ]
