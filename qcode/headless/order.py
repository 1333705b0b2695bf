"""What is asked of a headless run."""

from __future__ import annotations

from qcode.record import Record


class Order(Record):
    """A task, and what has to hold when it is done."""

    prompt: str
    typed: str = ""
    """What of it a person typed, who may point at things by `@`."""
    verify: tuple[str, ...] = ()
    """Commands that have to exit 0."""
    look: tuple[str, ...] | None = None
    """Commands that tell the model how its work goes, and decide nothing (`Looking`); None:
    nothing is run but what was asked for."""
    protect: tuple[str, ...] = ()
    """Globs of files that have to stay byte for byte."""
    guard_tests: bool = True
    """Whether tests and what runs them must not get weaker, where there are commands."""
    may_change: tuple[str, ...] = ()
    """Globs of tests that the task is to change."""
