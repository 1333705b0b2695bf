"""A child after whose end what is protected is looked at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from qcode.sandbox.child import Child
from qcode.sandbox.policy import Confinement

if TYPE_CHECKING:
    from qcode.sandbox.guard import Violation


class Guarded:
    """A child and what is to be done when it has ended; the same to whoever waits for it."""

    def __init__(
        self,
        child: Child,
        confinement: Confinement,
        cwd: str,
        after: Callable[[], tuple[Violation, ...]],
    ) -> None:
        self._child = child
        self._after: Callable[[], tuple[Violation, ...]] | None = after
        self._lock = threading.Lock()
        self.confinement = confinement
        self.cwd = cwd
        self.violations: tuple[Violation, ...] = ()
        """What it changed that is protected, and was put back; known once it has ended."""
        self.pid = child.pid

    @property
    def stdin(self) -> IO[bytes] | None:
        """As the child's."""
        return self._child.stdin

    @property
    def stdout(self) -> IO[bytes] | None:
        """As the child's."""
        return self._child.stdout

    @property
    def stderr(self) -> IO[bytes] | None:
        """As the child's."""
        return self._child.stderr

    @property
    def returncode(self) -> int | None:
        """As the child's."""
        return self._child.returncode

    @property
    def left(self) -> int:
        """As the child's."""
        return self._child.left

    @property
    def exceeded(self) -> str:
        """As the child's."""
        return self._child.exceeded

    def fileno(self) -> int:
        """As the child's."""
        return self._child.fileno()

    def poll(self) -> int | None:
        """Return how it ended, once what is protected was looked at."""
        code = self._child.poll()
        if code is not None:
            self._look()
        return code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end."""
        code = self._child.wait(timeout)
        self._look()
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        self._child.terminate()

    def kill(self) -> None:
        """End it."""
        self._child.kill()

    def close(self) -> None:
        """Kill what still runs, and give up the descriptors."""
        self._child.close()
        self._look()

    def _look(self) -> None:
        with self._lock:
            after, self._after = self._after, None
            if after is not None:
                self.violations = after()
