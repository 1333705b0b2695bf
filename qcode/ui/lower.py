"""What the lower end of the terminal looks like: its rows, from what a `Screen` knows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI, AnyFormattedText
from prompt_toolkit.layout import ConditionalContainer, HSplit, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.layout.processors import BeforeInput

from qcode.ui.printable import fit, one_line

if TYPE_CHECKING:
    from qcode.ui.screen import Screen

TAIL_ROWS = 8
"""Of text that is not finished."""
INPUT_ROWS = 12
"""Of the line being written; the rest scrolls."""
WAITING_SHOWN = 3

STYLE = {
    "prompt": "ansicyan",
    "question": "bold",
    "activity": "fg:ansibrightblack",
    "waiting": "fg:ansibrightblack italic",
    "status": "fg:ansibrightblack",
    "hint": "ansiyellow",
    "completion-menu": "noreverse bg:default fg:default",
    "completion-menu.completion": "noreverse bg:default fg:default",
    "completion-menu.completion.current": "reverse bg:default fg:default",
    "completion-menu.meta.completion": "noreverse bg:default fg:ansibrightblack",
    "completion-menu.meta.completion.current": "noreverse bg:default fg:default",
    "scrollbar.background": "noreverse bg:default",
    "scrollbar.button": "noreverse bg:default",
}
PLAIN_STYLE = {
    name: " ".join(word for word in style.split() if word in ("reverse", "noreverse"))
    for name, style in STYLE.items()
}
"""Without colours what is chosen in a menu still differs."""


def lower_end(screen: Screen) -> HSplit:
    """Return its rows from top to bottom; those that have nothing to say are not there."""
    # Where an answer can be typed keys count: not before what is asked about was seen.
    answering = Condition(lambda: screen.question is not None and screen.question.seen)
    return HSplit(
        [
            _row(lambda: _unfinished(screen), wrap=True),
            _row(lambda: _doing(screen)),
            _row(lambda: _waiting(screen)),
            ConditionalContainer(
                Window(
                    BufferControl(
                        screen.answers,
                        [BeforeInput(lambda: _question(screen), style="class:question")],
                    ),
                    height=Dimension(min=1, max=4),
                    dont_extend_height=True,
                    wrap_lines=True,
                ),
                answering,
            ),
            Window(
                BufferControl(
                    screen.buffer,
                    [BeforeInput("> ", style="class:prompt")],
                    search_buffer_control=screen.search.control,
                    preview_search=True,
                    focus_on_click=False,
                ),
                height=Dimension(min=1, max=INPUT_ROWS),
                dont_extend_height=True,
                wrap_lines=True,
                get_line_prefix=lambda line, _wrapped: "  " if line else "",
            ),
            screen.search,
            CompletionsMenu(max_height=8, scroll_offset=1),
            _row(lambda: _lowest(screen)),
        ]
    )


def _row(text: Callable[[], AnyFormattedText], *, wrap: bool = False) -> ConditionalContainer:
    return ConditionalContainer(
        Window(
            FormattedTextControl(text),
            dont_extend_height=True,
            wrap_lines=wrap,
            height=Dimension(max=TAIL_ROWS),
        ),
        Condition(lambda: bool(text())),
    )


def _unfinished(screen: Screen) -> AnyFormattedText:
    lines = screen.unfinished(TAIL_ROWS)
    return ANSI("\n".join(lines)) if lines else ""


def _doing(screen: Screen) -> AnyFormattedText:
    doing = screen.doing
    if screen.question is not None or not doing:
        return ""
    parts = [doing]
    if screen.busy_since is not None:
        seconds = time.monotonic() - screen.busy_since
        if seconds >= 1:
            parts.append(f"{seconds:.0f} s" if seconds < 60 else _clock(seconds))
        parts.append("Esc interrupts")
    return [("class:activity", fit(" · ".join(parts), screen.columns() - 1))]


def _waiting(screen: Screen) -> AnyFormattedText:
    every = [("waits", text) for text in screen.waiting] + [("then", text) for text in screen.later]
    rows = [f"  {when}: {one_line(text, screen.columns() - 12)}" for when, text in every]
    if len(rows) > WAITING_SHOWN:
        rows[WAITING_SHOWN:] = [f"  … and {len(rows) - WAITING_SHOWN} more"]
    return [("class:waiting", "\n".join(rows))] if rows else ""


def _question(screen: Screen) -> AnyFormattedText:
    return screen.question.text if screen.question is not None else ""


def _lowest(screen: Screen) -> AnyFormattedText:
    room = screen.columns() - 1
    if screen.helping:
        return [("class:hint", fit(screen.helping, room))]
    line = screen.status_line(room)
    return [("class:status", fit(line, room))] if line else ""


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
