"""Who works on tasks: qcode itself, a baseline, and other agents, one module each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from qcode.evals.harness.task import Task
from qcode.evals.harness.trial import Conduct, Effort
from qcode.record import Record


class Endpoint(Record):
    """The model that all agents are given."""

    model: str
    base_url: str
    """OpenAI-compatible, with its `/v1`; empty: qcode finds it by the model's name."""
    api_key_env: str = ""
    """The variable that holds the key; empty: there is none, and agents get a placeholder."""
    context_window: int | None = None
    temperature: float | None = None
    seed: int = 0


class Limits(Record):
    """Of one trial; None is no limit."""

    time_s: float
    steps: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None

    def without(self, effort: Effort) -> Limits:
        """Return what is left of them for another try at the task; each try has its own time."""
        counts = (effort.read_tokens, effort.cached_tokens, effort.written_tokens)
        used = (effort.steps or 0, sum(each or 0 for each in counts), effort.cost_usd or 0.0)
        return Limits(
            self.time_s,
            None if self.steps is None else max(0, self.steps - used[0]),
            None if self.tokens is None else max(0, self.tokens - used[1]),
            None if self.cost_usd is None else max(0.0, self.cost_usd - used[2]),
        )

    @property
    def are_used_up(self) -> bool:
        """Whether no further request is allowed."""
        return 0 in (self.steps, self.tokens, self.cost_usd)


class Work(Record):
    """What an agent is to do, and where."""

    task: Task
    prompt: str
    """The task's, or what is said at the second try."""
    folder: Path
    """The repository to work in."""
    home: Path
    """A home of its own, empty at first; kept over the tries of one trial."""
    artefacts: Path
    """Where to leave what it did: journal, output."""
    endpoint: Endpoint
    limits: Limits
    number: int
    is_retry: bool = False


class Outcome(Record):
    """What the agent did, before anybody judged it."""

    exit_code: int | None
    """None: it was stopped at the time limit."""
    answer: str
    """Its final words."""
    ended: str = ""
    effort: Effort = Effort()
    conduct: Conduct = Conduct()
    error: str = ""
    """Why nothing came of it that can be judged: no endpoint, a broken set-up; empty: judge it."""


class Agent(Protocol):
    """One scaffold."""

    name: str
    keeps_requests: bool
    """Whether it leaves in the artefacts what the model was sent (`requests.jsonl`), as all do that
    are asked through the counting proxy."""

    def version(self) -> str:
        """Return its version, for the record.

        Raises:
            UsageError: it is not installed; the hint says how it is.
        """
        ...

    async def work(self, work: Work, environ: Mapping[str, str]) -> Outcome:
        """Work until it is done or the time is over; all that it started has ended by then.

        Cancelled, it ends all that it started.
        """
        ...
