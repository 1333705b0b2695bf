"""What of a line that is to be printed stands on the terminal already.

A line is drawn while it is being written, and printed for good when it is done. Most of it
need not be sent a second time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from prompt_toolkit.formatted_text import ANSI, to_formatted_text
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.styles import Attrs
from prompt_toolkit.utils import get_cwidth

_STYLE = re.compile(r"\x1b\[([0-9;]*)m")


def end_of(row: Mapping[int, Char]) -> int:
    """Return how many columns of a drawn row there is something in."""
    return max((x for x, cell in row.items() if not cell.char.isspace()), default=-1) + 1


def shared(line: str, row: Mapping[int, Char], look: Callable[[str], Attrs]) -> int | None:
    """Return how many columns of a styled line a drawn row shows already; None: it is another.

    `look` tells how a style of the row looks. A line with links is another one: what is drawn
    below has none.
    """
    if "\x1b]8;" in line:
        return None
    end = end_of(row)
    at = same = 0
    for style, text, *_ in to_formatted_text(ANSI(line)):
        for character in text:
            if at >= end:
                return same
            cell = row.get(at)
            if cell is None or cell.char != character:
                return None
            if same == at and look(cell.style) == look(style):
                same = at + get_cwidth(character)
            at += get_cwidth(character)
    return same if at >= end else None


def rest(line: str, columns: int) -> str:
    """Return what of a styled line stands behind so many columns, in its styles."""
    at = place = 0
    styles: list[str] = []
    while at < columns and place < len(line):
        if (found := _STYLE.match(line, place)) is not None:
            styles = [] if found[1] in ("", "0") else [*styles, found[0]]
            place = found.end()
        else:
            at += get_cwidth(line[place])
            place += 1
    behind = line[place:]
    return "".join(styles) + behind if _STYLE.sub("", behind) else ""
