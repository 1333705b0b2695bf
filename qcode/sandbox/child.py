"""A process that was started by the launcher, whatever confines it."""

from __future__ import annotations

from typing import IO, Protocol

from qcode.record import Record


class Done(Record):
    """How a process that was run to its end went."""

    returncode: int
    """The exit code, or the negative number of the signal that ended it."""
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def why(self) -> str:
        """Why it failed, in its own words; how it ended where it has none."""
        words = self.stderr.decode("utf-8", "replace").strip()
        return words or f"it ended with {self.returncode} and said nothing"


class Child(Protocol):
    """A running process with all its children; ended as one.

    Nothing of it outlives the command: when its first process has ended, the others
    get a moment (0.1 s) and are killed. When qcode ends in whatever way, so does it.
    """

    @property
    def pid(self) -> int:
        """A process in qcode's own view that lives as long as the command."""
        ...

    @property
    def stdin(self) -> IO[bytes] | None:
        """Where the command reads from, if that is a pipe."""
        ...

    @property
    def stdout(self) -> IO[bytes] | None:
        """What the command prints, if that is a pipe."""
        ...

    @property
    def stderr(self) -> IO[bytes] | None:
        """What else it prints, if that is a pipe."""
        ...

    @property
    def returncode(self) -> int | None:
        """None until `poll` or `wait` has seen the end."""
        ...

    @property
    def left(self) -> int:
        """Once it has ended: how many of its processes had to be killed then."""
        ...

    @property
    def exceeded(self) -> str:
        """Which limit ended it, in words (`1,024 processes`); empty if none did."""
        ...

    def fileno(self) -> int:
        """A descriptor that becomes readable when all of it has ended (a pidfd, or a pipe)."""
        ...

    def poll(self) -> int | None:
        """Return how it ended, None while it runs; never waits."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end.

        Raises:
            subprocess.TimeoutExpired: it takes longer.
        """
        ...

    def terminate(self) -> None:
        """Ask all its processes to end (SIGTERM)."""
        ...

    def kill(self) -> None:
        """End all its processes at once; idempotent, and harmless after the end."""
        ...

    def close(self) -> None:
        """Kill what still runs, and give up the descriptors."""
        ...
