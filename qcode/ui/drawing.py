"""Drawing that reaches the terminal in one piece: nothing half drawn is ever seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point
from prompt_toolkit.layout.screen import Screen as Cells
from prompt_toolkit.output.vt100 import Vt100_Output

from qcode.ui.printable import fits_surely
from qcode.ui.settled import end_of, rest, shared

# Terminals that know this mode draw what is between in one frame (DEC private mode 2026, as
# contour's "synchronized output" describes it); all others ignore it.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
_SMALL = 300
"""Characters that any terminal draws at once: the cursor need not be hidden meanwhile."""
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?12l\x1b[?25h"


class HeldOutput(Vt100_Output):
    """A VT100 output whose flushes can be gathered into one write."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._held = 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Write what is drawn inside as one; nests."""
        if not self._held:
            self.flush()
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if not self._held:
                self._frame()
                self.flush()

    def flush(self) -> None:
        """Write what is there, unless more is to come or the terminal is gone."""
        if self._held:
            return
        try:
            super().flush()
        except OSError:
            self._buffer.clear()  # it was closed; the hangup ends the session

    def _frame(self) -> None:
        """Make what was drawn a frame; leave out what changes nothing in a small one."""
        drawn = "".join(self._buffer)
        if len(drawn) < _SMALL and drawn.startswith(_HIDE) and drawn.endswith(_SHOW):
            drawn = drawn[len(_HIDE) : -len(_SHOW)]
        self._buffer[:] = [_BEGIN, drawn, _END] if drawn else []


class Drawing(Application[None]):
    """An application that is redrawn in one piece, and takes back lines it no longer needs."""

    output: HeldOutput

    def __init__(self, take: Callable[[], str], *, breaks_anew: bool, **named: Any) -> None:
        """Prepare it; `take` returns whole lines that are to be printed above, each once.

        `breaks_anew` says that the terminal breaks lines anew when its width changes.
        """
        super().__init__(**named)
        self._take = take
        self._breaks_anew = breaks_anew

    @property
    def is_away(self) -> bool:
        """Whether another program has the terminal for now."""
        return self._is_running and self._running_in_terminal

    def draw(self) -> None:
        """Draw now."""
        self._redraw()

    def _on_resize(self) -> None:
        with self.output.hold():
            self._find_top()
            super()._on_resize()

    def _find_top(self) -> None:
        """Have the renderer know how far above the cursor what it drew begins now."""
        renderer, size = self.renderer, self.output.get_size()
        last, before = renderer._last_screen, renderer._last_size  # noqa: SLF001
        if not self._breaks_anew or last is None or before is None:
            return
        if size.columns < before.columns:
            here = renderer._cursor_pos  # noqa: SLF001
            rows = (last.data_buffer[y] for y in range(here.y))
            broken = sum(max(end_of(row) - 1, 0) // size.columns for row in rows)
            y = here.y + broken + here.x // size.columns
            renderer._cursor_pos = Point(here.x % size.columns, y)  # noqa: SLF001
            renderer._last_size = size  # noqa: SLF001
            renderer._last_screen = None  # noqa: SLF001

    def _redraw(self, render_as_done: bool = False) -> None:
        with self.output.hold():
            if self._is_running and not self.is_away and not render_as_done:
                self._find_top()
                self._print_above(self._take())
            super()._redraw(render_as_done)

    def _print_above(self, text: str) -> None:
        """Print whole lines, and have room for what is to be drawn below them."""
        last = self.renderer.last_rendered_screen
        # Drawn over, lines that are no longer needed would stay as empty ones, and lines
        # that are new would have all below them drawn again.
        if last is not None and not text and self._wanted_rows() == last.height:
            return
        if last is not None and self._make_room(text[:-1].split("\n") if text else ()):
            return
        if text or (last is not None and self._wanted_rows() < last.height):
            self.renderer.erase(leave_alternate_screen=False)
        self.output.write_raw(text.replace("\n", "\r\n"))

    def _wanted_rows(self) -> int:
        """Return how high the layout is to be now.

        Texts are asked for once a drawing, by its number; this is of the one to come.
        """
        size = self.output.get_size()
        self.render_counter += 1
        try:
            wanted = self.layout.container.preferred_height(size.columns, size.rows).preferred
        finally:
            self.render_counter -= 1
        return min(wanted, size.rows)

    def _make_room(self, printed: Sequence[str]) -> bool:
        """Print lines above by moving what is drawn down; take or give lines at its top.

        What is drawn stays and is not sent again. Return False, and do nothing, where it is
        not certain what the terminal would make of it.
        """
        renderer, size = self.renderer, self.output.get_size()
        # The renderer is told where things stand then; it has no other way to be told.
        last, here = renderer._last_screen, renderer._cursor_pos  # noqa: SLF001
        if last is None or renderer._last_size != size or last.height < 1:  # noqa: SLF001
            return False
        more = self._wanted_rows() - last.height
        if last.height + len(printed) + max(more, 0) > size.rows or last.height + more < 1:
            return False
        if not all(fits_surely(line, size.columns) for line in printed):
            return False
        # The first lines may stand where they belong, as the end of what was being written.
        stands = self._standing(last, printed)
        new, more = len(printed) - len(stands), more + len(stands)
        down = max(new + more, 0)
        sent = ["\x1b[0m\r", _csi(last.height - 1 - here.y, "B"), "\n" * down]
        if new or more:
            sent.append(_csi(last.height - 1 + down - len(stands), "A"))
            sent += [_csi(-more, "M"), _csi(new + max(more, 0), "L"), _csi(len(stands), "A")]
        else:
            sent.append(_csi(last.height - 1, "A"))
        for line, columns in zip(printed, chain(stands, repeat(0)), strict=False):
            sent.append(f"{_csi(columns, 'C')}{rest(line, columns)}\r\n")
        self.output.write_raw("".join(sent))
        renderer._last_screen = _moved(last, len(stands), more)  # noqa: SLF001
        renderer._cursor_pos = Point(0, 0)  # noqa: SLF001
        renderer._last_style = None  # noqa: SLF001
        return True

    def _standing(self, last: Cells, printed: Sequence[str]) -> list[int]:
        """Return how many columns of each of the first lines to print stand there already."""
        known = self.renderer._attrs_for_style  # noqa: SLF001
        if known is None:
            return []
        found: list[int] = []
        for y, line in enumerate(printed[: last.height - 1]):
            columns = shared(line, last.data_buffer[y], known.__getitem__)
            if columns is None:
                break
            found.append(columns)
        return found


def _csi(count: int, final: str) -> str:
    return f"\x1b[{count if count > 1 else ''}{final}" if count > 0 else ""


def _moved(cells: Cells, without: int, by: int) -> Cells:
    """Return what is drawn without its first rows, with so many empty ones in their place.

    Fewer than none: so many of the rows behind them are gone, too.
    """
    moved = Cells()
    moved.height, moved.width = cells.height - without + by, cells.width
    gone = without + max(-by, 0)
    for y, row in cells.data_buffer.items():
        if y >= gone:
            moved.data_buffer[y - without + by] = row
    return moved
