"""`/jobs`: commands that run in the background, and ending one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcode.errors import UsageError

if TYPE_CHECKING:
    from qcode.session import Session

_WIDTH = 60


async def jobs(session: Session, text: str) -> str:
    """Return the list; `kill N` ends one and all that it started.

    Raises:
        UsageError: it is not understood, or there is no such job.
    """
    known = session.agent.context.jobs
    word, _, which = text.strip().partition(" ")
    if not word:
        rows = [
            f"  {job.id}  {_short(job.command)}  {job.ending()}; log: {job.log or 'none'}"
            for job in known.jobs
        ]
        return "\n".join(rows) or "no command was left running in the background"
    number = which.strip().removeprefix("%")
    if word != "kill" or not number.isdecimal():
        raise UsageError(f"`/jobs` does not know `{text.strip()}`", hint="`/jobs kill NUMBER`")
    job = known.find(int(number))
    if job is None:
        raise UsageError(f"there is no job {number}", hint="`/jobs` lists them")
    if job.process.has_exited:
        return f"job {job.id} has ended before: {job.ending()}"
    await job.process.end()
    return f"job {job.id} {job.ending()}: {_short(job.command)}"


def _short(command: str) -> str:
    command = " ".join(command.split())
    return command if len(command) <= _WIDTH else f"{command[: _WIDTH - 1]}…"
