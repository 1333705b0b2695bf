"""An evaluation: its trials side by side, in a fixed order, each written down when it is over.

The order is fair: all agents and models are at the same task at about the same time, and all
tasks were tried once before any is tried again. So what there is at an interruption compares.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, Protocol, TypeAlias

from qcode.evals.agents import Agent, Endpoint, Limits
from qcode.evals.harness import processes
from qcode.evals.harness.store import Store, remove
from qcode.evals.harness.task import Task
from qcode.evals.harness.trial import Trial
from qcode.evals.harness.trying import Kept, try_once
from qcode.record import Record, replace

Key: TypeAlias = tuple[str, str, str, int]
"""Task, agent with version, model, number."""
Ended: TypeAlias = Literal["done", "cost", "time", "interrupted"]
"""Why no further trial is begun: all are there, a budget is used up, or somebody interrupted."""


class Watching(Protocol):
    """Whoever shows how far it is."""

    def begin(self, key: Key) -> None:
        """A trial begins."""

    def end(self, trial: Trial) -> None:
        """A trial was written down."""


class Nobody:
    """Nobody watches."""

    def begin(self, key: Key) -> None:
        """Show nothing."""

    def end(self, trial: Trial) -> None:
        """Show nothing."""


class Bounds(Record):
    """What an evaluation, and each trial in it, may use."""

    at_once: int = 1
    time_factor: float = 1.0
    """Of each task's time limit, which is for a fast endpoint."""
    steps: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    """Of all trials together, those of an interrupted evaluation included."""
    time_s: float | None = None
    """Of this process."""

    def of(self, task: Task) -> Limits:
        """Return the limits of one trial."""
        return Limits(task.time_limit_s * self.time_factor, self.steps, self.tokens, self.cost_usd)


class Planned(Record):
    """One trial to come."""

    key: Key
    task: Task
    agent: Agent
    endpoint: Endpoint


def plan(
    tasks: Sequence[Task],
    agents: Mapping[str, Agent],
    endpoints: Sequence[Endpoint],
    *,
    trials: int,
    seed: int,
) -> list[Planned]:
    """Return all trials in the order in which they are begun; `agents` are by name@version.

    The same number of a task has the same seed for all agents and models, so that they compare.
    """
    return [
        Planned(
            (task.id, name, endpoint.model, number),
            task,
            agent,
            replace(endpoint, seed=seed + number),
        )
        for number in range(trials)
        for task in tasks
        for endpoint in endpoints
        for name, agent in agents.items()
    ]


class Evaluation:
    """Trials of one results folder, run until they are all there or a budget is used up."""

    def __init__(
        self,
        store: Store,
        planned: Sequence[Planned],
        bounds: Bounds,
        environ: Mapping[str, str],
        *,
        watching: Watching | None = None,
        keeps: bool = False,
        confines: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`keeps` leaves the trials' folders; `confines` says whether checks run in a sandbox."""
        self.store = store
        self.bounds = bounds
        self._environ = environ
        self._watching = watching or Nobody()
        self._keeps = keeps
        self._confines = confines
        self._clock = clock
        done = {trial.key for trial in store.trials}
        self._waiting = [each for each in planned if each.key not in done]
        self._cost = sum(trial.effort.cost_usd or 0.0 for trial in store.trials)
        self._lent = 0.0
        """Of the budget, what trials under way may still use."""
        self._under_way = 0
        self._ended: Ended = "done"

    @property
    def left(self) -> int:
        """Trials that were not begun or did not end."""
        return len(self._waiting)

    async def run(self) -> Ended:
        """Run what is left of the trials; cancelled, it ends those under way and returns.

        Raises:
            QcodeError: results cannot be written any more.
        """
        workers = [asyncio.create_task(self._work()) for _ in range(self.bounds.at_once)]
        gathered = asyncio.gather(*workers)
        try:
            async with asyncio.timeout(self.bounds.time_s):
                await gathered
        except TimeoutError:
            self._ended = "time"
        except asyncio.CancelledError:
            self._ended = "interrupted"
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return self._ended

    async def _work(self) -> None:
        while self._waiting and self._ended == "done":
            if self.bounds.cost_usd is not None and self._cost >= self.bounds.cost_usd:
                self._ended = "cost"
                return
            planned = self._waiting.pop(0)
            share = self._share()
            self._lent += share or 0.0
            self._under_way += 1
            try:
                trial = await self._try(planned, share)
            except BaseException:
                self._waiting.insert(0, planned)  # it is begun anew when the evaluation goes on
                raise
            finally:
                self._lent -= share or 0.0
                self._under_way -= 1
            if trial is None:
                self._waiting.insert(0, planned)
                self._ended = "cost"
                return
            self._watching.end(trial)

    def _share(self) -> float | None:
        """Return what of the budget a trial may use: what is left, parted among those at once."""
        if self.bounds.cost_usd is None:
            return None
        left = self.bounds.cost_usd - self._cost - self._lent
        return max(0.0, left) / max(1, self.bounds.at_once - self._under_way)

    async def _try(self, planned: Planned, share: float | None) -> Trial | None:
        """Return the trial, written down; None where the budget ended it, which says nothing of the
        agent: it is begun anew when there is more."""
        self._watching.begin(planned.key)
        place = self.store.place(planned.key)
        artefacts = self.store.artefacts(planned.key)
        # Agents work in folders of their own, where a relative path names something else.
        kept = Kept(place, artefacts.absolute(), self._environ)
        limits = self.bounds.of(planned.task)
        if share is not None:
            limits = replace(limits, cost_usd=share)
        begun = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            trial = await try_once(
                planned.task, planned.agent, planned.endpoint, limits, planned.key, kept,
                confines=self._confines,
            )  # fmt: skip
        finally:
            processes.end_of_trial(place)
            if not self._keeps:
                with contextlib.suppress(OSError):
                    self.store.remove_place(place)
        self._cost += trial.effort.cost_usd or 0.0
        if share is not None and not trial.passed and (trial.effort.cost_usd or 0.0) >= share:
            remove(artefacts)
            return None
        below = artefacts.relative_to(self.store.folder).as_posix()
        trial = replace(trial, artefacts=below, started=begun)
        self.store.add(trial)
        return trial
