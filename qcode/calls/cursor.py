"""A place in text that may still grow, and the questions a format asks there.

The contract of every format rests on this: an answer that is given while more
text may follow is the answer for every continuation. What cannot be answered
yet raises `Undecided`, and the format is asked again when there is more.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any


class Ending(Enum):
    """What follows the text there is."""

    OPEN = "open"
    """Perhaps more."""
    NATURAL = "natural"
    """Nothing: the model stopped."""
    CUT = "cut"
    """Nothing: the model was stopped, or the stream broke off."""


class Undecided(Exception):
    """What comes next in the stream decides."""


_SPACE = re.compile(r"\s*")


class Cursor:
    """Reads from `at` on; `reach` is how far anything was looked at."""

    __slots__ = (
        "after_calls", "at", "ending", "line_start", "memo", "message_start", "reach", "text",
    )  # fmt: skip

    def __init__(
        self,
        text: str,
        at: int,
        ending: Ending,
        *,
        line_start: bool = False,
        message_start: bool = False,
        after_calls: bool = False,
        memo: dict[tuple[str, int], Any] | None = None,
    ) -> None:
        self.text = text
        self.at = at
        self.ending = ending
        self.line_start = line_start
        """Whether only blanks stand between the start of a line and `at`, as it was given."""
        self.message_start = message_start
        """Whether nothing but blanks stands before it."""
        self.after_calls = after_calls
        """Whether nothing but blanks stands between a call and it."""
        self.reach = at
        self.memo: dict[tuple[str, int], Any] = {} if memo is None else memo
        """What long scans know of the text so far, by kind and place.

        It is kept while a region is undecided, so that they go on where they stopped.
        """

    @property
    def is_open(self) -> bool:
        """Whether more text may follow."""
        return self.ending is Ending.OPEN

    def await_more(self) -> None:
        """Say that all there is was looked at and does not decide.

        Raises:
            Undecided: more text may follow.
        """
        self.reach = len(self.text)
        if self.is_open:
            raise Undecided

    def space(self) -> None:
        """Skip blanks."""
        self.skip(_SPACE)

    def skip(self, blank: re.Pattern[str]) -> None:
        """Skip what a pattern takes that always matches, if only nothing.

        Raises:
            Undecided: a backslash at the end may begin a line break in writing.
        """
        match = blank.match(self.text, self.at)
        self.at = match.end() if match else self.at
        if blank is not _SPACE and self.is_open and self.text[self.at :] == "\\":
            self.await_more()

    def ended(self) -> bool:
        """Whether nothing is left.

        Raises:
            Undecided: nothing is left so far.
        """
        if self.at < len(self.text):
            return False
        self.await_more()
        return True

    def sees(self, *literals: str) -> str:
        """Return the literal that stands here, or nothing.

        Raises:
            Undecided: the text ends within one.
        """
        text, at = self.text, self.at
        for literal in literals:
            if text.startswith(literal, at):
                return literal
        left = len(text) - at
        if self.is_open and any(
            left < len(literal) and text.startswith(literal[:left], at) for literal in literals
        ):
            self.await_more()
        return ""

    def take(self, *literals: str) -> str:
        """Like `sees`, and go on behind it."""
        found = self.sees(*literals)
        self.at += len(found)
        self.reach = max(self.reach, self.at)
        return found

    def cut_in(self, *literals: str) -> bool:
        """Whether the text ends here, within one of the literals."""
        rest = self.text[self.at :]
        return bool(rest) and any(
            len(rest) < len(each) and each.startswith(rest) for each in literals
        )

    def match(self, pattern: re.Pattern[str], longest: int) -> re.Match[str] | None:
        """Match a pattern here whose matches, and what decides them, take up to `longest`.

        Raises:
            Undecided: there is less text than that, and it may decide.
        """
        match = pattern.match(self.text, self.at)
        whole = len(self.text) - self.at >= longest
        if self.is_open and not whole and (match is None or match.end() == len(self.text)):
            self.await_more()
        if match is not None:
            self.at = match.end()
            self.reach = max(self.reach, self.at)
        return match

    def line(self, stop: str, longest: int = 256) -> str | None:
        """Take what stands before `stop` on this line, and `stop`; None if it is not there.

        Raises:
            Undecided: neither `stop` nor the line's end has come.
        """
        text, limit = self.text, self.at + longest
        found = text.find(stop, self.at, limit)
        newline = text.find("\n", self.at, found if found >= 0 else limit)
        if newline >= 0:
            return None
        if found < 0:
            if len(text) < limit:
                self.await_more()
            return None
        taken = text[self.at : found]
        self.at = found + len(stop)
        self.reach = max(self.reach, self.at)
        return taken
