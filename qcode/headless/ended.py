"""All that a headless run came to; every report is made from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from qcode.events import TurnEnd
from qcode.messages import Asked, JsonObject, ToolCall, Usage
from qcode.record import Record
from qcode.verification.outcome import Outcome


class Violation(Record):
    """What the run did to a protected file, or to get past its verification."""

    path: str
    """Relative to the workspace."""
    kind: str
    """`changed`, `deleted`, `skipped`, `weakened`, `special-cased`, `harness` or `vanished`."""
    why: str
    """What was found, in one line, for a person."""
    line: int = 0
    """From 1; 0 where it is about the file as a whole."""
    rolled_back: bool = False


class Answered(Record):
    """What one model was asked in a run."""

    model: str
    usage: Usage
    requests: int


def answered(asked: Iterable[Asked], usual: str) -> tuple[Answered, ...]:
    """Return who answered requests, in order of their first one; `usual` where none is named."""
    found: dict[str, Answered] = {}
    for each in asked:
        model = each.model or usual
        before = found.get(model) or Answered(model, Usage(), 0)
        found[model] = Answered(model, before.usage + each.usage, before.requests + 1)
    return tuple(found.values())


def together(several: Iterable[Sequence[Answered]]) -> tuple[Answered, ...]:
    """Return who answered in several runs."""
    found: dict[str, Answered] = {}
    for each in chain.from_iterable(several):
        before = found.get(each.model) or Answered(each.model, Usage(), 0)
        usage, requests = before.usage + each.usage, before.requests + each.requests
        found[each.model] = Answered(each.model, usage, requests)
    return tuple(found.values())


class Ended(Record):
    """How a run ended."""

    session_id: str
    model: str
    task: str
    """What the person asked for."""
    end: TurnEnd
    exit_code: int
    answer: str
    error: str
    """The one line that says what happened; empty when all went well."""
    steps: int
    duration_s: float
    usage: Usage
    out_of_steps: bool = False
    files_changed: Sequence[str] = ()
    """Relative to the workspace."""
    baseline: Sequence[Outcome] = ()
    """The verification before the model did anything."""
    verification: Sequence[Outcome] = ()
    """The last one."""
    violations: Sequence[Violation] = ()
    calls_repaired: int = 0
    """Tool calls of the session that were read otherwise than they were written."""
    receipt: JsonObject = {}  # noqa: RUF012 -- a record's default, which nobody changes
    """What was touched (`qcode.receipt`)."""
    commit: str = ""
    """Of what was changed; empty: none was made."""
    structured: object = None
    """The answer by `--json-schema`, parsed; None without one."""
    attempts: Sequence[JsonObject] = ()
    """Of each candidate, what its own result says; empty where there was only one."""
    attempt: int = 0
    """Which of them was kept, from 1; 0 without any."""
    asking_s: float = 0.0
    """Of the duration, what was spent on asking the model."""
    denied: Sequence[ToolCall] = ()
    """Calls that were not allowed."""
    answered: Sequence[Answered] = ()
    """Who answered in this run; earlier ones of a session that goes on are left out."""
