"""Anchors of a hunk: lines of the file that say in which block it lies."""

from __future__ import annotations

from collections.abc import Sequence

from qcode.editing.body import Body
from qcode.editing.fold import SHIFTED, fold, is_blank, lead
from qcode.record import Record

_TAB = 4
_COMMENTS = ("#", "//", "/*", "*", "--", ";", "<!--", "%", '"""', "'''")
_CLOSING = ("}", ")", "]")


class Region(Record):
    """Lines of a file: an anchor's, and those of its block or all behind it."""

    anchor: int
    end: int


def regions(body: Body, anchors: Sequence[str]) -> list[Region] | None:
    """Return where a hunk with anchors may lie; None if the file has none of them."""
    keys = body.keys(SHIFTED)
    scope: list[Region] | None = None
    for anchor in fold(anchors, SHIFTED):
        inside = scope or [Region(-1, len(keys))]
        found = {
            index: min(region.end, _end(body.lines, index))
            for region in inside
            for index in _matching(keys, anchor, region.anchor + 1, region.end)
        }
        if found:
            scope = [Region(index, end) for index, end in sorted(found.items())]
        elif _matching(keys, anchor, 0, len(keys)):
            return []  # It is in the file, but not in the block of the anchor before it.
    return scope


def _matching(keys: Sequence[str], anchor: str, first: int, last: int) -> list[int]:
    equal = [index for index in range(first, last) if keys[index] == anchor]
    return equal or [index for index in range(first, last) if keys[index].startswith(anchor)]


def _end(lines: Sequence[str], anchor: int) -> int:
    """Return where the block ends that a line opens; if it opens none, the file's end."""
    depth = _depth(lines[anchor])
    opens = False
    for index in range(anchor + 1, len(lines)):
        line = lines[index]
        if is_blank(line):
            continue
        if not opens:
            if _depth(line) <= depth:
                return len(lines)
            opens = True
        elif _depth(line) <= depth and not line.lstrip().startswith(_COMMENTS + _CLOSING):
            return index
    return len(lines)


def _depth(line: str) -> int:
    return len(lead(line).expandtabs(_TAB))
