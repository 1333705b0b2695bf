"""Where an edit lands: a matched range and the splices that change it."""

from __future__ import annotations

from collections.abc import Sequence

from qcode.editing.body import Body, Splice
from qcode.editing.fold import SHIFTED, TRIMMED, TYPOGRAPHIC, fold
from qcode.editing.indent import mappings
from qcode.editing.outcome import Reason
from qcode.record import Record

_COMPARED = 4_000_000
"""Pairs of lines from which the diff of an edit ignores lines that are very common."""


class Match(Record):
    """The one place of an edit."""

    start: int
    end: int
    """The range of the body's text that was matched."""
    splices: tuple[Splice, ...]
    notes: tuple[str, ...] = ()


class Miss(Record):
    """Why there is no such place."""

    reason: Reason
    lines: tuple[int, ...] = ()
    """Where the text is, lines from 1: all places, or the one of a change that is there."""
    detail: str = ""
    count: int = 1
    """Lines at each place."""


class Chunk(Record):
    """Lines of an edit's old text, first to before last, and what they become."""

    first: int
    last: int
    new: tuple[str, ...]


def chunks(old: Sequence[str], new: Sequence[str]) -> list[Chunk]:
    """Return the smallest changes that make new lines of old ones."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    rest, fresh = old[head : len(old) - tail], new[head : len(new) - tail]
    if not rest or not fresh:
        return [Chunk(head, head + len(rest), tuple(fresh))] if rest or fresh else []
    import difflib

    is_large = len(rest) * len(fresh) > _COMPARED
    matcher = difflib.SequenceMatcher(None, rest, fresh, autojunk=is_large)
    return [
        Chunk(head + i1, head + i2, tuple(fresh[j1:j2]))
        for kind, i1, i2, j1, j2 in matcher.get_opcodes()
        if kind != "equal"
    ]


def splices(body: Body, at: int, count: int, changes: Sequence[Chunk]) -> tuple[Splice, ...]:
    """Return the changes to the window of lines at an index as splices."""
    return tuple(_splice(body, at, count, chunk) for chunk in changes)


def _splice(body: Body, at: int, count: int, chunk: Chunk) -> Splice:
    first, last = at + chunk.first, at + chunk.last
    start, end = body.starts[first], body.starts[last]
    new = "".join(f"{line}\n" for line in chunk.new)
    if end == len(body.text) and not body.text.endswith("\n") and body.text:
        # The last line has no end, and the text keeps it so.
        if first == last == len(body.lines):
            new = "\n" + new[:-1]
        else:
            new = new[:-1]
    like = -1
    if first == last and body.has_mixed_ends and count:
        # An insertion takes the line end of the quoted line above it, or else below.
        like = (start if chunk.first else body.starts[first + 1]) - 1
        if like < 0 or body.text[like] != "\n":
            like = -1
    return Splice(start, end, new, like, drops=not chunk.new)


def on_lines(
    body: Body, at: int, count: int, changes: Sequence[Chunk], notes: Sequence[str] = ()
) -> Match | Miss:
    """Return the match of a window of whole lines, unless what it adds stands there already."""
    if (first := _standing(body, at, count, changes)) is not None:
        added = sum(len(chunk.new) for chunk in changes)
        return Miss(Reason.ALREADY_APPLIED, (first + 1,), count=added)
    start, end = body.starts[at], body.starts[at + count]
    return Match(start, end, splices(body, at, count, changes), tuple(notes))


def _standing(body: Body, at: int, count: int, changes: Sequence[Chunk]) -> int | None:
    """Return the line at which an edit that only adds lines around was made before."""
    if not changes or any(
        chunk.first != chunk.last or chunk.first not in (0, count) for chunk in changes
    ):
        return None
    if not any(has_word(line) for chunk in changes for line in chunk.new):
        return None  # A brace or blank line alone may well be wanted twice.
    found = at
    for chunk in changes:
        size = len(chunk.new)
        first = at + count if chunk.first == count and count else at - size
        if first < 0 or first + size > len(body.lines):
            return None
        there = body.lines[first : first + size]
        if fold(there, TRIMMED) != fold(chunk.new, TRIMMED):
            return None
        found = first
    return found


def made_before(body: Body, at: int, old: Sequence[str], new: Sequence[str]) -> Miss | None:
    """Return that lines put around the window at an index stand there already, if they do.

    The old lines may be further in than they were, as they are inside of what was
    added: sent twice, such an edit fits again, less far out or with fewer blanks.
    """
    if len(new) < len(old):
        return None
    if len(new) == len(old):
        there = fold(body.lines[at : at + len(new)], TYPOGRAPHIC)
        is_made = fold(old, TYPOGRAPHIC) != there == fold(new, TYPOGRAPHIC)
        return Miss(Reason.ALREADY_APPLIED, (at + 1,), count=len(new)) if is_made else None
    outer, inner = fold(new, SHIFTED), fold(old, SHIFTED)
    joined, part = "\n" + "\n".join(outer) + "\n", "\n" + "\n".join(inner) + "\n"
    place = joined.find(part)
    while place >= 0:
        above = joined.count("\n", 0, place)
        first = at - above
        added = outer[:above] + outer[above + len(inner) :]
        window = body.lines[max(0, first) : max(0, first) + len(new)]
        if first >= 0 and fold(window, SHIFTED) == outer and any(map(has_word, added)):
            there, wanted = fold(window, TYPOGRAPHIC), fold(new, TYPOGRAPHIC)
            if there == wanted or mappings(there, wanted):
                return Miss(Reason.ALREADY_APPLIED, (first + 1,), count=len(new))
        place = joined.find(part, place + 1)
    return None


def has_word(text: str) -> bool:
    """Whether a text has a letter or digit."""
    return any(map(str.isalnum, text))
