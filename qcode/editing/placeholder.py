"""Comments that stand for code a model left out: written to a file they would delete it."""

from __future__ import annotations

import re

_COMMENT = r"\s*(?:#|//|/\*|\{/\*|<!--|--|;|%)+\s*(.*?)\s*(?:\*/\}?|-->)?\s*"
_DOTS = r"(?:\.\.\.|…)"
_LEFT_OUT = (
    rf"{_DOTS}+"
    rf"|[(\[]?{_DOTS}.*\b(?:existing|rest|remaining|unchanged|same|previous|omitted|other)\b.*"
    r"|[(\[]?(?:the )?(?:rest|remainder|remaining|existing|previous)\b.*"
    r"\b(?:unchanged|(?:the|as) (?:same|before)|(?:stays?|remains?) .*|goes here|omitted)\b.*"
)


def left_out(new: str, *known: str) -> str | None:
    """Return the first line of new text that stands for other code and is in no known text."""
    lines: set[str] | None = None
    for line in new.split("\n"):
        comment = re.fullmatch(_COMMENT, line)
        if comment and re.fullmatch(_LEFT_OUT, comment[1], re.IGNORECASE):
            if lines is None:
                lines = {row.strip() for text in known for row in text.split("\n")}
            if line.strip() not in lines:
                return line.strip()
    return None
