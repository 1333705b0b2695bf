"""Tasks, and an agent without a model, for tests of the evaluation harness; run alone, a driver.

`python tests/support/trying.py DIR LOG` begins an evaluation of `TASKS` in DIR, or goes on with
it. Its agent writes each begin and end of its work to LOG, from a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcode.evals.agents import Endpoint, Outcome, Work
from qcode.evals.harness import processes
from qcode.evals.harness.records import digest
from qcode.evals.harness.schedule import Bounds, Evaluation, plan
from qcode.evals.harness.store import RESULTS, Store
from qcode.evals.harness.task import Check, Task
from qcode.evals.harness.trial import Effort, Header, Trial

MODEL = "some-model"


def task(name: str = "one", cmd: str = "test -f done.txt", **fields: Any) -> Task:
    """Return a small task."""
    check = fields.pop("check", Check(cmd, 20.0))
    given: dict[str, Any] = {"files": {"a.txt": "a\n"}, "time_limit_s": 20.0, **fields}
    return Task(name, "tests", "do it", check, **given)


TASKS = [task(f"task-{number}") for number in range(5)]


class Shell:
    """An agent that runs a line of the shell in the folder, and says so in a log."""

    name = "shell"
    keeps_requests = False

    def __init__(self, line: str = "echo done > done.txt", log: Path | None = None) -> None:
        self.line = line
        self.log = log
        self.works: list[Work] = []

    def version(self) -> str:
        return "1"

    async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
        self.works.append(work)
        line = self.line
        if self.log is not None:
            name = f"{work.task.id}/{work.number}"
            line = f"echo begin {name} >> {self.log}; {line}; echo end {name} >> {self.log}"
        ran = await processes.run(
            ["/bin/sh", "-c", line],
            cwd=work.folder,
            env={**environ, "HOME": str(work.home)},
            limit_s=work.limits.time_s,
            out=work.artefacts / "agent.txt",
            record=work.folder.parent / processes.RECORD,
        )
        said = (work.artefacts / "agent.txt").read_text()
        return Outcome(ran.code, said, effort=Effort(steps=1, cost_usd=0.25, wall_s=ran.seconds))


def header(tasks: list[Task], trials: int = 1, **fields: Any) -> Header:
    """Return the header of an evaluation of these tasks by `Shell`."""
    return Header(
        "some-id", ("tests",), ("shell@1",), (MODEL,), trials, 0, tasks_digest=digest(tasks),
        **fields,
    )  # fmt: skip


def begun(folder: Path, tasks: list[Task], trials: int = 1) -> Store:
    """Return a new results folder."""
    return Store.create(folder, header(tasks, trials), tasks)


def evaluation(
    store: Store, tasks: list[Task], agent: Shell, bounds: Bounds | None = None, **more: Any
) -> Evaluation:
    """Return an evaluation by an agent, its checks unconfined."""
    endpoint = Endpoint(MODEL, "http://127.0.0.1:9/v1")
    planned = plan(
        tasks, {"shell@1": agent}, [endpoint], trials=store.header.trials, seed=store.header.seed
    )
    environ = more.pop("environ", os.environ)
    return Evaluation(store, planned, bounds or Bounds(), environ, confines=False, **more)


def tried(folder: Path, tasks: list[Task], agent: Shell, **more: Any) -> list[Trial]:
    """Return what comes of an evaluation that is run to its end."""
    with begun(folder, tasks) as store:
        asyncio.run(evaluation(store, tasks, agent, **more).run())
        return list(store.trials)


def main() -> None:
    folder, log = Path(sys.argv[1]), Path(sys.argv[2])
    is_there = (folder / RESULTS).exists() and (folder / RESULTS).stat().st_size
    with Store.reopen(folder) if is_there else begun(folder, TASKS, 2) as store:
        agent = Shell("sleep 0.1 & sleep 0.15; echo done > done.txt; wait", log)
        asyncio.run(evaluation(store, TASKS, agent, Bounds(at_once=2)).run())


if __name__ == "__main__":
    main()
