"""A check: one thing looked at, what was seen, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from qcode.record import Record

Status: TypeAlias = Literal["ok", "warn", "fail", "skip"]

NONE: Mapping[str, object] = MappingProxyType({})


class Check(Record):
    """The outcome of one check."""

    name: str
    status: Status
    """`warn`: qcode copes, something is lost. `skip`: not looked at, or nothing can be said."""
    finding: str
    """What was seen, in one line."""
    fix: str = ""
    """What to change, in one line; empty where nothing is to be done."""
    figures: Mapping[str, object] = NONE
    """What was measured, for programs."""
