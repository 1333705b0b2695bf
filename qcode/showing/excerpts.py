"""What of a long file a task is about: the lines with its names, and what is around them."""

from __future__ import annotations

from typing import NamedTuple

from qcode.repomap.request import CODE_WORTH, read
from qcode.repomap.words import identifiers

LONG_LINES = 300
"""A file with more is not written whole: that takes a small model minutes, and it errs."""

_AROUND = 12
_MOST_LINES = 120
_HEAD = 40


class Part(NamedTuple):
    """Lines of a file, as they are."""

    first: int
    """The number of the first, from 1."""
    lines: tuple[str, ...]


def parts(text: str, task: str) -> list[Part]:
    """Return the parts of a long file that a task is about; its head where none is."""
    lines = text.splitlines()
    names = read(task).names
    telling = {name for name, worth in names.items() if worth >= CODE_WORTH and len(name) > 2}
    hits = [at for at, line in enumerate(lines) if telling.intersection(identifiers(line))]
    if not hits:
        return [Part(1, tuple(lines[:_HEAD]))]
    found: list[Part] = []
    taken = 0
    begin = end = -1
    for at in hits:
        if at - _AROUND <= end:
            end = min(len(lines), at + _AROUND + 1)
            continue
        if begin >= 0:
            found.append(Part(begin + 1, tuple(lines[begin:end])))
            taken += end - begin
            if taken >= _MOST_LINES:
                return found
        begin, end = max(0, at - _AROUND), min(len(lines), at + _AROUND + 1)
    found.append(Part(begin + 1, tuple(lines[begin:end])))
    return found
