"""The textual forms in which models write tool calls: one module a family.

A module here defines `FORMATS`; that is all that is needed to add one. The
registry reads the whole package once, when the first answer comes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol

from qcode.calls.cursor import Cursor
from qcode.calls.found import Region
from qcode.calls.offered import Offered


class Place(Enum):
    """Where in the text a form of calls may begin."""

    ANYWHERE = "anywhere"
    LINE = "line"
    """At the start of a line, but for blanks."""
    MESSAGE = "message"
    """At the start of the message, but for blanks."""


class Format(Protocol):
    """One way of writing calls."""

    @property
    def name(self) -> str:
        """For reports: `qwen3-coder`, `hermes`, …"""
        ...

    @property
    def openers(self) -> tuple[str, ...]:
        """The literals with which it begins; formats may share one."""
        ...

    @property
    def place(self) -> Place:
        """Where an opener is looked for."""
        ...

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        """Return what stands at the cursor, at one of the openers; None if it is no call.

        Never raises but `Undecided`, and keeps to the contract of `cursor`:
        what is answered while the text is open holds for all continuations.
        """
        ...


_formats: list[Format] = []


def formats() -> tuple[Format, ...]:
    """Return all formats, in a fixed order."""
    if not _formats:
        for name in sorted(each.name for each in iter_modules(__path__)):
            _formats.extend(import_module(f"{__name__}.{name}").FORMATS)
    return tuple(_formats)


@cache
def at(place: Place) -> Mapping[str, tuple[Format, ...]]:
    """Return the formats that are looked for at a place, by opener, the longest first."""
    table: dict[str, tuple[Format, ...]] = {}
    for form in formats():
        if form.place is place:
            for opener in form.openers:
                table[opener] = (*table.get(opener, ()), form)
    return {opener: table[opener] for opener in sorted(table, key=len, reverse=True)}
