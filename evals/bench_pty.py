"""A program in a pseudo-terminal of its own: what it draws, when, and what that costs."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

# The controlling terminal is the first one that a session leader opens.
_START = 'exec "$@" <"$0" >"$0" 2>&1'
_LIMIT_S = 60.0


class Watched:
    """Reads all that a program draws, and answers as terminals do where the cursor is."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        rows: int = 40,
        columns: int = 100,
    ) -> None:
        """Start it."""
        self._master, self._slave = pty.openpty()
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, size)
        self.drawn = b""
        self.began = time.monotonic()
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _START, os.ttyname(self._slave), *argv],
            env=dict(environment),
            cwd=cwd,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._slave)
        os.close(self._master)

    @property
    def pid(self) -> int:
        """Of the program."""
        return self._process.pid

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def read(self, patience_s: float) -> bytes:
        """Return what was drawn meanwhile, as soon as there is anything."""
        if not select.select([self._master], [], [], patience_s)[0]:
            return b""
        data = os.read(self._master, 1 << 16)
        self.drawn += data
        for _ in range(data.count(b"\x1b[6n")):
            os.write(self._master, b"\x1b[1;1R")
        return data

    def until(self, true: Callable[[bytes], object], limit_s: float = _LIMIT_S) -> float:
        """Read until all that was drawn satisfies something; return seconds since the start.

        Raises:
            TimeoutError: it did not within the limit, or the program ended.
        """
        end = time.monotonic() + limit_s
        while not true(self.drawn):
            over = self._process.poll() is not None and not self.read(0.0)
            if over or time.monotonic() > end:
                raise TimeoutError(f"the program did not draw it: {self.drawn[-500:]!r}")
            self.read(0.05)
        return time.monotonic() - self.began

    def rss_mb(self) -> float:
        """Return the megabytes of memory that the program holds; 0 where there is no /proc."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_bytes()
        except OSError:
            return 0.0
        found = re.search(rb"VmRSS:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else 0.0
