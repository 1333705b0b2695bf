"""Blanks that a file has and that get lost when a model writes it whole. Pure.

A small model writes no blanks at the ends of lines, blanks for tabs, and a line end behind the
last line. Nothing of that was asked for, and in a Makefile a tab is what makes a recipe.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import SequenceMatcher
from math import gcd

_MOST = 60_000
"""Lines of both texts, multiplied, between what they have in common at both ends: the time grows
faster than that."""
_ABOUT = re.compile(
    r"(?:blank|break|indent|newline|space|tab|whitespace)s?|indentation|spacing|trailing|eof|eol"
    r"|(?:re)?format\w*|lint\w*|flake8|pycodestyle|pep\w*|black|ruff|prettier|[WE]\d{3}",
    re.IGNORECASE,
)
_INDENT = re.compile(r"^[ \t]+(?=\S)", re.MULTILINE)


def is_about(words: Collection[str]) -> bool:
    """Whether a task with these words may want blanks changed."""
    return any(map(_ABOUT.fullmatch, words))


def kept(before: str, after: str) -> str:
    """Return `after`, written whole, with the blanks of the lines that `before` has, too.

    Line ends stay with their lines; the end of the text is as it was.
    """
    if not before or not after.strip():
        return after
    after = _with_tabs(before, after)
    if not before.endswith("\n"):
        after = after.removesuffix("\n").removesuffix("\r")
    elif not after.endswith("\n"):
        after += "\r\n" if before.endswith("\r\n") else "\n"
    old, new = before.split("\n"), after.split("\n")
    ends = [line.rstrip() for line in old], [line.rstrip() for line in new]
    head = _same(*ends)
    tail = _same(ends[0][head:][::-1], ends[1][head:][::-1])
    first, last = old[:head], old[len(old) - tail :]
    old, new = old[head : len(old) - tail], new[head : len(new) - tail]
    return "\n".join([*first, *_merged(old, new), *last])


def _same(one: list[str], other: list[str]) -> int:
    """Return how many lines two texts begin with that are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _merged(old: list[str], new: list[str]) -> list[str]:
    if len(old) * len(new) > _MOST:
        return new
    out: list[str] = []
    ends = [line.rstrip() for line in old], [line.rstrip() for line in new]
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, *ends, autojunk=False).get_opcodes():
        if kind == "equal":
            out += old[i1:i2]
        elif kind == "replace" and i2 - i1 == j2 - j1:
            # Lines that changed in their words: what stood behind those is no part of it.
            pairs = zip(old[i1:i2], new[j1:j2], strict=True)
            out += [_with_end(one, other) for one, other in pairs]
        else:
            out += new[j1:j2]
    return out


def _with_end(old: str, new: str) -> str:
    end = old[len(old.rstrip()) :]
    if new.rstrip().endswith("\\"):
        return new  # nothing may follow it
    return new.rstrip() + end if old.strip() and new.strip() and end.strip("\r") else new


def _with_tabs(before: str, after: str) -> str:
    """Return the text indented with tabs, where the one before is and this one with blanks."""
    was, now = _INDENT.findall(before), _INDENT.findall(after)
    if not was or not now or any(" " in each for each in was) or any("\t" in each for each in now):
        return after
    width = gcd(*map(len, now))
    if width == 1 and any(len(each) > 1 for each in now):
        return after  # they are aligned, not indented
    return _INDENT.sub(lambda match: "\t" * (len(match[0]) // width), after)
