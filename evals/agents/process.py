"""Running an agent's program: no shell, output to files, a time limit, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from qcode.errors import UsageError
from qcode.record import Record

MARK = "QCODE_EVAL_RUN"
"""A variable that each program of one run inherits, so that all of them are found again."""

MAX_OUTPUT_BYTES = 64 << 20
"""Of each output file; a program that writes more has lost its way and is ended."""

_LOOK_S = 0.5
_TERM_S = 2.0
"""From SIGTERM to SIGKILL."""
_ROUNDS = 20
"""Times that remaining programs are looked for; each may have started another meanwhile."""

End: TypeAlias = Literal["exited", "time", "stopped", "output"]
"""By itself; at the time limit; because `stop` was set; because it wrote too much."""


class Ended(Record):
    """How a program ended."""

    exit_code: int | None
    """None: it was ended. Negative: by that signal, from elsewhere."""
    why: End
    seconds: float


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    stdout: Path,
    stderr: Path,
    time_s: float,
    stdin: Path | None = None,
    stop: asyncio.Event | None = None,
    grace_s: float = 20.0,
    max_output_bytes: int = MAX_OUTPUT_BYTES,
    record: Path | None = None,
) -> Ended:
    """Run a program in a session of its own; all that it started has ended on return.

    When `stop` is set, it has `grace_s` to end by itself. Output is appended, to at most about
    `max_output_bytes` a file. Programs that left the process group are found by an inherited
    variable, on Linux alone. While it runs, `record` holds what `kill_recorded` ends it by, should
    this process be killed.

    Raises:
        UsageError: it cannot be started.
    """
    mark = uuid.uuid4().hex
    began = time.monotonic()
    if record is not None:
        record.write_text(mark, encoding="utf-8")
    process: asyncio.subprocess.Process | None = None
    with (
        stdout.open("ab") as out,
        stderr.open("ab") as err,
        (stdin or Path(os.devnull)).open("rb") as given,
    ):
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=cwd,
                env={**environ, MARK: mark},
                stdin=given,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            cause = (error.strerror or str(error)).lower()
            raise UsageError(f"`{argv[0]}` cannot be started: {cause}") from error
    outputs = (stdout, stderr), max_output_bytes
    try:
        why = await _wait(process, began + time_s, outputs, stop, grace_s)
        if why != "exited":
            await _ask_to_end(process)
        code = process.returncode if why == "exited" else None
        return Ended(code, why, time.monotonic() - began)
    finally:
        # Without any await before it, so that a cancellation cannot come between.
        _kill_group(process.pid)
        await asyncio.shield(_sweep(process, mark))
        if record is not None:
            record.unlink(missing_ok=True)


async def _wait(
    process: asyncio.subprocess.Process,
    deadline: float,
    outputs: tuple[Sequence[Path], int],
    stop: asyncio.Event | None,
    grace_s: float,
) -> End:
    why: End = "time"
    paths, most = outputs
    waiter = asyncio.ensure_future(process.wait())
    try:
        while True:
            left = deadline - time.monotonic()
            done, _ = await asyncio.wait({waiter}, timeout=max(0.0, min(left, _LOOK_S)))
            if done:
                return "exited"
            if left <= 0:
                return why
            if any(path.stat().st_size > most for path in paths):
                return "output"
            if stop is not None and stop.is_set() and why == "time":
                why = "stopped"
                deadline = min(deadline, time.monotonic() + grace_s)
    finally:
        waiter.cancel()


async def _ask_to_end(process: asyncio.subprocess.Process) -> None:
    """Have it end in good order, if it does so soon: some write their journal only then."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        async with asyncio.timeout(_TERM_S):
            await process.wait()
    except (ProcessLookupError, TimeoutError):
        pass


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left in it; macOS says the latter of those not yet waited for


async def _sweep(process: asyncio.subprocess.Process, mark: str) -> None:
    await process.wait()
    for _ in range(_ROUNDS):
        if not kill_marked(mark):
            return
        await asyncio.sleep(0.05)


def kill_recorded(record: Path) -> int:
    """End what a run left that was itself killed; return how many programs there were."""
    try:
        mark = record.read_text(encoding="utf-8")
    except OSError:
        return 0
    found = kill_marked(mark) if mark.isalnum() else 0
    record.unlink(missing_ok=True)
    return found


def kill_marked(mark: str) -> int:
    """End every process whose environment has the mark; return how many there were."""
    if sys.platform != "linux":
        return 0
    needle = f"{MARK}={mark}".encode()
    found = 0
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            # Held by a descriptor, its number cannot become another's before the signal.
            held = os.pidfd_open(int(entry.name))
        except OSError:
            continue
        try:
            if needle in Path(entry.path, "environ").read_bytes().split(b"\0"):
                signal.pidfd_send_signal(held, signal.SIGKILL)
                # It is readable once the process has ended, waited for by its parent or not.
                select.select([held], [], [], _TERM_S)
                found += 1
        except OSError:
            pass  # gone, or another user's
        finally:
            os.close(held)
    return found
