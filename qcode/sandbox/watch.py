"""What is seen of confined processes from outside: how many, how large; and whoever looks.

Where the kernel offers no limit (processes of uid 0, resident memory without a cgroup, a
directory of the host), a thread looks now and then and ends what went too far.
"""

from __future__ import annotations

import heapq
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

Look = Callable[[], float | None]
"""Look once; returns in how many seconds to look again, None for never."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
ENTRIES = 200_000
"""A temporary directory with more entries than this counts as too large."""


class Watch:
    """Calls whoever has to look at something, from one thread that sleeps in between."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Look]] = []
        self._count = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, look: Look, after: float) -> None:
        """Have something looked at, for the first time after so many seconds."""
        with self._changed:
            if self._thread is None or not self._thread.is_alive():  # dead in a forked process
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()
            sooner = not self._due or time.monotonic() + after < self._due[0][0]
            self._push(look, after)
            if sooner:
                self._changed.notify()

    def _push(self, look: Look, after: float) -> None:
        self._count += 1
        heapq.heappush(self._due, (time.monotonic() + after, self._count, look))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._due:
                    self._changed.wait()
                wait = self._due[0][0] - time.monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                look = heapq.heappop(self._due)[2]
            try:
                again = look()
            except OSError:  # what was looked at has just gone
                again = None
            if again is not None:
                with self._changed:
                    self._push(look, again)


def inside(root: str) -> list[str]:
    """Return the numbers of the processes that a `/proc` below `root` shows.

    Raises:
        OSError: there is none, or it is somebody else's.
    """
    return [name for name in os.listdir(f"{root}/proc") if name.isdecimal()]


def resident(root: str, numbers: list[str]) -> int:
    """Return how many bytes of memory these processes have in use together."""
    pages = 0
    for number in numbers:
        with (
            suppress(OSError, ValueError, IndexError),
            open(f"{root}/proc/{number}/statm", "rb") as file,
        ):
            pages += int(file.read().split()[1])
    return pages * _PAGE


def members(pid: int) -> list[int]:
    """Return the processes, by the numbers of this /proc, in the pid namespace of another."""
    try:
        namespace = os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return []
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError):
                if os.stat(f"/proc/{name}/ns/pid").st_ino == namespace:
                    found.append(int(name))
    return found


def inner_number(pid: int) -> int:
    """Return the number of a process in its own, innermost pid namespace; 0 if it has gone."""
    with suppress(OSError), open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(b"NSpid:"):
                return int(line.split()[-1])
    return 0


def used(directory: str, enough: int) -> int:
    """Return how many bytes of disk are below a directory; looks no further once it is `enough`."""
    total = entries = 0
    pending = [directory]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as listing:
            for entry in listing:
                entries += 1
                with suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    total += found.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                if entries > ENTRIES:
                    return max(total, enough)
                if total >= enough:
                    return total
    return total
