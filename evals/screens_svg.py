"""What stands on a terminal, as an SVG: the cells of pyte through rich."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme

_NAMES = {"brown": "yellow", "default": None}
_SAME = (
    # How long something took, which sandbox there is, and how long the model has been at it.
    (re.compile(r"\b\d+\.\d s\b"), "1.2 s"),
    (re.compile(r"\b\d+\.\d{3}s\b"), "0.001s"),
    (re.compile(r"\b\d+ ms\b"), "12 ms"),
    (re.compile(r"\b(namespaces|landlock|seatbelt)\b"), "bubblewrap"),
    (re.compile(r" · \d+ s · Esc"), " · Esc"),
)
_DARK = TerminalTheme(
    (22, 24, 29),
    (214, 217, 224),
    [(40, 44, 52), (224, 108, 117), (152, 195, 121), (229, 192, 123), (97, 175, 239),
     (198, 120, 221), (86, 182, 194), (200, 204, 212)],
    [(127, 132, 142), (240, 128, 137), (172, 215, 141), (245, 212, 143), (117, 195, 255),
     (218, 140, 241), (106, 202, 214), (255, 255, 255)],
)  # fmt: skip
_LIGHT = TerminalTheme(
    (253, 253, 252),
    (36, 41, 47),
    [(36, 41, 47), (176, 32, 48), (17, 99, 41), (125, 78, 0), (9, 105, 218), (130, 80, 223),
     (27, 124, 131), (110, 119, 129)],
    [(101, 109, 118), (164, 14, 38), (26, 127, 55), (154, 103, 0), (33, 139, 255),
     (164, 117, 249), (49, 146, 170), (140, 149, 159)],
)  # fmt: skip
_FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{ font-family: "Fira Code", "DejaVu Sans Mono", Menlo, Consolas, monospace;
font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 16px; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def picture(
    rows: Sequence[Sequence[Any]], columns: int, *, title: str, name: str, light: bool
) -> str:
    """Return rows of pyte's characters as an SVG; what differs between runs is made the same."""
    console = Console(
        file=io.StringIO(), record=True, width=columns, force_terminal=True,
        color_system="truecolor", legacy_windows=False, highlight=False,
    )  # fmt: skip
    drawn = [_steady([cell for cell in row if cell.data]) for row in rows]
    for row in drawn:
        while row and row[-1].data == " " and row[-1].bg == "default" and not row[-1].reverse:
            row.pop()
        segments = [Segment(cell.data, _style(cell)) for cell in row]
        console.print(*_lines(segments), sep="", end="\n", soft_wrap=True)
    made: str = console.export_svg(
        title=title,
        theme=_LIGHT if light else _DARK,
        code_format=_FORMAT,
        unique_id=f"qcode-{name}",
    )
    return made


def _lines(segments: Sequence[Segment]) -> list[Any]:
    from rich.text import Text

    text = Text(no_wrap=True, end="")
    for segment in Segment.simplify(segments):
        text.append(segment.text, segment.style)
    return [text]


def _steady(row: list[Any]) -> list[Any]:
    """Return a row with what depends on the machine and the hour written over."""
    for pattern, same in _SAME:
        at = 0
        while (found := pattern.search("".join(cell.data for cell in row), at)) is not None:
            begin, end = found.span()
            at = begin + len(same)
            if found[0] != same:
                like = row[begin]
                row = [*row[:begin], *(like._replace(data=letter) for letter in same), *row[end:]]
    return row


def _style(cell: Any) -> Style:
    return Style(
        color=_colour(cell.fg),
        bgcolor=_colour(cell.bg),
        bold=cell.bold or None,
        italic=cell.italics or None,
        underline=cell.underscore or None,
        strike=cell.strikethrough or None,
        reverse=cell.reverse or None,
    )


def _colour(name: str) -> str | None:
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    if name.startswith("bright"):
        return f"bright_{_NAMES.get(name[6:], name[6:])}"
    return _NAMES.get(name, name)
