"""Text of a model or a tool made safe for a terminal, and cut to its width.

What a model writes, a file holds or a command prints may move the cursor,
rewrite what was shown, set the clipboard or fake a question. Nothing of it
goes to the terminal before it went through here.
"""

from __future__ import annotations

import re
from functools import lru_cache

from qcode.escapes import Plain, is_unseen, lines_for_returns, plain


def printable(text: str) -> str:
    """Return the text without anything a terminal would obey but tabs and newlines.

    A carriage return becomes a newline, so that no line can be overwritten. What is not
    seen is written out as `\\u{…}`, so that nothing hides in the text.
    """
    return plain(text)


class Printing(Plain):
    """Makes text printable that comes in pieces: a sequence may be split between them."""

    def __init__(self) -> None:
        super().__init__(lines_for_returns)


def safe_json(text: str) -> str:
    """Return JSON that says the same without characters that a terminal would obey."""
    return text if text.isascii() and "\x7f" not in text else text.translate(_IN_JSON)


class _InJson(dict[int, "str | int"]):
    def __missing__(self, code: int) -> str | int:
        shown: str | int = code
        if code in (0x200C, 0x200D, 0x2028, 0x2029) or is_unseen(code):
            units = chr(code).encode("utf-16-be", "surrogatepass").hex()
            shown = "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
        self[code] = shown
        return shown


_IN_JSON = _InJson({code: code for code in range(0x7F)})


def encodable(text: str) -> str:
    """Return the text with what UTF-8 cannot encode replaced; all else stays as it is."""
    return text.encode("utf-8", "replace").decode("utf-8")


def one_line(text: str, columns: int) -> str:
    """Return the text as one safe line of at most so many columns."""
    line = " ".join(printable(text).split())
    return fit(line, columns)


def fit(line: str, columns: int) -> str:
    """Cut a safe line to at most so many columns; an ellipsis says that it was cut."""
    if len(line) * 2 <= columns:
        return line
    widths = [_width(character) for character in line[: columns + 1]]
    if len(line) <= columns and sum(widths) <= columns:
        return line
    out: list[str] = []
    left = columns - 1
    for character, width in zip(line, widths, strict=False):
        left -= width
        if left < 0:
            break
        out.append(character)
    return "".join(out) + "…" if columns > 0 else ""


def width(text: str) -> int:
    """Return how many columns a safe text without tabs takes at most."""
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


_STYLE = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;;[!-~]*\x1b\\")
"""What is switched on and off in a line, and takes no columns: styles and links."""


def fits_surely(styled: str, columns: int) -> bool:
    """Return whether a line with styles stays on one row of any terminal.

    Terminals do not agree on the width of characters; where they may not, it is two.
    """
    line = _STYLE.sub("", styled)
    if not line.isascii():
        return sum(1 if "─" <= c <= "╿" or c < "\u0300" else 2 for c in line) <= columns
    return len(line) <= columns and "\t" not in line


@lru_cache(maxsize=4096)
def _width(character: str) -> int:
    """Return at most how many columns a character takes."""
    from wcwidth import wcwidth

    if character == "\ufe0f":
        return 1  # the selector makes the symbol before it an emoji, which is one column wider
    from unicodedata import category

    # Signs that stand beside their letter widen what they belong to.
    return 1 if category(character) == "Mc" else max(0, wcwidth(character))
