"""A command that runs in bubblewrap, as seen from outside."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from typing import IO

from qcode.sandbox import watch
from qcode.sandbox.bubblewrap_arguments import own_temp
from qcode.sandbox.policy import Confinement

_SOON = 0.02
_MULTIPLYING = 0.01
_FEW = 8
"""Up to this part of the allowed processes are looked at rarely; a thousand are made in 0.2 s."""
_MEMORY_EVERY = 0.25
_TEMP_EVERY = 0.1
_END = 10.0
"""How long the kernel may take to end processes that were killed, in seconds."""
_SAID = 64 * 1024
_LEFT = re.compile(rb"^=(\d+)$", re.MULTILINE)
_IN_SANDBOX_ITSELF = (1, 2)
"""The numbers inside of bubblewrap and of the shell that waits for the command."""


class Temps:
    """What the directories that are /tmp inside were last seen to hold, in bytes."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}

    def held(self, directory: str) -> int:
        """Return it; 0 for one never looked at."""
        return self._held.get(directory, 0)

    def look(self, directory: str, enough: int) -> int:
        """Look anew, no further than `enough`."""
        self._held[directory] = watch.used(directory, enough)
        return self._held[directory]


class BubblewrapChild:
    """See `qcode.sandbox.child.Child`.

    A command that a signal ended has the return code 128 + signal, as from a shell:
    bubblewrap does not tell more. Only one that was killed from here has -9.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        init: int,
        status: socket.socket,
        stderr: IO[bytes] | None,
        confinement: Confinement,
        temps: Temps,
    ) -> None:
        self._process = process
        self._init = init
        self._status: socket.socket | None = status
        self._confinement = confinement
        self._temps = temps
        self._temp_held: int | None = None
        self._looking = threading.Lock()
        self._finishing = threading.Lock()
        try:
            self._ended: int | None = os.pidfd_open(init or process.pid)
        except ProcessLookupError:  # over already; bubblewrap itself is still to be waited for
            self._ended = os.pidfd_open(process.pid)
            self._init = 0
        self.pid = process.pid
        self.stdin = process.stdin
        self.stdout = process.stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self.left = 0
        self.exceeded = ""

    def fileno(self) -> int:
        """See `Child`."""
        if self._ended is None:
            raise ValueError("the process was closed")
        return self._ended

    def poll(self) -> int | None:
        """See `Child`."""
        if self.returncode is None and self._over(0):
            self._finish()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """See `Child`."""
        if self.returncode is None:
            if not self._over(timeout):
                raise subprocess.TimeoutExpired(self._process.args, timeout or 0)
            self._finish()
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        """See `Child`."""
        if self._init and not self._over(0):
            for pid in watch.members(self._init):
                if watch.inner_number(pid) not in (*_IN_SANDBOX_ITSELF, 0):
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGTERM)

    def kill(self) -> None:
        """See `Child`."""
        if self.returncode is None and self._ended is not None:
            self._process.kill()  # first, so that its end is not taken for the command's
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._ended, signal.SIGKILL)

    def close(self) -> None:
        """See `Child`."""
        if self._ended is None:
            return
        if self.returncode is None:
            self.kill()
            with suppress(subprocess.TimeoutExpired):
                self.wait(_END)
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with suppress(OSError):  # what was not written yet finds no reader
                    stream.close()
        if self._status is not None:
            self._status.close()
        with self._looking:
            ended, self._ended = self._ended, None
            os.close(ended)

    def _over(self, timeout: float | None) -> bool:
        """Whether the last process has ended: the first one of its namespace ends after them."""
        if self._ended is None:
            return True
        poll = select.poll()
        poll.register(self._ended, select.POLLIN)
        return bool(poll.poll(None if timeout is None else max(0.0, timeout) * 1000))

    def _finish(self) -> None:
        with self._finishing:
            if self._status is None:
                return
            code = self._process.wait(_END)
            self._status.setblocking(False)
            with suppress(OSError):
                if found := _LEFT.findall(self._status.recv(_SAID)):
                    self.left = int(found[-1])
            self._status.close()
            self._status = None
            self.returncode = code

    def first_look(self) -> float | None:
        """Say in how many seconds limits that the kernel does not hold have to be looked at.

        None if there are none, or it has ended.
        """
        limits = self._confinement.limits
        if not self._init:
            return None
        if os.getuid() == 0:
            return _SOON
        if limits.memory_bytes is not None or not own_temp(self._confinement):
            return _TEMP_EVERY
        return None

    def look(self) -> float | None:
        """Compare what it uses with its limits, end it when it is too much.

        Returns:
            In how many seconds to look again; None when it has ended.
        """
        with self._looking:
            return self._look()

    def _look(self) -> float | None:
        ended = self._ended
        if ended is None or self.returncode is not None or self._over(0):
            if self._temp_held is not None:
                self._temps.look(self._confinement.temp, 1 << 62)
            return None
        limits = self._confinement.limits
        root = f"/proc/{self._init}/root"
        again = 10.0
        numbers = watch.inside(root)
        if os.getuid() == 0:
            again = _SOON if len(numbers) < limits.processes // _FEW else _MULTIPLYING
            if len(numbers) > limits.processes:
                return self._end(f"{limits.processes:,} processes")
        if limits.memory_bytes is not None:
            again = min(again, _MEMORY_EVERY)
            if watch.resident(root, numbers) > limits.memory_bytes:
                return self._end(f"{limits.memory_bytes >> 20:,} MiB of memory")
        if not own_temp(self._confinement):
            again = min(again, _TEMP_EVERY)
            if self._temp_held is None:
                self._temp_held = self._temps.held(self._confinement.temp)
            most = max(limits.temp_bytes, self._temp_held)
            if self._temps.look(self._confinement.temp, most + 1) > most:
                return self._end(f"{limits.temp_bytes >> 20:,} MiB of temporary files")
        return again

    def _end(self, exceeded: str) -> float:
        self.exceeded = exceeded
        self.kill()
        return _SOON
