"""`# qcode: use a set here!`: how remarks to qcode are read out of a file's comments; pure.

A remark begins with `qcode:`, or ends with `qcode!` or `qcode?`. One that ends with `!` is to be
acted on, one that ends with `?` to be answered; any other goes along with the next one acted on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from qcode.record import Record

Kind: TypeAlias = Literal["act", "ask", "note"]

MOST = 50
"""Of one file."""
WORDS_CHARACTERS = 4000
BLOCK_LINES = 40
_AROUND = 3
"""Lines shown before and behind a remark."""
_LINE_CHARACTERS = 300

_PROSE = (".md", ".markdown", ".rst", ".adoc", ".txt")
"""Files in which `#` and `--` begin no comment."""
_LEADER = re.compile(r"(?:(?<=\s)|^)(#+|//+!?|--+|;+|%+)[ \t]*")
_ALONE = (";", "%")
"""They begin a comment only where nothing stands before them."""
_OPENERS = {"/*": "*/", "<!--": "-->", "{#": "#}", "(*": "*)", "{-": "-}"}
_OPENER = re.compile(r"/\*+|<!--|\{#|\(\*|\{-")
_AT_START = re.compile(r"qcode[ \t]*([:!?])[ \t]*", re.IGNORECASE)
_AT_END = re.compile(r"(?:^|(?<=\s))qcode[ \t]*([!?])[ \t]*$", re.IGNORECASE)


class Remark(Record):
    """What a comment says to qcode."""

    kind: Kind
    words: str
    first: int
    last: int
    """Lines, from 1 on."""
    start: int
    end: int
    """Characters of the text that are the comment."""


def remarks(name: str, text: str) -> list[Remark]:
    """Return the remarks of a file, in order; those in strings are left out."""
    if "qcode" not in text.lower():
        return []
    found: list[Remark] = []
    for remark in _all(name, text):
        if len(found) >= MOST:
            break
        from qcode.syntax.strings import in_string

        if not in_string(name, text, remark.start):
            found.append(remark)
    return found


def _all(name: str, text: str) -> Iterator[Remark]:
    is_prose = name.lower().endswith(_PROSE)
    lines = text.splitlines(keepends=True)
    at = number = 0
    while number < len(lines):
        line = lines[number]
        found = _block(lines, number, at) or (None if is_prose else _line(lines, number, at))
        if found is None:
            at += len(line)
            number += 1
            continue
        yield found
        for passed in lines[number : found.last]:
            at += len(passed)
        number = found.last


def _line(lines: Sequence[str], number: int, at: int) -> Remark | None:
    """Return the remark that begins in a line behind `#` and the like."""
    line = lines[number].rstrip("\r\n")
    for leader in _LEADER.finditer(line):
        body = line[leader.end() :].rstrip()
        read = _read(body)
        is_behind = bool(line[: leader.start()].strip())
        if read is None or (is_behind and leader[1].startswith(_ALONE)):
            continue
        kind, words = read
        last, end = number, at + len(line)
        if kind == "note" and not is_behind:
            last, kind, words = _continued(lines, number, leader[1], words)
            end = at + sum(map(len, lines[number : last + 1]))
            end -= len(lines[last]) - len(lines[last].rstrip("\r\n"))
        return Remark(kind, words, number + 1, last + 1, at + leader.start(), end)
    return None


def _continued(lines: Sequence[str], number: int, leader: str, words: str) -> tuple[int, Kind, str]:
    """Return where a remark ends that goes on in the comments below it, if one of them ends it."""
    said = [words]
    for last in range(number + 1, min(number + BLOCK_LINES, len(lines))):
        line = lines[last].strip()
        if not line.startswith(leader) or _AT_START.match(line[len(leader) :].strip()):
            break
        said.append(line[len(leader) :].strip())
        if line.endswith(("!", "?")):
            read = _read(f"qcode: {' '.join(filter(None, said))}")
            if read is not None:
                return last, *read
    return number, "note", words


def _block(lines: Sequence[str], number: int, at: int) -> Remark | None:
    """Return the remark that begins in a line as a comment with an end of its own."""
    line = lines[number]
    for opener in _OPENER.finditer(line):
        closer = _OPENERS["/*" if opener[0].startswith("/*") else opener[0]]
        body, last, begin = "", number, opener.end()
        while True:
            stop = lines[last].find(closer, begin)
            body += lines[last][begin : stop if stop >= 0 else None]
            if stop >= 0 or last - number >= BLOCK_LINES or last + 1 >= len(lines):
                break
            last, begin = last + 1, 0
        read = _read(" ".join(piece.strip().lstrip("*").strip() for piece in body.split("\n")))
        if stop < 0 or read is None:
            continue
        before = sum(map(len, lines[number:last]))
        return Remark(
            *read, number + 1, last + 1, at + opener.start(), at + before + stop + len(closer)
        )
    return None


def _read(body: str) -> tuple[Kind, str] | None:
    """Return what a comment's text says to qcode; None: it says nothing to it."""
    body = body.strip()
    if begin := _AT_START.match(body):
        words, mark = body[begin.end() :].strip(), begin[1]
        if words.endswith(("!", "?")):
            mark = words[-1]
        bare = words.removesuffix("!").rstrip()
    elif end := _AT_END.search(body):
        bare, mark = body[: end.start()].rstrip(" \t,"), end[1]
    else:
        return None
    if not re.search(r"\w", bare):
        return None
    kinds: dict[str, Kind] = {"!": "act", "?": "ask"}
    return kinds.get(mark, "note"), bare[:WORDS_CHARACTERS]


def excerpt(text: str, remark: Remark) -> str:
    """Return the lines around a remark, numbered."""
    lines = text.split("\n")
    begin, end = max(remark.first - 1 - _AROUND, 0), remark.last + _AROUND
    return "\n".join(
        f"{number:>5} {line.rstrip()[:_LINE_CHARACTERS]}"
        for number, line in enumerate(lines[begin:end], begin + 1)
    )


def without(text: str, gone: Sequence[Remark]) -> str:
    """Return a text without some of its remarks; a line that held nothing else goes, too."""
    for remark in sorted(gone, key=lambda one: -one.start):
        before, behind = text[: remark.start], text[remark.end :]
        line_start = before.rfind("\n") + 1
        rest, newline, after = behind.partition("\n")
        if not before[line_start:].strip() and not rest.strip():
            text = before[:line_start] + after
        elif not rest.strip():
            returns = "\r" if rest.endswith("\r") else ""
            text = before.rstrip(" \t") + returns + newline + after
        else:
            text = before + behind.lstrip(" \t")
    return text
