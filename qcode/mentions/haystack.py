"""Finding what was typed in very many paths or names, in a few milliseconds; pure.

All of them stand in one text, a line each, and are looked through at the speed of `str.find`
and `re`. They stand in the order in which equally good ones are wanted, so that a search
whose hits are many can stop early.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

MOST = 400
"""Hits that one way of looking comes to, at most."""
_SCATTERED = 200
"""The same for letters that need not stand together."""
_PIECE = 1 << 18
"""Characters that are looked through at once: about 2 ms."""
PART = 4
"""The worst kind of what has all that was typed in its last part in one piece, or as
beginnings of words."""
_WORD_START = re.compile(r"(?:^|[^A-Za-z0-9])[A-Za-z0-9]|[a-z0-9][A-Z]|[A-Z](?=[A-Z][a-z])")


class Haystack:
    """What is looked through; each text once, the preferred ones first."""

    def __init__(self, texts: Sequence[str]) -> None:
        """`texts`: paths with `/`, those of directories with a final one; or names."""
        self.texts = texts
        self._whole = _Lines([text.lower() for text in texts])
        self._ends = _Lines([last_part(text).lower() for text in texts])
        """Their last parts."""
        self._known = frozenset(texts)

    def find(self, typed: str, most: int, first: Sequence[str] = ()) -> list[str]:
        """Return what may be meant, the likeliest first: at most so many.

        Of those that fit equally well, the ones in `first` come before the others.
        """
        needle = typed.lower()
        ahead = {text: place for place, text in enumerate(first) if text in self._known}
        if not needle:
            return list(dict.fromkeys((*ahead, *self.texts[: most + len(ahead)])))[:most]
        in_order = _in_order(needle)
        found = {text: 0 for text in ahead if in_order.search(f"\n{text.lower()}")}
        for hits in self._ways(needle):
            for number in hits:
                found[self.texts[number]] = number
            if len(found) >= most:
                break

        def place(text: str) -> tuple[tuple[int, int, int], int, int]:
            if text in ahead:
                kind, _, _ = quality(text, typed)
                return (kind, -1, 0), ahead[text], 0
            return quality(text, typed), len(ahead), found[text]

        return sorted(found, key=place)[:most]

    def _ways(self, needle: str) -> Iterator[Sequence[int]]:
        """Yield what is found by one way of looking after the other, the strictest first."""
        if "/" not in needle:
            yield self._ends.having(f"\n{needle}")
            yield self._ends.having(needle)
        yield self._whole.having(needle)
        if "/" not in needle:
            yield self._ends.scattered(needle)
        yield self._whole.scattered(needle)


class _Lines:
    """Texts as one; numbered from 0 on."""

    def __init__(self, lines: Sequence[str]) -> None:
        # A line end in a name would make two lines of one.
        self._text = "\n".join(["", *(line.replace("\n", " ") for line in lines), ""])
        self._starts: array[int] = array("Q")
        at = 0
        for line in lines:
            self._starts.append(at)
            at += len(line) + 1
        self._letters = frozenset(self._text)
        self._narrowed: tuple[str, list[int]] = "", []
        """What was looked for, and all lines that have its letters in order."""

    def at(self, number: int) -> str:
        """Return a line, with the line end before it."""
        start = self._starts[number]
        after = number + 1
        end = self._starts[after] if after < len(self._starts) else len(self._text) - 1
        return self._text[start:end]

    def having(self, part: str) -> list[int]:
        """Return the first lines with a part; a line end at its beginning is that of a line."""
        found: list[int] = []
        text, starts = self._text, self._starts
        at = text.find(part)
        while at >= 0 and len(found) < MOST:
            number = bisect_right(starts, at) - 1
            if number >= len(starts):
                break
            found.append(number)
            # Once a line: on with the next one.
            at = text.find(part, starts[number + 1]) if number + 1 < len(starts) else -1
        return found

    def scattered(self, needle: str) -> list[int]:
        """Return the first lines that have all letters of it in order.

        Quick where it goes on from what had few; other threads get their turn in between.
        """
        before, known = self._narrowed
        in_order = _in_order(needle)
        if before and needle.startswith(before):
            found = [number for number in known if in_order.search(self.at(number))]
        else:
            found = []
            for number in self._scan(in_order) if self._letters.issuperset(needle) else ():
                found.append(number)
                if len(found) >= _SCATTERED:
                    return found
        self._narrowed = needle, found
        return found

    def _scan(self, in_order: re.Pattern[str]) -> Iterator[int]:
        begin = 0
        while begin < len(self._text) - 1:
            # A search is one step to the interpreter: in pieces, or nothing else runs meanwhile.
            end = self._text.find("\n", begin + _PIECE)
            end = len(self._text) if end < 0 else end
            for hit in in_order.finditer(self._text, begin, end):
                yield bisect_right(self._starts, hit.start()) - 1
            begin = end


def _in_order(needle: str) -> re.Pattern[str]:
    # Possessive: each letter is taken where it comes first, and a line is read once at most.
    return re.compile("\n" + "".join(f"[^{re.escape(c)}\n]*+{re.escape(c)}" for c in needle))


def last_part(path: str) -> str:
    """Return the name at the end of a path; that of a directory keeps its `/`."""
    return path[path.rfind("/", 0, -1) + 1 :]


def quality(text: str, typed: str) -> tuple[int, int, int]:
    """Return how well a text fits what was typed: the smaller, the better.

    Its kind, then whether the case is another, then how much else stands in its last part.
    """
    end = last_part(text)
    low, needle = text.lower(), typed.lower()
    low_end = last_part(low)
    bare = low_end.rstrip("/")
    other_case = int(typed not in text)
    rest = len(end) - len(typed)
    if needle in (bare, bare.partition(".")[0], low, low.rstrip("/")):
        kind = 0
    elif low_end.startswith(needle) or ("/" in needle and low.startswith(needle)):
        kind = 1
    elif (at := low_end.find(needle)) >= 0:
        kind = 2 if at in _starts(end) else 4
    elif len(needle) > 1 and _by_words(end, needle):
        kind = 3
    elif (at := low.find(needle)) >= 0:
        kind = 5 if at in _starts(text) else 6
    elif _in_order(needle).search(f"\n{low_end}"):
        kind = 7
    else:
        kind = 8
    return kind, other_case, rest if kind < 5 else len(text)


def _starts(text: str) -> set[int]:
    """Return where words begin."""
    return {match.end() - 1 for match in _WORD_START.finditer(text)}


def _by_words(end: str, needle: str) -> bool:
    """Whether what was typed are beginnings of words, in order; some may be left out."""
    at = [*sorted(_starts(end)), len(end)]
    reached = {0}
    """How much of it is found so far, in each of the ways."""
    for start, stop in pairwise(at):
        word = end[start:stop].lower()
        for begun in tuple(reached):
            done = begun
            for letter, wanted in zip(word, needle[begun:], strict=False):
                if letter != wanted:
                    break
                done += 1
                reached.add(done)
    return len(needle) in reached
