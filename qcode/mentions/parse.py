"""`@src/app.py:10-20`: how mentions are read out of what a person says; pure.

A mention begins where a word does: `me@example.org` is none. What stands in code is none,
nor is a decorator that was pasted.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from qcode.markdown import without_code
from qcode.record import Record

Kind: TypeAlias = Literal["path", "git", "symbol", "url", "resource"]

_RESOURCE = re.compile(r"[A-Za-z0-9][\w.-]{0,63}:[A-Za-z][A-Za-z0-9+.-]*://\S+")
"""`server:scheme://…`: what a server of tools has."""

_START = re.compile(r"(?<![^\s(\[{<,;:=\u2018\u201c\"'])@(?=[^\s@])")
_QUOTED = re.compile(r'@"([^"\n]{1,1000})"')
_BARE = re.compile(r'@((?:\\ |[^\s"`<>|])+)')
_RANGE = re.compile(r"(?::(\d{1,7})(?:-(\d{1,7}))?|#L(\d{1,7})(?:-L?(\d{1,7}))?)(?!\w)")
_DECORATED = re.compile(r"\s*(?:@|(?:async|def|class|export|public|private|protected|function)\b)")
_CLOSERS = {")": "(", "]": "[", "}": "{"}
_ENDS = ".,;:!?'\u2019\u201d*_)]}"
_LONGEST = 2000


class Mention(Record):
    """One thing that a person points at."""

    kind: Kind
    value: str
    """The path, the revision, the name, the address, or `server:uri`."""
    first: int = 0
    """Of a path: the first line, from 1 on; 0 for all."""
    last: int = 0
    written: str = ""
    """As it stands in the text."""
    is_quoted: bool = False


def mentions(text: str) -> tuple[Mention, ...]:
    """Return what a text points at, in order, each once."""
    bare = without_code(text)
    found: dict[tuple[str, str, int, int], Mention] = {}
    at = 0
    while (start := _START.search(bare, at)) is not None:
        begin = start.start()
        mention, at = _at(bare, begin)
        if mention and mention.written not in text:
            continue  # there is code in its quotes, and what stands in code is none
        if mention and not (mention.kind == "path" and _is_decorator(bare, begin)):
            key = (mention.kind, mention.value, mention.first, mention.last)
            found.setdefault(key, mention)
    return tuple(found.values())


def _at(text: str, begin: int) -> tuple[Mention | None, int]:
    """Return the mention that begins there, if it is one, and where to go on."""
    if quoted := _QUOTED.match(text, begin):
        lines = _RANGE.match(text, quoted.end())
        end = lines.end() if lines else quoted.end()
        first, last = _lines(lines)
        return Mention("path", quoted[1], first, last, text[begin:end], is_quoted=True), end
    word = _BARE.match(text, begin)
    if word is None or len(word[1]) > _LONGEST:
        return None, word.end() if word else begin + 1
    value = _trimmed(word[1])
    # Going on behind what was taken: `@a,@b` are two.
    comma = value.find(",@")
    value = value if comma < 0 else _trimmed(value[:comma])
    end = begin + 1 + len(value)
    return _read(value), max(end, begin + 1)


def _read(value: str) -> Mention | None:
    written = f"@{value}"
    if not value:
        return None
    kind, colon, rest = value.partition(":")
    if colon and kind in ("http", "https"):
        return Mention("url", value, written=written) if re.match("//[^/]", rest) else None
    if _RESOURCE.fullmatch(value):
        return Mention("resource", value, written=written)
    if colon and kind == "git":
        return Mention("git", rest, written=written) if rest else None
    if colon and kind == "symbol":
        return Mention("symbol", rest, written=written) if rest else None
    lines = next((hit for hit in _RANGE.finditer(value) if hit.end() == len(value)), None)
    first, last = _lines(lines)
    path = value[: lines.start()] if lines else value
    path = path.replace("\\ ", " ")
    return Mention("path", path, first, last, written) if path else None


def _lines(found: re.Match[str] | None) -> tuple[int, int]:
    if found is None:
        return 0, 0
    first = max(int(found[1] or found[3]), 1)
    last = int(found[2] or found[4] or first)
    return (first, last) if first <= last else (max(last, 1), first)


def _trimmed(word: str) -> str:
    """Return a word without the signs that end a sentence and brackets that it does not open."""
    while word and not word.endswith("/.."):
        end = word[-1]
        is_open = end in _CLOSERS and word.count(end) <= word.count(_CLOSERS[end])
        if is_open or end not in _ENDS:
            break
        word = word[:-1]
    return word


def _is_decorator(text: str, begin: int) -> bool:
    """Whether what begins there stands alone on its line, above what can be decorated."""
    line_start = text.rfind("\n", 0, begin) + 1
    if text[line_start:begin].strip():
        return False
    line, newline, rest = text[begin : begin + 400].partition("\n")
    return bool(newline and "/" not in line.split("(")[0] and _DECORATED.match(rest))
