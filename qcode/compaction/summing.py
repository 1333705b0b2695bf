"""How summaries of the model are made, where they are."""

from __future__ import annotations

from qcode.record import Record


class Summing(Record):
    """How summaries are made."""

    tokens: int
    """Of a summary at most; a longer one is none."""
    is_usual: bool = False
    """Whether each compaction asks for one; otherwise only a person does."""
    timeout_s: float = 180.0
