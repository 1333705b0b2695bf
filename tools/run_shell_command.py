"""`run_shell_command`: a command in a shell, in the foreground or as a job."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from functools import cache
from pathlib import Path
from typing import Annotated

from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.files import missing
from qcode.tools.output import Output, Shown, log_opener
from qcode.tools.process import GRACE_S, Process
from qcode.tools.schema import HIDDEN

TIMEOUT_S = 120.0
TIMEOUT_MAX_S = 600.0


class Params(Record):
    command: str
    is_background: Annotated[bool, "for servers; does not wait"] = False
    timeout: Annotated[int | None, "ms, default 120000"] = None
    directory: str | None = None
    description: Annotated[str | None, HIDDEN] = None
    access: Annotated[str | None, HIDDEN] = None


class RunShellCommand(Tool[Params]):
    name = "run_shell_command"
    effect = Effect.EXECUTE
    params = Params
    first_output_s = 1.0
    """How long a job is watched before the model goes on: most failures to start come at once."""

    grace_s = GRACE_S
    """Between asking a command to end and ending it."""

    def touches(self, params: Params) -> Touch:
        paths = (params.directory,) if params.directory else ()
        return Touch(paths, params.command, params.access or "")

    def summary(self, params: Params) -> str:
        return params.command

    async def run(self, params: Params, context: Context) -> Result:
        directory = _directory(params, context)
        if not params.command.strip() or "\0" in params.command:
            raise ToolError("The command is empty or has a NUL byte.")
        if params.is_background:
            return await _start_job(params.command, directory, context, self.first_output_s)
        timeout_s = _seconds(params.timeout)
        output = Output(log_opener(context.spill_dir, "output"))
        process = _start(params.command, directory, context, output, live=True)
        timed_out = left = False
        try:
            async with asyncio.timeout(timeout_s):
                await process.finished()
                left = await process.leaves_children()
        except TimeoutError:
            timed_out = True
            await process.end(self.grace_s)
        except BaseException:
            await process.end(self.grace_s)
            raise
        if left:
            context.jobs.adopt(process)
        shown = output.shown()
        if not left:
            process.close()
        return _result(process, shown, timeout_s if timed_out else None, left)


def _directory(params: Params, context: Context) -> Path:
    if not params.directory:
        return context.workspace.root
    real = context.path(params.directory)
    if not real.exists():
        raise missing(context, params.directory, real)
    if not real.is_dir():
        raise ToolError(f"{clip(params.directory)} is a file; directory has to be a directory.")
    return real


def _seconds(timeout_ms: int | None) -> float:
    if timeout_ms is None:
        return TIMEOUT_S
    if timeout_ms < 1:
        raise ToolError("timeout must be positive, in milliseconds.")
    # Nobody wants a command ended within a second: such a number is meant in seconds.
    seconds = timeout_ms / 1000 if timeout_ms >= 1000 else float(timeout_ms)
    return min(seconds, TIMEOUT_MAX_S)


@cache
def _shell() -> str:
    for path in ("/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"):
        if os.access(path, os.X_OK):
            return path
    return "/bin/sh"


def _start(
    command: str, directory: Path, context: Context, output: Output, *, live: bool
) -> Process:
    try:
        return Process(
            [_shell(), "-c", command],
            cwd=directory,
            environment=context.environment,
            output=output,
            live=context.output if live else None,
        )
    except OSError as error:
        output.close()
        raise ToolError(
            f"The command could not be started: {error.strerror}. "
            "If it is very long, write it to a script with write_file and run that."
        ) from error


async def _start_job(command: str, directory: Path, context: Context, watch_s: float) -> Result:
    command = command.rstrip()
    if command.endswith("&") and not command.endswith("&&"):
        command = command[:-1]
    output = Output(log_opener(context.spill_dir, "job"), at_once=True)
    process = _start(command, directory, context, output, live=False)
    job = context.jobs.add(command, process)
    started = time.monotonic()
    try:
        async with asyncio.timeout(watch_s):
            await process.finished()
    except TimeoutError:
        pass
    except BaseException:
        await process.end()
        raise
    shown = output.shown()
    if process.returncode is None:
        text = f"Started job {job.id} (pid {process.pid}), log: {job.log}\n"
        text += f"To stop it: kill -- -{process.pid}"
        if shown.text:
            text += f"\nOutput so far:\n{shown.text}"
        return Result(text, f"job {job.id} started")
    job.told = True
    seconds = time.monotonic() - started
    text = f"{shown.text}\n" if shown.text else ""
    text += f"[job {job.id} {job.ending()} after {seconds:.1f} s]"
    return Result(text, job.ending(), is_error=process.returncode != 0)


def _result(process: Process, shown: Shown, timed_out_s: float | None, left: bool) -> Result:
    lines = [shown.text] if shown.text else []
    code = process.returncode or 0
    summary = f"{shown.lines} line{'s' if shown.lines != 1 else ''}"
    if timed_out_s is not None:
        summary = f"timed out after {timed_out_s:g} s"
        lines.append(
            f"[{summary} and was ended; for servers set is_background, "
            "for slow commands a longer timeout]"
        )
    elif code < 0:
        summary = f"killed by {_signal_name(-code)}"
        lines.append(f"[{summary}]")
    elif code:
        summary = f"exit {code}"
        lines.append(f"[{summary}]")
    elif not shown.text:
        lines.append("(no output)")
    if left:
        lines.append(
            f"[left processes running in the background until the session ends, log: "
            f"{process.output.path}. To stop them: kill -- -{process.pid}]"
        )
    return Result("\n".join(lines), summary, is_error=bool(code) or timed_out_s is not None)


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
