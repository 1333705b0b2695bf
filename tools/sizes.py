"""How much a tool's answer holds at most; by the window of the model that reads it."""

from __future__ import annotations

from qcode.record import Record


class Sizes(Record):
    """The most that is shown at once; what is beyond is said, and how to see it."""

    read_lines: int = 2000
    read_characters: int = 24_000
    """Some 7,000 tokens, a fifth of a window of 32k."""
    search_matches: int = 100
    search_characters: int = 20_000
    files: int = 100
    """Names that a search for files gives."""
    entries: int = 300
    """Of a directory."""
    output_head: int = 4_000
    """Characters of a long output's beginning."""
    output_tail: int = 8_000
    """Of its end, where errors and summaries stand. Together some 3,500 tokens."""


USUAL = Sizes()
