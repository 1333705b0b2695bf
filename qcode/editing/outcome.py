"""What comes of an edit: the new text, or a refusal that the model can act on."""

from __future__ import annotations

from enum import StrEnum

from qcode.record import Record


class Reason(StrEnum):
    """Why an edit was refused."""

    AMBIGUOUS = "ambiguous"
    NOT_FOUND = "not_found"
    ALREADY_APPLIED = "already_applied"
    NO_CHANGE = "no_change"
    EMPTY_SEARCH = "empty_search"
    PLACEHOLDER = "placeholder"
    STALE = "stale"
    OVERLAP = "overlap"
    MALFORMED = "malformed"
    EXISTS = "exists"
    MISSING_FILE = "missing_file"
    OUTSIDE_ROOT = "outside_root"


class Refused(Record):
    """Nothing was changed; `text` tells the model why, what is there, and what to do."""

    reason: Reason
    text: str


class Edited(Record):
    """The new text, and where it differs."""

    text: str
    places: tuple[tuple[int, int], ...]
    """First and last line of each place in the new text, from 1."""
    notes: tuple[str, ...] = ()
    """What was adjusted to make it fit, in words; empty for an exact match."""
