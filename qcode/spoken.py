"""Commands that stand for a message: a person types `/name and more`, and the model gets a text.

Extensions bring them: custom commands, skills, the prompts of servers. They work wherever a
message is taken, since it is the session that follows them.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from qcode.record import Record

_FORM = re.compile(r"/([A-Za-z0-9][\w:.-]*)(?:\s+(.*))?", re.DOTALL)


class Spoken(Record):
    """What a command comes to."""

    text: str
    """The message."""
    said: str = ""
    """What of it may point at things by `@`; not what somebody else wrote."""


class Command(Record):
    """A command that stands for a message."""

    about: str
    """One line for a person."""
    hint: str
    """What may follow it, as in `[file] [line]`; empty: nothing, or anything."""
    speak: Callable[[str], Awaitable[Spoken]]
    """Takes what was typed behind the name.

    Raises:
        QcodeError: it cannot be said so; the message tells the person why.
    """


class Commands(Protocol):
    """Whoever brings commands."""

    def known(self) -> Mapping[str, Command]:
        """Return what there is at the moment, by name."""
        ...

    async def find(self, name: str) -> Command | None:
        """Return a command, also one that it takes a moment to know of; None: there is none."""
        ...


def called(text: str) -> tuple[str, str] | None:
    """Return the name that a message begins with, and the rest; None if it names none."""
    match = _FORM.fullmatch(text.strip())
    return (match[1], (match[2] or "").strip()) if match else None
