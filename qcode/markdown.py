"""Where the code is in Markdown: what stands in it is said about, not said."""

from __future__ import annotations

import re
from bisect import bisect_right

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_BLANK = re.compile(r"\n[ \t]*\n")
_TICKS = re.compile("`+")


def without_code(text: str) -> str:
    """Return the text with blanks for all that is code or a comment; places stay the same.

    Code is what stands in fences and between backquotes. Takes time in proportion to the
    text, whatever is in it.
    """
    text = _without_comments(_without_fences(text))
    out, at = [], 0
    for gap in _BLANK.finditer(text):
        out += [_without_spans(text[at : gap.start()]), gap[0]]
        at = gap.end()
    return "".join([*out, _without_spans(text[at:])])


def _without_fences(text: str) -> str:
    out = []
    fence = ""
    for line in text.split("\n"):
        if fence:
            out.append(" " * len(line))
            fence = "" if is_end_of(fence, line) else fence
        elif fence := fence_of(line):
            out.append(" " * len(line))
        else:
            out.append(line)
    return "\n".join(out)


def fence_of(line: str) -> str:
    """Return the signs with which a line begins a block of code; nothing if it begins none."""
    opened = _FENCE.match(line)
    return opened[1] if opened else ""


def is_end_of(fence: str, line: str) -> bool:
    """Whether a line ends a block that began with these signs."""
    bare = line.strip(" \t\r")
    return len(bare) >= len(fence) and bare == fence[0] * len(bare)


def _without_comments(text: str) -> str:
    out, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        out += [text[at:start], _blank(text[start : end + 3])]
        at = end + 3
    return "".join([*out, text[at:]])


def _without_spans(paragraph: str) -> str:
    """Blank what stands between two rows of backquotes of one length."""
    rows = [(row.start(), row.end()) for row in _TICKS.finditer(paragraph)]
    starts: dict[int, list[int]] = {}
    for start, end in rows:
        starts.setdefault(end - start, []).append(start)
    out, at = [], 0
    for start, end in rows:
        if start < at:
            continue
        same = starts[end - start]
        after = bisect_right(same, start)
        if after < len(same):
            close = same[after] + end - start
            out += [paragraph[at:start], _blank(paragraph[start:close])]
            at = close
    return "".join([*out, paragraph[at:]])


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
