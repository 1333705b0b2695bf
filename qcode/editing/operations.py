"""What a patch asks for, one file at a time, in whichever format it was written."""

from __future__ import annotations

from qcode.editing.hunks import Hunk
from qcode.record import Record


class Add(Record):
    """A file that must not exist yet."""

    path: str
    content: str


class Delete(Record):
    """A file that goes."""

    path: str
    stated: tuple[str, ...] | None = None
    """Its lines as the patch states them, which must be true; None: it states none."""


class Update(Record):
    """Hunks in a file, or a move of it, or both."""

    path: str
    hunks: tuple[Hunk, ...]
    to: str = ""
    unprefixed: str = ""
    """The path without `a/` or `b/`: meant unless `path` exists."""


Operation = Add | Delete | Update
