"""Where a subagent works that is kept from the person's files until it is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from qcode.agent import Checkpoints
from qcode.boundary import Boundary
from qcode.record import Record
from qcode.tools.base import Context


class Place(Record):
    """A copy of the files, with what works there."""

    context: Context
    checkpoints: Checkpoints
    boundary: Boundary
    bring_back: Callable[[], Awaitable[str]]
    """Makes what was changed there in the person's files, as one step; returns what the model is
    told of it. What clashes is kept as a patch, and nothing is changed then."""
    close: Callable[[], Awaitable[None]]
    """Removes the copy."""


class Copying(Protocol):
    """Makes copies."""

    async def __call__(self, name: str, context: Context) -> Place:
        """Return a new copy.

        Raises:
            QcodeError: there can be none: no git repository, nothing committed.
        """
        ...
