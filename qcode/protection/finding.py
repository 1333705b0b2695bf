"""What was found in one file, before it has a path."""

from __future__ import annotations

from qcode.record import Record


class Finding(Record):
    """One thing that counts as cheating."""

    kind: str
    """As a `Violation` has it."""
    why: str
    line: int = 0
    """From 1; 0 where it is about the file as a whole."""
