"""A program whose output is read as it comes, ended with all its children.

The program is started synchronously: measured, that costs milliseconds and is
faster than asyncio's own subprocesses, needs no thread, and no cancellation can
fall between the start and the moment when somebody is responsible for ending it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from qcode.sandbox.blocked import Block
from qcode.sandbox.launching import Launcher, Purpose
from qcode.sandbox.policy import Grant
from qcode.tools.output import LiveText, Output

GRACE_S = 2.0
"""Between asking a command to end and ending it."""
_DRAIN_S = 1.0
"""How long after the end of all its processes the rest of the output is waited for."""
_BATCH_S = 0.05
_BATCH_BYTES = 8192

_MOST_OUTPUT = 1 << 30
"""Bytes after which a command is ended: nothing that long is of use to anybody."""


class Process:
    """A running program; its output goes to `output` as it comes.

    Whoever made it sees to it that `end` or `finished` is awaited.
    """

    def __init__(
        self,
        launcher: Launcher,
        argv: Sequence[str],
        *,
        cwd: Path,
        output: Output,
        live: Callable[[str], None] | None = None,
        purpose: Purpose = Purpose.COMMAND,
        grant: Grant | None = None,
    ) -> None:
        """Start it.

        Raises:
            OSError: there is no such program, or the system is out of something.
            SandboxError: it cannot be confined as it has to be.
        """
        self.output = output
        self.exceeded = ""
        """Which limit ended it, in words; empty if none did."""
        self._launcher = launcher
        self._loop = asyncio.get_running_loop()
        self._live = _Live(self._loop, live) if live else None
        self._exited = asyncio.Event()
        self._closed = asyncio.Event()
        reading, writing = os.pipe()
        try:
            self._child = launcher.start(
                argv, cwd=cwd, stdout=writing, stderr=writing, purpose=purpose, grant=grant
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self.pid = self._child.pid
        """One that lives as long as the command does."""
        os.set_blocking(reading, False)
        self._reading = reading
        self._loop.add_reader(reading, self._read)
        self._ending = self._child.fileno()
        self._loop.add_reader(self._ending, self._ended)

    @property
    def returncode(self) -> int | None:
        """The exit code, the negative number of the signal that ended it, None while it runs."""
        return self._child.returncode

    @property
    def left(self) -> int:
        """How many processes it left running; they were ended with it."""
        return self._child.left

    def blocked(self, printed: str) -> tuple[Block, ...]:
        """Return what it was kept from, as far as what it printed tells; once it has ended."""
        return self._launcher.blocked(self._child, printed)

    async def finished(self) -> int | None:
        """Wait for the end of it and all its children, and its output; return the exit code."""
        await self._exited.wait()
        if not self._closed.is_set():
            # Nobody writes any more; only what is in the pipe is still to come.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_S):
                    await self._closed.wait()
        if self._live:
            self._live.flush(last=True)
            self._live = None
        return self._child.returncode

    @property
    def has_exited(self) -> bool:
        """Whether it has ended."""
        return self._exited.is_set()

    async def end(self, grace_s: float = GRACE_S) -> None:
        """End the program and all its children: asked first, forced after the grace.

        Cancelled, it forces at once; afterwards nothing is left running.
        """
        try:
            if not self._exited.is_set():
                self._child.terminate()
                async with asyncio.timeout(grace_s):
                    await self._exited.wait()
        except TimeoutError:
            pass
        finally:
            self._child.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                # It was killed; only one stuck in the kernel takes longer.
                self._child.wait(5.0)
            self._ended()
            self.close()

    def close(self) -> None:
        """Stop reading the output; what still runs is ended."""
        if not self._closed.is_set():
            self._read_all()
            self._stop_reading()
        if self._live:
            self._live.flush(last=True)
            self._live = None
        self.output.close()
        self._stop_watching()
        self._child.close()

    def _ended(self) -> None:
        self._child.poll()
        self._stop_watching()
        self.exceeded = self.exceeded or self._child.exceeded
        self._exited.set()

    def _stop_watching(self) -> None:
        if self._ending >= 0:
            self._loop.remove_reader(self._ending)
            self._ending = -1

    def _read(self) -> None:
        try:
            data = os.read(self._reading, 256 * 1024)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._stop_reading()
            return
        self.output.add(data)
        if self._live:
            self._live.add(data)
        if self.output.total > _MOST_OUTPUT and not self.exceeded:
            self.exceeded = f"{_MOST_OUTPUT >> 30} GiB of output"
            self._child.kill()

    def _read_all(self) -> None:
        """Take what is in the pipe already; a flood is not waited out."""
        for _ in range(16):
            try:
                data = os.read(self._reading, 256 * 1024)
            except OSError:
                return
            if not data:
                return
            self.output.add(data)

    def _stop_reading(self) -> None:
        self._loop.remove_reader(self._reading)
        os.close(self._reading)
        self._closed.set()


class _Live:
    """Hands output on to a person in batches; of a flood only the end of each."""

    def __init__(self, loop: asyncio.AbstractEventLoop, show: Callable[[str], None]) -> None:
        self._loop = loop
        self._show = show
        self._text = LiveText(_BATCH_BYTES)
        self._timer: asyncio.TimerHandle | None = None

    def add(self, data: bytes) -> None:
        self._text.add(data)
        if self._timer is None:
            self._timer = self._loop.call_later(_BATCH_S, self.flush)

    def flush(self, *, last: bool = False) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if shown := self._text.take(last=last):
            self._show(shown)
