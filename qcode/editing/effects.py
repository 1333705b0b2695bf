"""What an edit would make of files, in pieces that can be taken or left.

It is what a person is shown before they allow an edit, so nothing of it is folded, cut or
rounded: the pieces of a file together are its whole change, and any of them alone are a change
of just these lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from qcode.record import Record

CONTEXT = 3
"""Lines shown around a change; changes nearer to each other than twice that are one piece."""
_COMPARED = 3000
"""Changed lines that are compared at most: difflib's time grows with their square."""


class Hunk(Record):
    """Neighbouring lines that change, with those around them; lines keep their ends."""

    start: int
    """How many lines of the old text are before it."""
    new_start: int
    """How many lines of the new text are before it."""
    rows: tuple[tuple[str, str], ...]
    """Sign (` `, `-` or `+`) and line."""

    @property
    def old(self) -> tuple[str, ...]:
        """Its lines as they were."""
        return tuple(line for sign, line in self.rows if sign != "+")

    @property
    def new(self) -> tuple[str, ...]:
        """Its lines as they are to be."""
        return tuple(line for sign, line in self.rows if sign != "-")

    @property
    def first_changed(self) -> int:
        """The number, from 1, of the first line of the new text that is another."""
        context = next((n for n, (sign, _) in enumerate(self.rows) if sign != " "), 0)
        return self.new_start + context + 1

    @property
    def text(self) -> str:
        """It as a part of a unified diff, the last line with its end."""
        old, new = _range(self.start, len(self.old)), _range(self.new_start, len(self.new))
        lines = [f"@@ -{old} +{new} @@\n"]
        for sign, line in self.rows:
            whole = line.endswith("\n")
            lines.append(f"{sign}{line}" if whole else f"{sign}{line}\n{NO_END}\n")
        return "".join(lines)


NO_END = "\\ No newline at end of file"


class FileEffect(Record):
    """What becomes of one file."""

    path: str
    before: str | None
    """None: there is none yet."""
    after: str | None
    """None: it goes."""
    moved_from: str = ""
    """Where it was before; empty: at the same place."""
    is_one: bool = False
    """Whether its hunks make sense only together, as those of a notebook do."""


class Piece(Record):
    """What a person can take or leave: a hunk, or all that becomes of a file."""

    file: FileEffect
    hunks: tuple[Hunk, ...]
    number: int
    """Of the first hunk among those of its file."""

    @property
    def diff(self) -> str:
        """It as a unified diff."""
        return head(self.file) + "".join(hunk.text for hunk in self.hunks)


class Part(Record):
    """What a person allowed of an edit."""

    shown: tuple[FileEffect, ...]
    """All of it, as it was shown to them."""
    left_out: frozenset[int]
    """Which of its pieces are not to be made, by number."""


def hunks(before: str, after: str) -> tuple[Hunk, ...]:
    """Return what changes from one text to the other, first things first."""
    import difflib

    old, new = _lines(before), _lines(after)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    first, last = max(0, head - CONTEXT), max(0, tail - CONTEXT)
    a, b = old[first : len(old) - last], new[first : len(new) - last]
    removed, added = len(old) - tail - head, len(new) - tail - head
    if removed + added == 0:
        return ()
    if not (removed and added) or removed + added > _COMPARED:
        near, far = head - first, tail - last
        rows = [
            *((" ", line) for line in a[:near]),
            *(("-", line) for line in a[near : len(a) - far]),
            *(("+", line) for line in b[near : len(b) - far]),
            *((" ", line) for line in a[len(a) - far :]),
        ]
        return (Hunk(first, first, tuple(rows)),)
    groups = difflib.SequenceMatcher(None, a, b).get_grouped_opcodes(CONTEXT)
    return tuple(_hunk(group, a, b, first) for group in groups)


def applied(before: str, found: Sequence[Hunk], taken: Collection[int]) -> str:
    """Return the text with some of its hunks changed, by their numbers, and no other line."""
    old = _lines(before)
    out: list[str] = []
    at = 0
    for number, hunk in enumerate(found):
        end = hunk.start + len(hunk.old)
        out += old[at : hunk.start]
        out += hunk.new if number in taken else old[hunk.start : end]
        at = end
    return "".join([*out, *old[at:]])


def pieces(files: Sequence[FileEffect]) -> tuple[Piece, ...]:
    """Return all that can be taken or left, in order; their numbers are what is spoken of."""
    return tuple(piece for file in files for piece in _pieces(file))


def diff(files: Sequence[FileEffect]) -> str:
    """Return all of it as one unified diff."""
    return "".join(
        head(file) + "".join(hunk.text for hunk in hunks(file.before or "", file.after or ""))
        for file in files
    )


def joined(some: Sequence[Piece]) -> str:
    """Return pieces as one unified diff; their lines are numbered as if all of them were made."""
    rows: list[str] = []
    last: FileEffect | None = None
    for piece in some:
        rows += [head(piece.file)] if piece.file is not last else []
        rows += [hunk.text for hunk in piece.hunks]
        last = piece.file
    return "".join(rows)


def head(file: FileEffect) -> str:
    """Return the lines of a unified diff that name a file."""
    path = _named(file.path)
    old = "/dev/null" if file.before is None else _named(file.moved_from or file.path)
    return f"--- {old}\n+++ {'/dev/null' if file.after is None else path}\n"


def _pieces(file: FileEffect) -> Iterator[Piece]:
    found = hunks(file.before or "", file.after or "")
    whole = file.before is None or file.after is None or file.moved_from or file.is_one
    if whole or not found:
        yield Piece(file, found, 0)
        return
    for number, hunk in enumerate(found):
        yield Piece(file, (hunk,), number)


def _hunk(
    group: Sequence[tuple[str, int, int, int, int]], a: list[str], b: list[str], first: int
) -> Hunk:
    rows: list[tuple[str, str]] = []
    for kind, i, j, k, m in group:
        if kind == "equal":
            rows += [(" ", line) for line in a[i:j]]
            continue
        rows += [("-", line) for line in a[i:j]]
        rows += [("+", line) for line in b[k:m]]
    return Hunk(first + group[0][1], first + group[0][3], tuple(rows))


def _lines(text: str) -> list[str]:
    """Return the lines with their ends; joined they are the text."""
    lines = text.split("\n")
    last = lines.pop()
    return [*(f"{line}\n" for line in lines), *([last] if last else [])]


def _range(start: int, count: int) -> str:
    # Where there are no lines, the one before is named.
    first = start + 1 if count else start
    return str(first) if count == 1 else f"{first},{count}"


def _named(path: str) -> str:
    """Return a path that cannot pass for more than one."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in path)
