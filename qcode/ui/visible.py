"""Text in which nothing is unseen: what a person is asked about has to be all there."""

from __future__ import annotations

import re

FOLDED_SPACES = 40
FOLDED_LINES = 6


def visible(text: str) -> str:
    """Return the text with all that cannot be seen written out, and long gaps folded."""
    text = _GAP.sub(lambda gap: f"[… {len(gap.group()):,} spaces …]", written_out(text))
    return _EMPTY.sub(lambda gap: f"\n[… {gap.group().count(chr(10)) - 1:,} empty lines …]\n", text)


def written_out(text: str) -> str:
    """Return the text with all characters that cannot be seen written out."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


_GAP = re.compile(rf"[ \t]{{{FOLDED_SPACES},}}")
_EMPTY = re.compile(rf"\n(?:[ \t]*\n){{{FOLDED_LINES},}}")
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks that look like nothing."""


def _visible(character: str) -> str:
    if " " <= character <= "~" or character in "\n\t":
        return character
    code = ord(character)
    if code < 0xA0:
        return f"\\x{code:02x}"
    # Variation selectors carry bytes that nobody sees.
    selects = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    if character.isprintable() and character not in _BLANK and not selects:
        return character
    return f"\\u{{{code:x}}}"
