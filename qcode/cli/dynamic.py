"""Slash commands that are not qcode's own: each stands for a message to the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from qcode.session import Session


class Dynamic(Protocol):
    """One of them."""

    @property
    def name(self) -> str:
        """What is typed behind the slash, in the letters that it is shown in."""
        ...

    @property
    def about(self) -> str:
        """One line of help."""
        ...

    @property
    def hint(self) -> str:
        """What may follow the name; empty: nothing is said of it."""
        ...

    async def message(self, session: Session, rest: str) -> tuple[str, str]:
        """Return the message, and what of it may point at files by `@`.

        What it has allowed for the turn is taken back when the turn ends, or when this fails.

        Raises:
            QcodeError: it cannot be made; nothing is to be sent.
        """
        ...


Dynamics: TypeAlias = Mapping[str, Dynamic]
"""Those of a session by name, in lower case."""


def described(one: Dynamic) -> str:
    """Return the line of help: what may follow the name, and what it is for."""
    return f"{one.hint}: {one.about}" if one.hint else one.about
