"""What a report says of a run that its record does not hold."""

from __future__ import annotations

from collections.abc import Sequence

from qcode.messages import JsonObject
from qcode.record import Record


class ChangedFile(Record):
    """How much of a file was changed."""

    path: str
    """Relative to the workspace."""
    added: int | None = None
    """Lines; None: not counted, as of a binary file."""
    removed: int | None = None


class Details(Record):
    """Added to a report where it is known."""

    files: Sequence[ChangedFile] = ()
    """In place of the record's bare `files_changed`."""
    comparison: JsonObject | None = None
    """The verification before and after, the one against the other."""


NONE = Details()
