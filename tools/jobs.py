"""Background processes of a session: started by the model, ended with the session."""

from __future__ import annotations

import asyncio
from pathlib import Path

from qcode.tools.process import Process


class Job:
    """One background command."""

    def __init__(self, number: int, command: str, process: Process) -> None:
        self.id = number
        self.command = command
        self.process = process
        self.told = False
        """Whether the model knows that it has ended."""

    @property
    def log(self) -> Path | None:
        """The file its output goes to; None if none could be made."""
        return self.process.output.path

    def ending(self) -> str:
        """Return how it ended, or that it runs."""
        code = self.process.returncode
        if code is None:
            return "running"
        if self.process.exceeded:
            return f"ended, as it used more than {self.process.exceeded}"
        return f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


class Jobs:
    """The session's jobs."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def add(self, command: str, process: Process) -> Job:
        """Take over a process as a job."""
        job = Job(len(self.jobs) + 1, command, process)
        self.jobs.append(job)
        return job

    def find(self, number: int) -> Job | None:
        """Return the job of that number."""
        return self.jobs[number - 1] if 0 < number <= len(self.jobs) else None

    def running(self) -> list[Job]:
        """Return the jobs that have not ended."""
        return [job for job in self.jobs if not job.process.has_exited]

    def finished(self) -> list[str]:
        """Return one line for each job that ended since the last call, for the model."""
        lines = []
        for job in self.jobs:
            if not job.told and job.process.has_exited:
                job.told = True
                lines.append(f"[job {job.id} {job.ending()}: {job.command[:80]}; log: {job.log}]")
                job.process.close()
        return lines

    async def close(self) -> None:
        """End them all, at once; afterwards nothing of them is left."""
        await asyncio.gather(*(job.process.end() for job in self.jobs))
