r"""What lines are compared by: each level ignores more than the one before.

Lines are folded for comparison only; a folded text is never written. The number
of lines never changes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

RAW = 0
"""Equal as they are."""
TRIMMED = 1
"""Blanks and tabs at line ends are ignored."""
TYPOGRAPHIC = 2
"""Besides, kinds of dashes, quotes and blanks, and of composing accents."""
SHIFTED = 3
"""Besides, indentation, which then has to be explained (`indent`)."""

_BLANKS = " \t"


def rows(text: str) -> list[str]:
    r"""Return the lines of a text that ends them with `\n`; the last end is optional."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def fold(lines: Sequence[str], level: int) -> list[str]:
    """Return lines as a level compares them."""
    if level == RAW:
        return list(lines)
    if level >= TYPOGRAPHIC:
        joined = "\n".join(lines)
        if not joined.isascii():
            lines = _typographic(joined).split("\n")
    if level == SHIFTED:
        return [line.strip(_BLANKS) for line in lines]
    return [line.rstrip(_BLANKS) for line in lines]


def lead(line: str) -> str:
    """Return a line's indentation."""
    return line[: len(line) - len(line.lstrip(_BLANKS))]


def is_blank(line: str) -> bool:
    """Whether a line has nothing but blanks and tabs."""
    return not line.strip(_BLANKS)


def _typographic(text: str) -> str:
    import unicodedata

    # A search is several times as fast as `str.translate` on text with few such signs.
    table, signs = _folding()
    return signs.sub(lambda sign: table[sign[0]], unicodedata.normalize("NFC", text))


@cache
def _folding() -> tuple[dict[str, str], re.Pattern[str]]:
    table = {0x2026: "...", 0x200B: "", 0xFEFF: ""}
    table |= dict.fromkeys([*range(0x2010, 0x2016), 0x2212], "-")
    table |= dict.fromkeys(range(0x2018, 0x201C), "'")
    table |= dict.fromkeys(range(0x201C, 0x2020), '"')
    table |= dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F], " ")
    signs = {chr(sign): becomes for sign, becomes in table.items()}
    return signs, re.compile(f"[{''.join(signs)}]")
