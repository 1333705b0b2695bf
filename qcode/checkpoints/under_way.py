"""What one process has in hand: a lock against others, and a note for whoever follows a kill."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qcode.errors import QcodeError, UsageError

_POLL_S = 0.05


class Lock:
    """One process at a time works on a session's files; the system frees it after a kill."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def take(self, otherwise: str, *, wait_s: float = 0.0) -> None:
        """Take the lock; `otherwise` says why it cannot be had.

        Raises:
            UsageError: another process, or this one, has it for longer than `wait_s`.
            QcodeError: its file cannot be made.
        """
        if self._fd >= 0:
            raise UsageError(otherwise, hint="try again when it has ended")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise QcodeError(
                f"no checkpoint can be kept in `{self._path.parent}`: {error.strerror}",
                hint="free some space or set XDG_STATE_HOME to a folder that can be written",
            ) from error
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() >= end:
                    os.close(fd)
                    raise UsageError(otherwise, hint="try again when it has ended") from None
                time.sleep(_POLL_S)
        self._fd = fd

    def free(self) -> None:
        """Give the lock up, if it is held."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @contextmanager
    def held(self, otherwise: str) -> Iterator[None]:
        """Hold the lock for as long as the block takes."""
        self.take(otherwise)
        try:
            yield
        finally:
            self.free()


class Note:
    """Says on disk what is about to be done, until it is done."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, facts: Mapping[str, Any]) -> None:
        """Write it down, whole or not at all.

        Raises:
            QcodeError: it cannot be written.
        """
        try:
            write_whole(self._path, json.dumps(facts).encode())
        except OSError as error:
            raise QcodeError(
                f"no checkpoint can be noted in `{self._path.parent}`: {error.strerror}"
            ) from error

    def read(self) -> dict[str, Any] | None:
        """Return what is under way, or was when a process was killed; None if nothing is.

        Raises:
            QcodeError: it cannot be read.
        """
        try:
            facts = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise QcodeError(f"the note `{self._path}` cannot be read: {error.strerror}") from error
        except ValueError:
            return None  # not of qcode: one is written whole
        return facts if isinstance(facts, dict) else None

    def forget(self) -> None:
        """Take it away: all is done.

        Raises:
            QcodeError: it cannot be removed.
        """
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise QcodeError(
                f"the note `{self._path}` cannot be removed: {error.strerror}"
            ) from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file; whoever reads it finds the old or the new content."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(data)
    os.replace(fresh, path)
