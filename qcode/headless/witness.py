"""What of a run its events alone tell: the time with the model, and what was not allowed."""

from __future__ import annotations

import time
from collections.abc import Callable

from qcode import events
from qcode.events import Event
from qcode.messages import ToolCall


class Witness:
    """Takes in events, of any number of turns."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.asking_s = 0.0
        """Spent on asking the model: waiting for it, reading it, trying again."""
        self.denied: list[ToolCall] = []
        """Calls that were not allowed, as the model made them."""
        self._clock = clock
        self._asked_at: float | None = None
        self._calls: dict[str, ToolCall] = {}

    def handle(self, event: Event) -> None:
        """Take in what happened."""
        match event:
            case events.StepStarted():
                self._asked_at = self._clock()
            case events.AnswerFinished(message):
                self._answered()
                self._calls = {call.id: call for call in message.tool_calls}
            case events.Refused(call_id):
                if call_id in self._calls:
                    self.denied.append(self._calls[call_id])
            case events.TurnFinished():
                self._answered()
            case _:
                pass

    def _answered(self) -> None:
        if self._asked_at is not None:
            self.asking_s += self._clock() - self._asked_at
            self._asked_at = None
