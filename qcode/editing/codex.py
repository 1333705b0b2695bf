"""The `apply_patch` grammar: `*** Begin Patch` to `*** End Patch`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qcode.editing.fold import is_blank
from qcode.editing.hunks import Hunk, header
from qcode.editing.operations import Add, Delete, Operation, Update
from qcode.editing.outcome import Reason
from qcode.editing.pathname import Refusal

_BEGIN = re.compile(r"\*\*\* Begin Patch\s*$")
_END = re.compile(r"\*\*\* End Patch\s*$")
_FILE = re.compile(r"\*\*\* (Add|Delete|Update) File:(.*)$")
_MOVE = re.compile(r"\*\*\* Move to:(.*)$")
_END_OF_FILE = re.compile(r"\*\*\* End of File\s*$")


def is_start(row: str) -> bool:
    """Whether a row begins a patch of this format."""
    return bool(_BEGIN.match(row) or _FILE.match(row))


def named(rows: Sequence[str]) -> list[str]:
    """Return every path that rows name."""
    return [
        m[m.lastindex or 0].strip() for row in rows if (m := _FILE.match(row) or _MOVE.match(row))
    ]


def parse(rows: Sequence[str]) -> list[Operation]:
    """Return what a patch asks for.

    Raises:
        Refusal: it does not keep to the grammar, or was cut.
    """
    operations: list[Operation] = []
    at = 0
    while at < len(rows):
        if not is_start(rows[at]):
            at += 1
            continue
        at += bool(_BEGIN.match(rows[at]))
        while at < len(rows) and not _END.match(rows[at]):
            found = _FILE.match(rows[at])
            if found:
                end = at + 1
                while end < len(rows) and not (_FILE.match(rows[end]) or _END.match(rows[end])):
                    end += 1
                operations.append(_operation(found[1], found[2].strip(), rows, at + 1, end))
                at = end
            elif is_blank(rows[at]):
                at += 1
            else:
                raise _malformed(
                    at,
                    "a file header is expected: `*** Add File: `, `*** Update File: ` or "
                    "`*** Delete File: `",
                    rows[at],
                )
        if at >= len(rows):
            raise Refusal(
                Reason.MALFORMED,
                "The patch has no `*** End Patch`, so it was probably cut. Nothing was changed. "
                "Send it again whole, in several smaller patches if it is long.",
            )
        at += 1
    if not operations:
        raise Refusal(Reason.MALFORMED, "The patch has no file header. Nothing was changed.")
    return operations


def _malformed(at: int, expected: str, row: str) -> Refusal:
    return Refusal(
        Reason.MALFORMED,
        f"Line {at + 1} of the patch: {expected}, but it is {row[:200]!r}. Nothing was changed.",
    )


def _operation(kind: str, path: str, rows: Sequence[str], first: int, last: int) -> Operation:
    if not path:
        raise _malformed(first - 1, "a path is expected behind the colon", rows[first - 1])
    while last > first and not rows[last - 1]:
        last -= 1  # Empty lines before the next header are layout.
    if kind == "Delete":
        if last > first:
            raise _malformed(first, "nothing is expected behind Delete File", rows[first])
        return Delete(path)
    if kind == "Add":
        return Add(path, _content(rows, first, last))
    to = ""
    if first < last and (found := _MOVE.match(rows[first])):
        to, first = found[1].strip(), first + 1
        if not to:
            raise _malformed(first - 1, "a path is expected behind the colon", rows[first - 1])
    hunks = _hunks(rows, first, last)
    if not hunks and not to:
        raise _malformed(first - 1, "an Update needs a hunk or `*** Move to: `", rows[first - 1])
    return Update(path, tuple(hunks), to)


def _content(rows: Sequence[str], first: int, last: int) -> str:
    if first < last and _END_OF_FILE.match(rows[last - 1]):
        last -= 1
    for at in range(first, last):
        if not rows[at].startswith("+"):
            raise _malformed(at, "each line of a new file begins with `+`", rows[at])
    return "".join(f"{row[1:]}\n" for row in rows[first:last])


def _hunks(rows: Sequence[str], first: int, last: int) -> list[Hunk]:
    hunks: list[Hunk] = []
    at = first
    while at < last:
        if is_blank(rows[at]) and (at == first or _END_OF_FILE.match(rows[at - 1])):
            at += 1
            first = at
            continue
        begin = at
        anchors: list[str] = []
        start: int | None = None
        while at < last and rows[at].startswith("@@"):
            stated, anchor = header(rows[at])
            start = stated if stated is not None else start
            anchors += [anchor] if anchor else []
            at += 1
        body: list[str] = []
        at_end = False
        while at < last and not rows[at].startswith("@@"):
            row = rows[at]
            at += 1
            if _END_OF_FILE.match(row):
                at_end = True
                break
            if re.match(r"\*\*\* \w", row):
                raise _malformed(at - 1, "a line of a hunk or a known header is expected", row)
            body.append(row)
        if not any(row[:1] in ("+", "-") for row in body):
            raise _malformed(begin, "a hunk needs lines that begin with `+` or `-`", rows[begin])
        hunks.append(Hunk(tuple(body), begin + 1, tuple(anchors), start, at_end))
    return hunks
