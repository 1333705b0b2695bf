"""The parts of a file's change, so that a person can take some and leave others."""

from __future__ import annotations

from collections.abc import Collection

from qcode.record import Record

_COMPARED = 6000
"""Lines compared at most: difflib's time grows with their square in the worst case."""
_CONTEXT = 3


class Hunk(Record):
    """One part of a change; lines are 0-based and end before `old_end` and `new_end`."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


def hunks(old: bytes, new: bytes) -> list[Hunk]:
    """Return the parts in which two contents differ; binary or huge ones are one part."""
    if old == new:
        return []
    before, after = _lines(old), _lines(new)
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    first, second = before[head : len(before) - tail], after[head : len(after) - tail]
    if b"\0" in old[:8000] or b"\0" in new[:8000] or len(first) + len(second) > _COMPARED:
        return [Hunk(head, head + len(first), head, head + len(second))]
    import difflib

    matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
    return [
        Hunk(head + old_start, head + old_end, head + new_start, head + new_end)
        for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes()
        if tag != "equal"
    ]


def pick(old: bytes, new: bytes, taken: Collection[int]) -> bytes:
    """Return the old content with some parts of the change made: those numbered, from 0."""
    before, after = _lines(old), _lines(new)
    out: list[bytes] = []
    done = 0
    for number, hunk in enumerate(hunks(old, new)):
        out += before[done : hunk.old_start]
        out += (
            after[hunk.new_start : hunk.new_end]
            if number in taken
            else before[hunk.old_start : hunk.old_end]
        )
        done = hunk.old_end
    return b"".join([*out, *before[done:]])


def show(old: bytes, new: bytes, hunk: Hunk) -> str:
    """Return one part as the body of a unified diff, with lines around it."""
    before, after = _lines(old), _lines(new)
    rows = [f"@@ -{hunk.old_start + 1} +{hunk.new_start + 1} @@"]
    rows += [f" {_text(row)}" for row in before[max(0, hunk.old_start - _CONTEXT) : hunk.old_start]]
    rows += [f"-{_text(row)}" for row in before[hunk.old_start : hunk.old_end]]
    rows += [f"+{_text(row)}" for row in after[hunk.new_start : hunk.new_end]]
    rows += [f" {_text(row)}" for row in before[hunk.old_end : hunk.old_end + _CONTEXT]]
    return "\n".join(rows)


def _lines(data: bytes) -> list[bytes]:
    rows = data.split(b"\n")
    out = [row + b"\n" for row in rows[:-1]]
    return [*out, rows[-1]] if rows[-1] else out


def _text(row: bytes) -> str:
    return row.decode("utf-8", "replace").rstrip("\r\n")
