"""What running commands print: the first lines of each, and how many more there are."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from qcode.escapes import Plain, last_state

KEPT_LINES = 2_000
"""Of what is not shown, to be shown when asked for."""


@dataclass(slots=True)
class _Output:
    shown: int = 0
    hidden: int = 0
    rest: str = ""
    """A line that is not ended."""
    kept: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    """The last of the lines that are not shown."""
    plain: Plain = field(default_factory=lambda: Plain(lambda text: text))


class Outputs:
    """Takes what commands print in pieces; gives out whole lines, as overwriting left them."""

    def __init__(self, lines: int, columns: int) -> None:
        """Show so many lines of each command; a line is not kept much beyond its columns."""
        self._lines = lines
        self._columns = columns
        self._open: dict[str, _Output] = {}
        self.folded: tuple[str, ...] = ()
        """The lines of the command that ended last which were not shown, at most `KEPT_LINES`."""

    def feed(self, call_id: str, text: str) -> list[str]:
        """Take a piece, return the lines to show."""
        output = self._open.setdefault(call_id, _Output())
        *lines, rest = (output.rest + output.plain.feed(text)).split("\n")
        shown = last_state(rest)
        # A program that never ends its line must not fill the memory.
        output.rest = shown[: self._columns + 1] + "\r" * rest.endswith("\r")
        return self._first(output, [last_state(line) for line in lines])

    def redrawn(self, call_id: str, text: str) -> str:
        """Return the line that a piece draws anew, as progress bars are; nothing if it is none."""
        if call_id not in self._open or "\r" not in text.replace("\r\n", "\n"):
            return ""
        return self._open[call_id].rest.strip("\r")

    def hidden(self, call_id: str) -> int:
        """Return how many lines of a command that is running are not shown."""
        return self._open[call_id].hidden if call_id in self._open else 0

    def finish(self, call_id: str) -> tuple[list[str], int]:
        """Return the lines that are left to show, and how many are not shown at all."""
        output = self._open.pop(call_id, None)
        if output is None:
            return [], 0
        rest = last_state(output.rest + output.plain.flush())
        shown = self._first(output, [rest] if rest else [])
        if output.hidden:
            self.folded = tuple(output.kept)
        return shown, output.hidden

    def clear(self) -> None:
        """Forget all commands: none is running any more."""
        self._open.clear()

    def _first(self, output: _Output, lines: list[str]) -> list[str]:
        shown = lines[: self._lines - output.shown]
        output.shown += len(shown)
        output.hidden += len(lines) - len(shown)
        output.kept.extend(line[: self._columns] for line in lines[len(shown) :])
        return shown
