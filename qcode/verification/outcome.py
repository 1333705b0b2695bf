"""What is known of a verification: how each command went, and the tests in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from qcode.messages import JsonObject
from qcode.record import Record

Status: TypeAlias = Literal["passed", "failed", "error", "skipped"]


MOST_NAMED = 20
"""Failing tests in a result; the report has them all."""


_MOST_SAID = 5
"""Failing tests in a line."""


def failing_in_words(outcomes: Sequence[Outcome]) -> str:
    """Return what fails in one line, for a person; empty: nothing does."""
    parts = []
    for outcome in outcomes:
        if outcome.passed:
            continue
        names = [c.name for c in outcome.cases if c.status in ("failed", "error")]
        more = f" and {len(names) - _MOST_SAID} more" if len(names) > _MOST_SAID else ""
        if names:
            parts.append(", ".join(names[:_MOST_SAID]) + more)
        else:
            code = outcome.exit_code
            how = "does not end" if code is None else f"exits {code}"
            parts.append(f"`{outcome.command}` ({how})")
    return "; ".join(parts)


class Case(Record):
    """One test as its runner tells of it."""

    name: str
    """As the runner writes it, and as it takes it back: `tests/test_a.py::test_b`."""
    status: Status
    file: str = ""
    """Relative to where the command ran, where the runner says it."""
    line: int = 0
    """From 1; 0 where the runner does not say it."""
    message: str = ""
    """Why it failed or was skipped, in a line or a few."""
    duration_s: float | None = None


class Outcome(Record):
    """How one verification command went."""

    command: str
    exit_code: int | None
    """None: it did not end in time."""
    output: str
    duration_s: float
    cases: tuple[Case, ...] = ()
    """The tests in it, where they could be read; empty says nothing of how many there were."""
    ran: int | None = None
    """Tests that were run, as the runner counts; None: it does not."""
    stopped_early: bool = False
    """Whether the runner says that it left some out."""
    flaky: tuple[str, ...] = ()
    """Tests, or the command itself, that went otherwise when run again on the same files."""
    runs: int = 1
    """How often the command was run for this."""

    @property
    def passed(self) -> bool:
        """Whether it exited 0."""
        return self.exit_code == 0

    def to_json(self) -> JsonObject:
        """Return the entry of the result's `verification` list."""
        return {
            "command": self.command,
            "passed": self.passed,
            "exit_code": self.exit_code,
            "duration_ms": round(self.duration_s * 1000),
            "tests": self.ran,
            "failed": [c.name for c in self.cases if c.status in ("failed", "error")][:MOST_NAMED],
            "flaky": list(self.flaky),
            "runs": self.runs,
        }
