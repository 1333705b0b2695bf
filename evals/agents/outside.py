"""What is the same for every other agent: the proxy, the home, the process, what is left to judge.

An agent of its own module says three things: how it is started (`plan`), what it said in the end
(`told`), and what it leaves in the folder as its own (`traces`).
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from qcode.errors import QcodeError, UsageError
from qcode.evals.agents import Endpoint, Outcome, Work, installed, process
from qcode.evals.agents.counting import Counting
from qcode.evals.agents.installed import Package
from qcode.evals.agents.surroundings import environment, variables_of
from qcode.evals.agents.tally import Price
from qcode.evals.harness.trial import Conduct
from qcode.messages import Usage
from qcode.record import Record, replace

RECORD = "agent-running"
"""In the artefacts while the program runs; `process.kill_recorded` ends what a killed evaluation
left of it."""

WINDOW = 32768
"""Told of models whose window nobody knows."""


class Place(Record):
    """What a plan is made of."""

    program: Path
    work: Work
    base_url: str
    """Of the counting proxy, with its `/v1`."""
    prompt: Path
    """The prompt as a file."""

    @property
    def model(self) -> str:
        return self.work.endpoint.model

    @property
    def home(self) -> Path:
        return self.work.home

    @property
    def window(self) -> int:
        return self.work.endpoint.context_window or WINDOW

    @property
    def longest_answer(self) -> int:
        """Tokens that an answer is given at most, where an agent wants to be told."""
        return min(8192, self.window // 4)


class Plan(Record):
    """How a program is started."""

    argv: tuple[str, ...]
    environ: Mapping[str, str]
    stdin: bool = False
    """Whether it gets the prompt on its standard input."""


class Told(Record):
    """What an agent says of its work."""

    answer: str
    ended: str = ""
    conduct: Conduct = Conduct()


class Outside(ABC):
    """An agent whose program somebody else wrote."""

    name: ClassVar[str]
    keeps_requests: bool = True
    package: ClassVar[Package]
    traces: ClassVar[tuple[str, ...]] = ()
    """Globs of what it keeps for itself in the folder; removed, unless it was there before."""
    counts_calls: ClassVar[bool] = True
    """Whether its tool calls are in the API's own field, where the proxy counts them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def version(self) -> str:
        """Return its version.

        Raises:
            UsageError: it is not installed.
        """
        return installed.version(self.package, self._environ)

    @abstractmethod
    def plan(self, place: Place) -> Plan:
        """Return how it is started; writes what it is set to into its home."""

    @abstractmethod
    def told(self, place: Place, stdout: str) -> Told:
        """Return what it said, by its output or a log in its home."""

    async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
        """Work until it is done or the time is over; all that it started has ended by then."""
        try:
            program = installed.find(self.package, self._environ)
            counting = Counting(
                work.endpoint,
                work.limits,
                work.artefacts,
                self._environ,
                price=price_of(work.endpoint),
            )
        except UsageError as error:
            return Outcome(None, "", error=str(error))
        suffix = "-retry" if work.is_retry else ""
        stdout = work.artefacts / f"agent{suffix}.out"
        prompt = work.artefacts / f"prompt{suffix}.txt"
        prompt.write_text(work.prompt, encoding="utf-8")
        before = self._traces(work.folder)
        try:
            async with counting:
                place = Place(program, work, counting.base_url, prompt)
                ended = await self._run(place, environ, counting, stdout)
        except QcodeError as error:
            return Outcome(None, "", error=str(error))
        finally:
            for trace in self._traces(work.folder) - before:
                _remove(trace)
        # Only now, as leaving the proxy ends and notes what was still under way.
        if counting.outside:
            hosts = "\n".join(counting.outside)
            (work.artefacts / "refused-hosts.txt").write_text(f"{hosts}\n", encoding="utf-8")
        told = self.told(place, stdout.read_text(encoding="utf-8", errors="replace"))
        return self._outcome(told, ended, counting)

    async def _run(
        self, place: Place, environ: Mapping[str, str], counting: Counting, stdout: Path
    ) -> process.Ended:
        work, plan = place.work, self.plan(place)
        path = installed.path_for(self.package, self._environ)
        theirs = path.removesuffix(self._environ.get("PATH", "")) + environ.get("PATH", path)
        return await process.run(
            plan.argv,
            cwd=work.folder,
            environ=environment(
                work.home,
                {**environ, "PATH": theirs},
                base_url=counting.base_url,
                proxy=counting.origin,
                more={**variables_of(work.task), **plan.environ},
            ),
            stdin=place.prompt if plan.stdin else None,
            stdout=stdout,
            stderr=stdout.with_suffix(".err"),
            time_s=work.limits.time_s,
            stop=counting.exhausted,
            record=work.artefacts / RECORD,
        )

    def _outcome(self, told: Told, ended: process.Ended, counting: Counting) -> Outcome:
        tally, conduct = counting.tally, told.conduct
        if conduct.calls is None and self.counts_calls:
            conduct = replace(conduct, calls=sum(one.calls for one in tally.requests))
        error = ""
        if tally.failure is not None:
            error = f"the endpoint failed: {tally.failure.problem}"
        elif not tally.requests:
            how = f"exit code {ended.exit_code}" if ended.why == "exited" else ended.why
            error = f"{self.name} asked the model nothing ({how}); its output says why"
        return Outcome(
            exit_code=ended.exit_code,
            answer=told.answer,
            ended=_ended(ended, counting.limit) or told.ended,
            effort=tally.effort(ended.seconds),
            conduct=conduct,
            error=error,
        )

    def _traces(self, folder: Path) -> set[Path]:
        return {path for glob in self.traces for path in folder.glob(glob)}


def price_of(endpoint: Endpoint) -> Price | None:
    """Return what says the cost of a request at an endpoint; None: it is not known.

    Prices are those of qcode's own sessions: what this machine or its network serves is free,
    unless the person says otherwise, or it is a gateway to a model that nobody runs themselves.

    Raises:
        UsageError: the person's own file of models cannot be read.
    """
    from qcode.cli.chosen import Chosen
    from qcode.cli.pricing import prices_of
    from qcode.models.pricing import cost
    from qcode.providers.registry import Target

    if not endpoint.base_url:
        return None
    prices = prices_of(Chosen(Target(endpoint.model, endpoint.base_url, None, "chat"), None))
    if prices is None:
        return None

    def price(usage: Usage) -> float | None:
        return cost(usage, prices)

    return price


def _ended(ended: process.Ended, limit: str) -> str:
    """Return why it was ended, if not by itself."""
    if limit:
        return f"limit of {limit}"
    return {"exited": "", "time": "time limit", "stopped": "stopped", "output": "too much output"}[
        ended.why
    ]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
