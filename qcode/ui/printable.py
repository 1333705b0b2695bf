"""Text of a model or a tool made safe for a terminal, and cut to its width.

What a model writes, a file holds or a command prints may move the cursor,
rewrite what was shown, set the clipboard or fake a question. Nothing of it
goes to the terminal before it went through here.
"""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, …
    r"|\x1b[ -/]+[0-~]"  # character sets
)
"""Whole escape sequences: they are left out. What is left of cut ones is made visible."""

_VISIBLE = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    # Direction overrides: what is read would not be what is run.
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD),
    **dict.fromkeys((0x2028, 0x2029), 0x0A),
    # Halves of surrogate pairs cannot be encoded at all.
    **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD),
}


def printable(text: str) -> str:
    """Return the text without anything a terminal would obey but tabs and newlines.

    A carriage return becomes a newline, so that no line can be overwritten.
    """
    text = _SEQUENCE.sub("", text)
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_VISIBLE)


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


def _width(character: str) -> int:
    """Return at most how many columns a character takes."""
    from wcwidth import wcwidth

    # The selector makes the symbol before it an emoji, which is one column wider.
    return 1 if character == "\ufe0f" else max(0, wcwidth(character))
