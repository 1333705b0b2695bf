"""Lines that stand for code a model left out: written to a file they would delete it."""

from __future__ import annotations

import re

_COMMENT = r"\s*(?:\{/\*|(?:#|//|/\*|<!--|--|;|%|\*)+)\s*(.*?)\s*(?:\*+/\}?|-->)?\s*"
_DOTS = r"(?:\.\.\.|…)"
_CODE = (
    r"(?:existing|rest|remaining|remainder|remains?|unchanged|same|previous|original|omitted"
    r"|other|others|code|implementation|snip(?:ped)?|truncated)"
)
_SAME = (
    r"(?:unchanged|untouched|(?:exactly )?(?:the )?same(?: as (?:before|above))?"
    r"|as (?:is|it is|before|they are))"
)
_END = r"[\s.…)\]!]*"
_LEFT_OUT = (
    rf"{_DOTS}+"
    rf"|[(\[]?\s*{_DOTS}.*\b{_CODE}\b.*"
    r"|[(\[]?(?:the )?(?:existing|rest|remaining|remainder|unchanged|omitted|same)\b"
    rf".*{_DOTS}{_END}"
    r"|[(\[]?(?:the )?(?:rest|remainder|remaining|existing|previous|other)\b.*"
    r"\b(?:unchanged|untouched|(?:the|as) (?:same|before|is)|(?:stays?|remains?) .*|goes here"
    rf"|omitted){_END}"
    rf"|[(\[]?(?:the )?(?:existing|rest|remaining)\b.*\bhere{_END}"
    rf"|.*\b(?:remains?|stays?|kept) {_SAME}{_END}"
    rf"|[(\[]?(?:existing|remaining) (?:code|content|implementation|methods?|functions?){_END}"
    rf"|[(\[]?(?:the )?rest of (?:the |this )?(?:code|file|function|method|class|body"
    rf"|implementation|content|module|script|component){_END}"
)


def stands_for_code(line: str) -> bool:
    """Whether a line is a comment that stands for left-out code."""
    if not _looks_like(line):
        return False
    comment = re.fullmatch(_COMMENT, line)
    return bool(comment and re.fullmatch(_LEFT_OUT, comment[1], re.IGNORECASE))


def is_marker(line: str) -> bool:
    """Whether a line of searched text stands for lines left out: a comment, or bare dots."""
    return line.strip() in ("...", "…") or stands_for_code(line)


def left_out(new: str, *known: str) -> str | None:
    """Return the first line of new text that stands for other code and is in no known text."""
    lines: set[str] | None = None
    for line in new.split("\n"):
        if stands_for_code(line):
            if lines is None:
                lines = {row.strip() for text in known for row in text.split("\n")}
            if line.strip() not in lines:
                return line.strip()
    return None


def _looks_like(line: str) -> bool:
    """Whether it is worth looking closer: most lines are no comments."""
    return len(line) < 400 and line.lstrip()[:1] in ("#", "/", "{", "<", "-", ";", "%", "*")
