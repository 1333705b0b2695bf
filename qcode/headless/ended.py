"""All that a headless run came to; every report is made from it."""

from __future__ import annotations

from collections.abc import Sequence

from qcode.events import TurnEnd
from qcode.messages import JsonObject, ToolCall, Usage
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
