"""Noticing that a model goes in circles: the same call, the same result, nothing changed.

A call that is made again after a file changed is a check, and one whose result
moves on is a poll: neither is a repetition.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

from qcode.messages import ToolCall
from qcode.prompts import load
from qcode.tools.base import Result

NOTED = 2
"""From this many identical calls with identical results on, the result says so."""
PRESSED = 3
"""From here on the next request has more chance in its choice, and the model is told to turn."""
ALLOWED = 4
"""At this many the turn is ended: the model is not going to find out of it."""

VAIN_ALLOWED = 20
"""So many calls in a row that failed or came to nothing new end the turn, too."""
MOVES_ALLOWED = 10
"""So often files may change between identical calls with identical results.

A command that writes a log changes something each time, and gets nowhere all the same.
"""

RUT = 2
"""After this many calls in vain in a row, too, the model is asked with more chance."""
RUT_TEMPERATURE = 0.8
"""Enough for another way to be tried, little enough to stay well-formed."""

_PASSING = re.compile(
    r"\b\d+(?:\.\d+)?\s?(?:ms|s|secs?|seconds?|µs|min)\b|\b\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\b"
    r"|\b0x[0-9a-f]{6,}\b|\bpid \d+\b",
    re.IGNORECASE,
)
"""What differs from run to run and tells nothing: durations, times of day, addresses."""

_Key = tuple[str, str, str]


@dataclass(slots=True)
class Repeats:
    """Counts calls that are made again and come to the same, in a row or in a cycle."""

    state: Callable[[], Awaitable[Hashable]] | None = None
    """The workspace's, where it can be told."""
    count: int = 0
    """How often the last call came to its result."""
    failed: int = 0
    """Calls in a row that came to nothing new."""
    _seen: dict[_Key, int] = field(default_factory=dict)
    """How often each call came to each result since a file was last changed."""
    _states: dict[_Key, Hashable] = field(default_factory=dict)
    """The workspace's state when a call was first seen to repeat."""
    _moves: dict[_Key, int] = field(default_factory=dict)
    _edits: dict[tuple[str, str], int] = field(default_factory=dict)
    """How often each very change was made in this turn: back and forth is a circle as well."""
    _step: set[_Key] = field(default_factory=set)
    """Seen in this step already: the model has not read a result between them."""

    def begin_step(self) -> None:
        """The model has read all results so far."""
        self._step.clear()

    async def see(self, call: ToolCall, result: Result) -> int:
        """Take a call and what it came to; return how often it came to that."""
        if result.diff:
            edit = (call.name, _canonical(call.arguments))
            self._edits[edit] = self._edits.get(edit, 0) + 1
            if self._edits[edit] >= NOTED:
                self.count = self._edits[edit]
                self.failed += 1
                return self.count
            self._seen.clear()
            self._states.clear()
        essence = _PASSING.sub("#", result.essence or result.text)
        key = (call.name, _canonical(call.arguments), essence)
        if key in self._step:
            return self.count
        self._step.add(key)
        count = self._seen.get(key, 0) + 1
        if count >= NOTED and await self._moved(key):
            count = 1
        self.count = self._seen[key] = count
        in_vain = result.is_error or count > 1
        self.failed = self.failed + 1 if in_vain else 0
        return count

    async def _moved(self, key: _Key) -> bool:
        """Whether files changed by other means than edits since the call last repeated itself."""
        if self.state is None:
            return False
        now = await self.state()
        before = self._states.get(key, now)
        self._states[key] = now
        self._moves[key] = self._moves.get(key, 0) + (now != before)
        return now != before and self._moves[key] <= MOVES_ALLOWED

    @property
    def is_stuck(self) -> bool:
        """Whether the next request should leave more to chance."""
        return self.failed >= RUT or self.count >= PRESSED

    @property
    def is_over(self) -> bool:
        """Whether the turn should end."""
        return self.count >= ALLOWED or self.failed >= VAIN_ALLOWED

    @property
    def problem(self) -> str:
        """What the model did, for a person."""
        if self.count >= ALLOWED:
            return f"the model made the same call {self.count} times with the same result"
        return f"the model made {self.failed} calls in a row that failed or came to nothing new"


def reminder(count: int) -> str:
    """Return what is added to the result of a call that came to the same before, if anything."""
    if count < NOTED:
        return ""
    name = "calls/repeat_another_way" if count >= PRESSED else "calls/repeat_reminder"
    return load(name, count=str(count))


def _canonical(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments
