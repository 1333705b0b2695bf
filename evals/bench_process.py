"""Run a program in a plain environment and measure it: wall, CPU and memory of all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
_STAT_PARENT, _STAT_USER, _STAT_CHILDREN_SYSTEM = 1, 11, 14
"""Places in /proc/PID/stat, counted behind the name of the command."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run from outside. Times are those of the monotonic clock, in seconds."""

    code: int | None
    """None: stopped at the limit."""
    started: float
    ended: float
    cpu_s: float
    """User and system time of the process and all that it waited for."""
    maxrss_mb: float
    """At least this process's own size, so of use only where there is nothing better."""
    output: str
    """The end of what it printed."""

    @property
    def wall_s(self) -> float:
        """Seconds from just before the start to the end."""
        return self.ended - self.started


@dataclass(slots=True)
class Probe:
    """Looks at a running process and its descendants, where the system has /proc."""

    pid: int = 0
    cpu_s: float | None = None
    """CPU time of the tree when `cpu` was called."""
    peak_mb: float | None = None
    """Largest sum over the tree of what each process used at most, when `memory` was called."""

    def cpu(self) -> None:
        """Note the CPU time used until now."""
        tree = self._tree()
        if tree:
            self.cpu_s = sum(_cpu_s(pid, stat) for pid, stat in tree.items())

    def memory(self) -> None:
        """Note the memory used until now, if more than before."""
        sizes = [_peak_kb(pid) for pid in self._tree()]
        if sizes:
            self.peak_mb = max(self.peak_mb or 0.0, sum(sizes) / 1024)

    def _tree(self) -> dict[int, list[bytes]]:
        stats = _stats()
        tree = {self.pid: stats[self.pid]} if self.pid in stats else {}
        found = -1
        while found != len(tree):
            found = len(tree)
            tree |= {p: s for p, s in stats.items() if int(s[_STAT_PARENT]) in tree}
        return tree


def run(
    argv: tuple[str, ...],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    limit_s: float,
    started: Callable[[int], None] = lambda _pid: None,
) -> Ended:
    """Run to the end, or to the limit; `started` gets the process's number."""
    expired = threading.Event()
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen(
            argv,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started(process.pid)

        def stop() -> None:
            expired.set()
            _kill(process.pid)

        timer = threading.Timer(limit_s, stop)
        timer.start()
        # Not Popen.wait: wait4 alone tells what the process used.
        _, status, usage = os.wait4(process.pid, 0)
        end = time.monotonic()
        timer.cancel()
        timer.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        _kill(process.pid)  # what it left running would disturb the next run
        output.seek(max(0, output.seek(0, os.SEEK_END) - 100_000))
        text = output.read().decode("utf-8", "replace")
    return Ended(
        code=None if expired.is_set() else process.returncode,
        started=start,
        ended=end,
        cpu_s=usage.ru_utime + usage.ru_stime,
        maxrss_mb=usage.ru_maxrss * _MAXRSS_UNIT / 2**20,
        output=text,
    )


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _stats() -> dict[int, list[bytes]]:
    out = {}
    for name in _listing("/proc"):
        if name.isdigit():
            data = _read(f"/proc/{name}/stat")
            if data:
                out[int(name)] = data[data.rindex(b")") + 2 :].split()
    return out


def _cpu_s(pid: int, stat: list[bytes]) -> float:
    """Return the CPU time of a process and of its children that have ended."""
    user, system, *of_children = (
        int(ticks) * _TICK_S for ticks in stat[_STAT_USER : _STAT_CHILDREN_SYSTEM + 1]
    )
    # The scheduler counts nanoseconds where the fields above count hundredths, but
    # knows living threads alone.
    threads = _listing(f"/proc/{pid}/task")
    fine = sum(int((_read(f"/proc/{pid}/task/{t}/schedstat") or b"0").split()[0]) for t in threads)
    return max(user + system - 2 * _TICK_S, fine / 1e9) + sum(of_children)


def _peak_kb(pid: int) -> int:
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1])
    return 0


def _listing(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
