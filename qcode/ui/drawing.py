"""Drawing that reaches the terminal in one piece: nothing half drawn is ever seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.output.vt100 import Vt100_Output

# Terminals that know this mode draw what is between in one frame (DEC private mode 2026, as
# contour's "synchronized output" describes it); all others ignore it.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"


class HeldOutput(Vt100_Output):
    """A VT100 output whose flushes can be gathered into one write."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._held = 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Write what is drawn inside as one; nests."""
        self._held += 1
        if self._held == 1:
            self.write_raw(_BEGIN)
        try:
            yield
        finally:
            self._held -= 1
            if not self._held:
                self.write_raw(_END)
                self.flush()

    def flush(self) -> None:
        """Write what is there, unless more is to come or the terminal is gone."""
        if self._held:
            return
        try:
            super().flush()
        except OSError:
            self._buffer.clear()  # it was closed; the hangup ends the session


class Drawing(Application[None]):
    """An application that is redrawn in one piece, and takes back lines it no longer needs."""

    output: HeldOutput

    @property
    def is_away(self) -> bool:
        """Whether another program has the terminal for now."""
        return self._is_running and self._running_in_terminal

    def draw(self) -> None:
        """Draw now."""
        self._redraw()

    def _on_resize(self) -> None:
        with self.output.hold():
            super()._on_resize()

    def _redraw(self, render_as_done: bool = False) -> None:
        with self.output.hold():
            # Drawn over, lines that are no longer needed would stay as empty ones.
            last = self.renderer.last_rendered_screen
            if last is not None and not render_as_done and self._is_running and not self.is_away:
                size = self.output.get_size()
                wanted = self.layout.container.preferred_height(size.columns, size.rows).preferred
                if wanted < last.height:
                    self.renderer.erase(leave_alternate_screen=False)
            super()._redraw(render_as_done)
