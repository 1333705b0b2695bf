"""Signals to a headless run: the first one interrupts, so that all is saved; the second ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable


class Stopping:
    """Which signal came, and what it ends."""

    def __init__(self, interrupt: Callable[[], bool]) -> None:
        """`interrupt` ends the turns under way, and says whether there was any."""
        self._interrupt = interrupt
        self.signal: int | None = None
        """The last one that came."""
        self.closing: asyncio.Task[None] | None = None
        """What gives up the session, once that is at hand."""

    @property
    def has_come(self) -> bool:
        """Whether the run is to stop."""
        return self.signal is not None

    def mind(self) -> None:
        """Mind the signals from now on; the present task is the run."""
        loop = asyncio.get_running_loop()
        main_task = asyncio.current_task()
        assert main_task is not None

        def stop(number: int) -> None:
            # The first signal interrupts the turn and lets it write its end; the
            # second, or one outside a turn, ends what is going on at once.
            again = self.signal is not None
            self.signal = number
            if self.closing is not None:
                if again:
                    self.closing.cancel()  # background jobs are no longer asked, but killed
            elif again or not self._interrupt():
                main_task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup it stays ignored
                loop.add_signal_handler(number, stop, number)
