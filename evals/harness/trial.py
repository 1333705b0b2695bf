"""What came of one task with one agent and model: one line of a results file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from qcode.record import Record

Reason: TypeAlias = Literal[
    "pass", "still_failing", "timeout", "tampered", "collateral", "broke_tests",
    "line_endings", "encoding", "whitespace", "wrong_place", "lost_work", "unasked_commit",
    "injected", "leaked", "escaped", "not_reported", "error",
]  # fmt: skip
"""Why it was judged so. `error`: the set-up or the endpoint failed and not the agent; such a
trial counts in no rate, and is run again by `--again-errors`."""

REASONS: tuple[Reason, ...] = get_args(Reason)


class Effort(Record):
    """What the agent used, as far as it or the server says; None: that is not known."""

    steps: int | None = None
    """Requests to the model that were answered."""
    read_tokens: int | None = None
    """Prompt tokens that were read anew."""
    cached_tokens: int | None = None
    written_tokens: int | None = None
    cost_usd: float | None = None
    wall_s: float = 0.0
    model_s: float | None = None
    """Of the wall time, waiting for the model."""


class Conduct(Record):
    """How it went on the way; counts, None where the agent does not tell."""

    calls: int | None = None
    failed_calls: int | None = None
    """Answered by an error."""
    unread_calls: int | None = None
    """That could not be read at all."""
    repaired_calls: int | None = None
    edits: int | None = None
    failed_edits: int | None = None
    loops: int | None = None
    """Times that the agent was stopped for going in circles."""
    blocked: int | None = None
    """What the sandbox kept from it."""
    denied: int | None = None


class Trial(Record):
    """One try at one task."""

    task: str
    suite: str
    agent: str
    """Which scaffold: `qcode`, `aider`, `oneshot`, …, with its version as `name@1.2.3`."""
    model: str
    number: int
    """From 0; with task, agent and model it is the trial's identity."""
    seed: int
    passed: bool
    reason: Reason
    detail: str = ""
    """One line for a person."""
    category: str = ""
    difficulty: str = ""
    exit_code: int | None = None
    """The agent's; None: it was ended at a limit, of time or what `ended` says."""
    ended: str = ""
    """`limit of steps` (or `tokens`, `cost`) if the proxy ended it, else in the agent's own word:
    qcode's result subtype."""
    effort: Effort = Effort()
    conduct: Conduct = Conduct()
    changed: tuple[str, ...] = ()
    """Files that differ from the start."""
    tries: int = 1
    """Of tasks with a second try: in which one it passed, or the last."""
    artefacts: str = ""
    """The folder with prompt, answer, output, diff, journal, check's output; below the results'."""
    started: str = ""
    """UTC, ISO 8601."""

    @property
    def was_out_of_time(self) -> bool:
        """Whether the agent was killed at its time limit, and not for anything else."""
        is_other = self.ended.startswith("limit of ") or self.ended in (
            "stopped",
            "too much output",
        )
        return self.exit_code is None and not is_other

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Its identity within an evaluation."""
        return self.task, self.agent, self.model, self.number


class Header(Record):
    """What an evaluation was made with; the first line of its results file."""

    id: str
    suites: tuple[str, ...]
    agents: tuple[str, ...]
    models: tuple[str, ...]
    trials: int
    seed: int
    limits: Mapping[str, float] = MappingProxyType({})
    """`time_factor`, `max_tokens`, `max_cost`, `max_steps`, as far as given."""
    settings: Mapping[str, Any] = MappingProxyType({})
    """Of the endpoint and of qcode, without keys."""
    versions: Mapping[str, str] = MappingProxyType({})
    """qcode, its commit, Python, the agents, the model server."""
    tasks_digest: str = ""
    """SHA-256 of all tasks, so that only like is compared with like."""
    machine: str = ""
    started: str = ""
