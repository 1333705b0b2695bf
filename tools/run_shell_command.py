"""`run_shell_command`: a command in a shell, in the foreground or as a job."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from functools import cache
from pathlib import Path
from typing import Annotated

from qcode.errors import SandboxError, ToolError
from qcode.record import Record
from qcode.sandbox.blocked import told
from qcode.sandbox.launching import Purpose
from qcode.tools.base import Context, Effect, Result, Tool, Touch
from qcode.tools.clip import clip
from qcode.tools.files import missing
from qcode.tools.output import Output, Shown, log_opener
from qcode.tools.process import GRACE_S, Process
from qcode.tools.schema import HIDDEN

TIMEOUT_S = 120.0
TIMEOUT_MAX_S = 600.0


_STOPS_JOB = re.compile(r"\s*kill\s+(?:-\w+\s+)?%(\d+)\s*;?\s*")
"""As a shell would say it. No command can stop a job: jobs are out of the others' sight."""


class Params(Record):
    command: str
    is_background: Annotated[bool, "for servers; does not wait"] = False
    timeout: Annotated[int | None, "ms, default 120000"] = None
    directory: str | None = None
    description: Annotated[str | None, HIDDEN] = None
    access: Annotated[str | None, HIDDEN] = None
    """What the sandbox is to let through for this call; a person is asked."""


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
        if stops := _STOPS_JOB.fullmatch(params.command):
            return await _stop_job(int(stops[1]), context, self.grace_s)
        if context.whole_files:
            _check_asked(params.command, directory, context)
        if params.is_background:
            return await _start_job(params, directory, context, self.first_output_s)
        timeout_s = _seconds(params.timeout)
        output = Output(log_opener(context.spill_dir, "output"), sizes=context.sizes)
        process = _start(params.command, directory, context, output, live=True)
        timed_out = False
        try:
            async with asyncio.timeout(timeout_s):
                await process.finished()
        except TimeoutError:
            timed_out = True
            await process.end(self.grace_s)
        except BaseException:
            await process.end(self.grace_s)
            raise
        shown = output.shown(failed=timed_out or process.returncode != 0)
        process.close()
        return _result(process, shown, timeout_s if timed_out else None)


def _directory(params: Params, context: Context) -> Path:
    if not params.directory:
        return context.workspace.root
    real = context.path(params.directory)
    if not real.exists():
        raise missing(context, params.directory, real)
    if not real.is_dir():
        raise ToolError(f"{clip(params.directory)} is a file; directory has to be a directory.")
    return real


def _check_asked(command: str, directory: Path, context: Context) -> None:
    """Check that a small model's command writes to nothing that the task leaves as it is.

    Raises:
        ToolError: it does; nothing was run.
    """
    from qcode.shell.through import seen
    from qcode.shell.touched import made_or_removed

    for path in made_or_removed(seen(command), str(directory)):
        real = Path(path)
        if context.workspace.contains(real) and (why := context.refuses_removal(real)):
            shown = context.workspace.show(real)
            raise ToolError(f"The command was not run, as it writes to {clip(shown)}. {why}")


def _seconds(timeout_ms: int | None) -> float:
    if timeout_ms is None:
        return TIMEOUT_S
    if timeout_ms < 1:
        raise ToolError("timeout must be positive, in milliseconds.")
    # Nobody wants a command ended within a second: such a number is meant in seconds.
    seconds = timeout_ms / 1000 if timeout_ms >= 1000 else float(timeout_ms)
    return min(seconds, TIMEOUT_MAX_S)


@cache
def _shell() -> tuple[str, ...]:
    """Return what a command is handed to: never the person's own shell with its start-up files."""
    for path in ("/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"):
        if os.access(path, os.X_OK):
            return (path, "--noprofile", "--norc", "-c")
    return ("/bin/sh", "-c")


def _start(
    command: str, directory: Path, context: Context, output: Output, *, live: bool
) -> Process:
    try:
        return Process(
            context.launcher,
            [*_shell(), command],
            cwd=directory,
            output=output,
            live=context.output if live else None,
            purpose=Purpose.COMMAND if live else Purpose.JOB,
            grant=context.grant,
        )
    except SandboxError as error:
        output.close()
        raise ToolError(f"Not run: {error}.") from error
    except OSError as error:
        output.close()
        raise ToolError(
            f"The command could not be started: {error.strerror}. "
            "If it is very long, write it to a script with write_file and run that."
        ) from error


async def _start_job(params: Params, directory: Path, context: Context, watch_s: float) -> Result:
    command = params.command.rstrip()
    if command.endswith("&") and not command.endswith("&&"):
        command = command[:-1]
    output = Output(log_opener(context.spill_dir, "job"), sizes=context.sizes, at_once=True)
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
    if not process.has_exited:
        text = f"Started job {job.id}, log: {job.log}\nTo stop it: kill %{job.id}"
        if shown.text:
            text += f"\nOutput so far:\n{shown.text}"
        return Result(text, f"job {job.id} started")
    job.told = True
    process.close()
    seconds = time.monotonic() - started
    lines = [shown.text] if shown.text else []
    lines.append(f"[job {job.id} {job.ending()} after {seconds:.1f} s]")
    if process.left:
        lines.append(
            f"[{_processes(process.left)} it left running ended with it; start servers so that "
            "they stay in the foreground of the job]"
        )
    blocks = process.blocked(shown.text)
    return Result(
        "\n".join([*lines, *told(blocks)]),
        job.ending(),
        is_error=process.returncode != 0,
        blocked=tuple(block.what for block in blocks),
    )


async def _stop_job(number: int, context: Context, grace_s: float) -> Result:
    job = context.jobs.find(number)
    if job is None:
        running = ", ".join(f"%{job.id}" for job in context.jobs.running())
        raise ToolError(
            f"There is no job {number}. "
            + (f"Those that run: {running}." if running else "No job runs.")
        )
    if not job.process.has_exited:
        await job.process.end(grace_s)
    job.told = True
    return Result(f"Job {job.id} {job.ending()}; log: {job.log}", job.ending())


def _result(process: Process, shown: Shown, timed_out_s: float | None) -> Result:
    lines = [shown.text] if shown.text else []
    code = process.returncode or 0
    summary = f"{shown.lines} line{'s' if shown.lines != 1 else ''}"
    if process.exceeded:
        summary = f"ended: more than {process.exceeded}"
        lines.append(f"[it used more than {process.exceeded} and was ended]")
    elif timed_out_s is not None:
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
    if process.left and timed_out_s is None:
        lines.append(
            f"[{_processes(process.left)} it left running ended with it; "
            "for servers set is_background]"
        )
    blocks = process.blocked(shown.text)
    lines += told(blocks)
    return Result(
        "\n".join(lines),
        summary,
        is_error=bool(code) or timed_out_s is not None or bool(process.exceeded),
        blocked=tuple(block.what for block in blocks),
    )


def _processes(count: int) -> str:
    return "1 process that" if count == 1 else f"{count} processes that"


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
