"""Programs of an evaluation: run to their end or to a limit, and none left behind.

Each leads a session of its own, so that it is ended with all that it started. One that a
killed evaluation left is known by what it wrote down itself before it became the program: a
gap between starting and writing down does not exist.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from qcode.record import Record

GRACE_S = 5.0
"""Between being asked to end and being made to."""
RECORD = "process"
"""The file, in a trial's folder, in which its program stands."""
MARK = "EVAL_FOLDER"
"""The variable that says to which trial's folder a process belongs; its home says it as well."""
_LOOK_S = 0.02

_WRITTEN_FIRST = (
    "if [ -r /proc/$$/stat ]; then read -r s </proc/$$/stat; else s=$(ps -o lstart= -p $$); fi; "
    'printf "%s\\n%s\\n" "$$" "$s" >"$0"; exec "$@"'
)
"""For `sh -c`, with the file and the program behind it."""


class Ran(Record):
    """How a program ended."""

    code: int | None
    """None: it was ended at its limit."""
    seconds: float


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limit_s: float,
    out: Path,
    err: Path | None = None,
    record: Path | None = None,
    given: Path | None = None,
) -> Ran:
    """Run a program with its output in files; what it started has ended when this returns.

    Without `err` both go to `out`. `given` is what it reads on its standard input, `record`
    where it writes down which process it is.
    Cancelled, it ends the program first.

    Raises:
        OSError: there is no such program, or no place for its output.
    """
    command = list(argv)
    if record is not None:
        command = ["/bin/sh", "-c", _WRITTEN_FIRST, str(record), *command]
    begun = time.monotonic()
    with contextlib.ExitStack() as files:
        to = files.enter_context(out.open("wb"))
        errors = files.enter_context(err.open("wb")) if err else subprocess.STDOUT
        stdin = files.enter_context(given.open("rb")) if given else subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *command, cwd=cwd, env=env, stdin=stdin, stdout=to, stderr=errors,
            start_new_session=True,
        )  # fmt: skip
    try:
        async with asyncio.timeout(limit_s):
            code: int | None = await process.wait()
    except TimeoutError:
        code = None
    finally:
        # Behind a cancellation too: a task may be cancelled again while it waits here.
        await asyncio.shield(asyncio.create_task(_end(process)))
        if record is not None:
            record.unlink(missing_ok=True)
    return Ran(code, time.monotonic() - begun)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process with its whole group: asked first, then made to."""
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(GRACE_S):
                await process.wait()
        except TimeoutError:
            pass
    # The leader is gone or not; what is left of its group is ended in any case. The number
    # cannot be another's yet while somebody of the group lives.
    _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def end_leftovers(work: Path) -> int:
    """End what a killed evaluation left running for the trials below a folder; return how many.

    A process is one of them by the number and start time that it wrote down, or (on Linux) by
    a variable that only such processes have; a number that is another process's by now is
    let be.
    """
    found = {pid for record in work.glob(f"*/{RECORD}") if (pid := _recorded(record))}
    found |= set(_marked(work))
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getpgid(pid) == pid:
                    os.killpg(pid, number)
                else:
                    os.kill(pid, number)
        until = time.monotonic() + GRACE_S
        while any(map(_runs, found)) and time.monotonic() < until:
            time.sleep(_LOOK_S)
        if not any(map(_runs, found)):
            break
    return len(found)


def end_of_trial(place: Path) -> int:
    """End what a trial's set-up or agent left in the background; return how many there were."""
    found = set(_marked(place))
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def _recorded(record: Path) -> int | None:
    """Return the process that a record is of, if it still runs."""
    try:
        number, _, start = record.read_text(encoding="utf-8", errors="replace").partition("\n")
    except OSError:
        return None
    if not number.isdecimal() or not (start := start.strip()):
        return None
    return int(number) if _start_of(start) == _started(int(number)) else None


def _start_of(line: str) -> str:
    """Return the time out of a line of /proc/PID/stat, or the time that `ps` says."""
    if ") " in line:
        fields = line.rpartition(")")[2].split()
        return fields[19] if len(fields) > 19 else line
    return " ".join(line.split())


def _started(pid: int) -> str:
    """Return when a process started, in the words of its record; empty: there is none."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
        told = subprocess.run(
            ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True
        )
        line = told.stdout
    return _start_of(line)


def _runs(pid: int) -> bool:
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        if Path("/proc/self/stat").exists():
            return False
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True
    return line.rpartition(")")[2].split()[0] != "Z"


def _marked(work: Path) -> Iterator[int]:
    """Yield the processes whose environment says that they belong to a trial below a folder."""
    names = (MARK, "HOME")
    wanted = tuple(f"{name}={work}{os.sep}".encode() for name in names)
    exactly = tuple(f"{name}={work}".encode() for name in names)
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(
                each.startswith(wanted) or each in exactly
                for each in (entry / "environ").read_bytes().split(b"\0")
            ):
                yield int(entry.name)
