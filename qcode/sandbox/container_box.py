"""One container that waits for commands."""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from qcode.sandbox import container_words as words
from qcode.sandbox import watch
from qcode.sandbox.plain import MOMENT_S
from qcode.sandbox.policy import Confinement
from qcode.sandbox.unavailable import Unavailable

PATIENCE = 60.0
"""How long an engine may take for anything but the command, in seconds."""
_TICK_S = 0.01
_TRIES = 5

Call = Callable[[Sequence[str]], "subprocess.CompletedProcess[bytes]"]


class Box:
    """A container; it ends when the program that started it, or qcode, does.

    Attributes:
        is_busy: Whether a command is in it.
    """

    def __init__(
        self,
        call: Call,
        holding: subprocess.Popen[bytes],
        *,
        name: str,
        confinement: Confinement,
    ) -> None:
        """Wait until it is ready.

        Args:
            call: Runs the engine's program to its end.
            holding: The program that started the container and holds its stdin.
            name: The container's.
            confinement: What it was made for.

        Raises:
            Unavailable: it does not get ready.
        """
        self.name = name
        self.confinement = confinement
        self.is_busy = False
        self._call = call
        self._holding = holding
        assert holding.stdout is not None
        if not (
            select.select([holding.stdout], [], [], PATIENCE)[0]
            and holding.stdout.readline() == words.READY
        ):
            holding.kill()
            said = holding.communicate()[1].decode(errors="replace").strip()
            raise Unavailable(f"the container does not start: {said or 'no answer in time'}")
        self._first = self._first_process()

    @property
    def is_alive(self) -> bool:
        """Whether it still waits for commands."""
        return self._holding.poll() is None

    def signal(self, name: str) -> None:
        """Send a signal to all that commands started in it."""
        with suppress(OSError, subprocess.TimeoutExpired):
            self._call(words.signal_all(self.name, name))

    def settle(self) -> int:
        """End what a command left behind; return how many processes had to be killed.

        A container in which something resists is closed.
        """
        until = time.monotonic() + MOMENT_S
        while (seen := self._seen()) and time.monotonic() < until:
            time.sleep(_TICK_S)
        if seen == 0:
            return 0
        killed = 0
        for _ in range(_TRIES):
            try:
                ended = self._call(words.end_all(self.name))
                count = int(ended.stdout)
            except (OSError, ValueError, subprocess.TimeoutExpired):
                break
            killed = max(killed, count)
            if count == 0 or self._seen() == 0:
                return killed
        self.close()
        return max(killed, seen or 0)

    def close(self) -> None:
        """End it with all that is in it."""
        for stream in (self._holding.stdin, self._holding.stdout, self._holding.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        with suppress(subprocess.TimeoutExpired):
            self._holding.wait(2.0)
            return
        with suppress(OSError, subprocess.TimeoutExpired):
            self._call(["kill", self.name])
        with suppress(subprocess.TimeoutExpired):
            self._holding.wait(PATIENCE)
            return
        self._holding.kill()
        self._holding.wait()

    def _first_process(self) -> int:
        """Return the number of its first process as it is seen from here, 0 if it is not."""
        with suppress(OSError, ValueError, subprocess.TimeoutExpired):
            told = self._call(["inspect", "--format", "{{.State.Pid}}", self.name])
            pid = int(told.stdout)
            # An engine may run in a virtual machine, where the number is another's.
            if pid > 1 and watch.inner_number(pid) == 1 and pid in watch.members(pid):
                return pid
        return 0

    def _seen(self) -> int | None:
        """Return how many processes commands have in it; None if that is not seen from here."""
        if not self._first:
            return None
        members = watch.members(self._first)
        if self._first not in members:
            return 0  # it has ended
        return sum(pid != self._first and not _is_over(pid) for pid in members)


def _is_over(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except (OSError, IndexError):
        return True
