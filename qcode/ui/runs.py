"""Lines of styled pieces: how wide they are, where they break, and how they are painted.

All text in a run is printable already (`qcode.ui.printable`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TypeAlias

from qcode.ui.printable import width
from qcode.ui.theme import Theme

Run: TypeAlias = tuple[str, str]
"""Text, and its style (`qcode.ui.theme`)."""
Line: TypeAlias = list[Run]

TAB_COLUMNS = 4


def length(runs: Iterable[Run]) -> int:
    """Return how many columns runs take."""
    return sum(width(text) for text, _ in runs)


def paint(runs: Iterable[Run], theme: Theme) -> str:
    """Return one line as a terminal shows it; a style ends before the line does."""
    out: list[str] = []
    on = ""
    for text, style in runs:
        if not text:
            continue
        code = theme.code(style)
        if code != on:
            out.append(f"\x1b[0;{code}m" if on and code else f"\x1b[{code or 0}m")
            on = code
        out.append(text)
    if on:
        out.append("\x1b[0m")
    return "".join(out)


def painted(lines: Iterable[Iterable[Run]], theme: Theme) -> str:
    """Return lines as text that is printed once."""
    return "".join(f"{paint(line, theme)}\n" for line in lines)


def wrapped(runs: Sequence[Run], columns: int) -> list[Line]:
    """Break runs between words; newlines in them are kept. Nothing but spaces is left out."""
    flat = "".join(text for text, _ in runs)
    if len(flat) * 2 <= columns and "\n" not in flat:
        return [list(runs)]
    return sliced(runs, _breaks(flat, columns))


def chopped(runs: Sequence[Run], columns: int) -> list[Line]:
    """Break runs where the columns end; nothing is left out."""
    flat = "".join(text for text, _ in runs)
    if len(flat) * 2 <= columns:
        return [list(runs)]
    spans = []
    start = 0
    while start < len(flat):
        end = start + _fitting(flat, start, columns)
        spans.append((start, end))
        start = end
    return sliced(runs, spans or [(0, 0)])


def sliced(runs: Sequence[Run], spans: Iterable[tuple[int, int]]) -> list[Line]:
    """Return the pieces of runs that stand at rising, separate places of their text."""
    lines: list[Line] = []
    index = at = 0  # the run, and where it begins
    for start, end in spans:
        line: Line = []
        while index < len(runs) and at + len(runs[index][0]) <= start:
            at += len(runs[index][0])
            index += 1
        position, run_at = index, at
        while position < len(runs) and run_at < end:
            text, style = runs[position]
            if piece := text[max(start - run_at, 0) : end - run_at]:
                line.append((piece, style))
            run_at += len(text)
            position += 1
        lines.append(line)
    return lines


def expanded(text: str, column: int = 0) -> str:
    """Return the text of a line with spaces for its tabs."""
    if "\t" not in text:
        return text
    out = []
    for at, piece in enumerate(text.split("\t")):
        if at:
            gap = TAB_COLUMNS - column % TAB_COLUMNS
            out.append(" " * gap)
            column += gap
        out.append(piece)
        column += width(piece)
    return "".join(out)


@cache
def _tokens() -> re.Pattern[str]:
    # Scripts without spaces break anywhere but before what closes.
    wide = "\u2e80-\u2fff\u3040-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60\uffe0-\uffe6"
    closing = (
        "\u3001-\u3002\u3009\u300b\u300d\u300f\u3011\uff01\uff09\uff0c\uff0e\uff1a\uff1b\uff1f"
    )
    return re.compile(rf"\n| +|[{wide}][{closing}]*|[^ \n{wide}]+|.")


def _breaks(flat: str, columns: int) -> Iterator[tuple[int, int]]:
    """Yield where each line's text begins and ends."""
    start = end = column = 0
    for token in _tokens().finditer(flat):
        text = token[0]
        if text == "\n":
            yield start, end
            start = end = token.end()
            column = 0
        elif text[0] == " ":
            column += len(text)
        else:
            wide = width(text)
            if column + wide > columns and end > start:
                yield start, end
                start = token.start()
                column = 0
            elif column + wide > columns:  # blanks alone stand before it
                start = token.start()
                column = 0
            while wide > columns:
                cut = start + _fitting(flat, start, columns)
                if cut >= token.end():
                    break
                yield start, cut
                start = cut
                wide = width(flat[start : token.end()])
            column += wide
            end = token.end()
    yield start, max(start, end)


def _fitting(flat: str, start: int, columns: int) -> int:
    """Return how many characters fit, one at least."""
    if (piece := flat[start : start + columns]).isascii():
        return max(1, len(piece))
    room = columns
    for count, character in enumerate(piece):
        room -= width(character)
        if room < 0:
            return max(1, count)
    # What takes no room of its own stays with what it belongs to.
    end = start + len(piece)
    while end < len(flat) and room == 0 and width(flat[end]) == 0:
        end += 1
    return max(1, end - start)
