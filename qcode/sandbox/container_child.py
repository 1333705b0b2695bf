"""A command in a container."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress

from qcode.sandbox.container_box import Box

_RESISTS_S = 5.0
_AGAIN_S = 0.3


class ContainerChild:
    """See `qcode.sandbox.child.Child`.

    A command that a signal ended has the return code 128 + signal, as from a shell: engines
    do not tell more. Only one that was killed from here has -9.
    """

    exceeded = ""

    def __init__(self, client: subprocess.Popen[bytes], box: Box) -> None:
        self._client = client
        self._box = box
        self.pid = client.pid
        self.stdin = client.stdin
        self.stdout = client.stdout
        self.stderr = client.stderr
        self.returncode: int | None = None
        self.left = 0
        self._killed = False
        self._killing = threading.Lock()
        self._over = threading.Event()
        self._ended, self._end = os.pipe()
        self._attending = threading.Thread(target=self._attend, name="container", daemon=True)
        self._attending.start()

    def _attend(self) -> None:
        code = self._client.wait()
        with self._killing:
            self.left = self._box.settle()
            self._box.is_busy = False
            self.returncode = -signal.SIGKILL if self._killed else code
        self._over.set()
        os.close(self._end)

    def fileno(self) -> int:
        """See `Child`."""
        if self._ended < 0:
            raise ValueError("the process was closed")
        return self._ended

    def poll(self) -> int | None:
        """See `Child`."""
        return self.returncode if self._over.is_set() else None

    def wait(self, timeout: float | None = None) -> int:
        """See `Child`."""
        if not self._over.wait(timeout):
            raise subprocess.TimeoutExpired(self._client.args, timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        """See `Child`."""
        with self._killing:
            if self.returncode is None:
                self._box.signal("TERM")

    def kill(self) -> None:
        """See `Child`."""
        with self._killing:
            # From its end on, another command may be in the container.
            if self.returncode is not None or self._killed:
                return
            self._killed = True
            until = time.monotonic() + _RESISTS_S
            while time.monotonic() < until:
                # More than once: the command may be just about to get into the container.
                self._box.signal("KILL")
                with suppress(subprocess.TimeoutExpired):
                    self._client.wait(_AGAIN_S)
                    return
            self._box.close()
            self._client.kill()

    def close(self) -> None:
        """See `Child`."""
        if self._ended < 0:
            return
        self.kill()
        self._over.wait()
        self._attending.join()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with suppress(OSError):  # what was not written yet finds no reader
                    stream.close()
        os.close(self._ended)
        self._ended = -1
