"""Look at and end processes that may be older than this one, without ever hitting a stranger.

A process is known by its id and its start time together, as ids are used again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

_GRACE_S = 10.0
"""How long a server may take to end by itself; it has nothing to save."""


def start_time(pid: int) -> str | None:
    """Return when the process started, in the system's own words; None if it does not run.

    On Linux clock ticks since boot (field 22 of /proc/PID/stat), elsewhere what `ps` says.
    """
    _reap(pid)
    if not Path("/proc/self/stat").exists():
        return _ps(pid, "lstart=")
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else fields[19]


def memory_bytes(pid: int) -> int | None:
    """Return the resident memory of a process; None if it cannot be told."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        kilobytes = _ps(pid, "rss=")
        return int(kilobytes) * 1024 if kilobytes and kilobytes.isdigit() else None


def stop(pid: int, started: str) -> None:
    """End the process and what it started, if it is still the one that began at `started`."""
    for number, patience_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, _GRACE_S)):
        if start_time(pid) != started:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # The server leads a session of its own, so that its group is its children.
            os.killpg(pid, number)
        deadline = time.monotonic() + patience_s
        while start_time(pid) == started and time.monotonic() < deadline:
            time.sleep(0.02)


def _reap(pid: int) -> None:
    """Take the exit status of a child of ours that ended, or it stays listed for ever."""
    with contextlib.suppress(ChildProcessError, OverflowError):
        os.waitpid(pid, os.WNOHANG)


def _stat(pid: int) -> list[str] | None:
    """Return the fields after the command's name, which may itself hold spaces and brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields if len(fields) > 19 else None


def _ps(pid: int, column: str) -> str | None:
    try:
        done = subprocess.run(
            ["ps", "-o", column, "-p", str(pid)], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() or None
