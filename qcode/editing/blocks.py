"""SEARCH/REPLACE blocks: a path, the text to find, a divider, the text to put there."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qcode.editing.body import Body
from qcode.editing.fold import RAW, is_blank
from qcode.editing.outcome import Reason
from qcode.editing.pathname import Refusal
from qcode.editing.replace import Replacement
from qcode.record import Record

_SEARCH = re.compile(r"(?:<{5,9}|-{5,9}) SEARCH>?\s*$")
_DIVIDER = re.compile(r"={5,9}\s*$")
_REPLACE = re.compile(r"(?:>{5,9}|\+{5,9}) REPLACE\s*$")
_CUT = re.compile(r"<{5,9} ?S?E?A?R?C?$")
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})(.*)$")


class Block(Record):
    """One block as it was written."""

    rows: tuple[str, ...]
    """What stands between the two markers."""
    line: int
    """The line of its first marker, from 1."""
    path: str
    """The path above it; empty if it belongs to the one before."""
    maybe: str
    """What stands right above it: its path if such a file exists."""


def is_start(row: str) -> bool:
    """Whether a row begins a block."""
    return bool(_SEARCH.match(row))


def named(rows: Sequence[str]) -> list[str]:
    """Return every path that rows name for a block, doubtful ones too."""
    found: list[str] = []
    above = 0
    for at, row in enumerate(rows):
        if _SEARCH.match(row):
            found += [name for name in _path(rows, above, at) if name]
        if _SEARCH.match(row) or _REPLACE.match(row):
            above = at + 1
    return found


def parse(rows: Sequence[str]) -> list[Block]:
    """Return the blocks in order.

    Raises:
        Refusal: markers are missing or out of order.
    """
    blocks: list[Block] = []
    begin: int | None = None
    above = 0
    for at, row in enumerate(rows):
        if _SEARCH.match(row):
            if begin is not None:
                raise _malformed(at, "a second SEARCH before the REPLACE of the one above")
            begin = at
        elif _REPLACE.match(row):
            if begin is None:
                raise _malformed(at, "a REPLACE without a SEARCH")
            path, maybe = _path(rows, above, begin)
            blocks.append(Block(tuple(rows[begin + 1 : at]), begin + 1, path, maybe))
            begin, above = None, at + 1
    if begin is None and _CUT.match(next((row for row in reversed(rows) if row), "")):
        begin = len(rows) - 1
    if begin is not None:
        raise _malformed(
            begin, "the block has no `>>>>>>> REPLACE`, so it was probably cut; send smaller blocks"
        )
    return blocks


def replacement(block: Block, text: str | None) -> Replacement:
    """Return the edit that a block asks for, of a file with a text.

    Raises:
        Refusal: where the text to find ends cannot be told.
    """
    dividers = [at for at, row in enumerate(block.rows) if _DIVIDER.match(row)]
    if not dividers:
        raise _malformed(block.line - 1, "the block has no `=======` between its two parts")
    if len(dividers) > 1:
        # The text has such rows of its own. The longest part that stands in the file is meant.
        if not text:
            whole = [0] if dividers[0] == 0 else []
        else:
            body = Body(text)
            whole = [
                at
                for at in dividers
                if not all(map(is_blank, block.rows[:at])) and _ends_search(body, block.rows, at)
            ]
        if not whole:
            raise _malformed(
                block.line - 1,
                "the block has several rows of `=`, and none ends a text that stands in the file "
                "exactly once; quote the file's exact text",
            )
        dividers = [max(whole)]
    old, new = block.rows[: dividers[0]], block.rows[dividers[0] + 1 :]
    return Replacement("".join(f"{row}\n" for row in old), "".join(f"{row}\n" for row in new))


def _ends_search(body: Body, rows: Sequence[str], at: int) -> bool:
    """Whether the text above a divider row stands in the file exactly once.

    Where the row stands below it there too, it is the text's own, and only the beginning
    of what was quoted was found.
    """
    found = body.find_lines(rows[:at], RAW, 2)
    if len(found) != 1:
        return False
    below = body.lines[found[0] + at : found[0] + at + 1]
    return [line.rstrip() for line in below] != [rows[at].rstrip()]


def _path(rows: Sequence[str], first: int, last: int) -> tuple[str, str]:
    """Return the nearest path above a block, and what else may be one."""
    maybe = ""
    for at in range(last - 1, first - 1, -1):
        row = rows[at]
        if fence := _FENCE.match(row):
            for word in reversed(re.split(r"[\s:=]+", fence[1])):
                if _looks_like_path(word.strip("\"'{}")):
                    return word.strip("\"'{}"), maybe
            continue
        name = _stripped(row)
        if _looks_like_path(name):
            return name, maybe
        if name and not maybe and _may_be_path(name):
            maybe = name
    return "", maybe


def _stripped(row: str) -> str:
    name = row.strip().strip("#*`").strip()
    return name.removesuffix(":").strip("#*`").strip().removesuffix(":")


def _looks_like_path(name: str) -> bool:
    return (
        ("." in name or "/" in name or "\\" in name)
        and not re.search(r"\s", name)
        and not name.endswith((".", ",", "!", "?"))
        and any(map(str.isalnum, name))
        and "://" not in name
    )


def _may_be_path(name: str) -> bool:
    """Whether a row may be a path without a dot, or with blanks; a sentence is none."""
    return len(name) <= 200 and bool(re.fullmatch(r"\S+|.*\.\w{1,8}", name))


def _malformed(at: int, what: str) -> Refusal:
    return Refusal(Reason.MALFORMED, f"Line {at + 1} of the edit: {what}. Nothing was changed.")
