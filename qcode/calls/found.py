"""What a format finds in the text: calls as written, before names and types are settled."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from qcode.record import Record


class Fault(StrEnum):
    """Why a call that was clearly meant as one cannot be run."""

    NONE = ""
    TRUNCATED = "truncated"
    """Its end is missing; what is missing could change its meaning."""
    INVALID = "invalid_arguments"
    """Its arguments have no single reading."""
    UNKNOWN_TOOL = "unknown_tool"
    MISSING_NAME = "missing_name"


class Found(Record):
    """One call as it stands in the text."""

    name: str
    arguments: Any
    """A dict, or a string that is JSON that was not read yet."""
    as_text: bool = False
    """Whether strings are raw text: values to be typed by the schema, or a body without names."""
    id: str = ""
    """What the format itself calls it (Kimi, Mistral); goes back to the model unchanged."""
    fault: Fault = Fault.NONE
    detail: str = ""
    """With a fault: what is wrong, one sentence for the model."""
    notes: tuple[str, ...] = ()
    """What was repaired in reading it."""
    unclosed: bool = False
    """Outer closers were missing at a natural end: fine if nothing required is missing."""


CONTENT = "content"
REASONING = "reasoning"
CLOSED = "closed"
"""Reasoning ends here, whether or not it was seen to begin."""


class Region(Record):
    """A stretch of the text that is calls, or markup that is no text."""

    end: int
    """Offset behind it."""
    calls: tuple[Found, ...] = ()
    is_bare: bool = False
    """Without any markup of its own: counts only where no other call was found."""
    channel: str = ""
    """What the text behind it is: `CONTENT`, `REASONING`, `CLOSED`, or as before."""
    pieces: tuple[tuple[str, str], ...] = ()
    """Channel and text of what stands in the region besides calls."""
    is_text: bool = False
    """No call after all, and what it holds is not looked through: an outer envelope is data."""
