"""Searching texts by their words where no full-text index can be had; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from qcode.record import Record

WORD = re.compile(r"\w+")
AROUND = 48
"""Words of a text that are shown."""

_OF_WHAT = 0.5
"""What a word is worth in `what` rather than in the text."""
_PART = 0.4
"""What it is worth within another word."""
_SATURATION = 1.2


class Hit(Record):
    """A part of a message that has the words."""

    number: int
    """Of the message, from 1."""
    what: str
    """Who said it: `user`, `assistant`, or the tool with its arguments."""
    text: str


def search(parts: Sequence[Hit], query: str, most: int) -> list[Hit]:
    """Return the parts that fit a query best, the best first, with the words around what fits.

    As in BM25, rare words count more, and the same one again counts less.
    """
    words = list(dict.fromkeys(WORD.findall(query.casefold())))
    folded = [(part.what.casefold(), part.text.casefold()) for part in parts]
    scores = [0.0] * len(parts)
    for word in words:
        counts = [_count(word, text) + _OF_WHAT * _count(word, what) for what, text in folded]
        having = sum(map(bool, counts))
        rarity = math.log(1 + (len(parts) - having + 0.5) / (having + 0.5))
        for at, count in enumerate(counts):
            scores[at] += rarity * count * (_SATURATION + 1) / (count + _SATURATION)
    best = sorted(range(len(parts)), key=lambda at: (-scores[at], -parts[at].number))
    return [
        Hit(parts[at].number, parts[at].what, _excerpt(parts[at].text, words))
        for at in best[:most]
        if scores[at]
    ]


def _count(word: str, text: str) -> float:
    within = text.count(word)
    if not within:
        return 0.0
    whole = [found.group() for found in WORD.finditer(text)].count(word)
    return whole + _PART * (within - whole)


def _excerpt(text: str, words: Sequence[str]) -> str:
    """Return the words of a text among which most of the wanted ones are."""
    spans = [found.span() for found in WORD.finditer(text)]
    if len(spans) <= AROUND:
        return text
    fits = [
        at
        for at, (start, end) in enumerate(spans)
        if any(word in text[start:end].casefold() for word in words)
    ]
    # Each found word is tried a third into what is shown.
    starts = [max(0, min(at - AROUND // 3, len(spans) - AROUND)) for at in fits or [0]]
    start = max(starts, key=lambda first: sum(first <= at < first + AROUND for at in fits))
    last = start + AROUND - 1
    before, after = "…" * bool(start), "…" * (last < len(spans) - 1)
    head = spans[start][0] if start else 0
    tail = spans[last][1] if after else len(text)
    return f"{before}{text[head:tail]}{after}"
