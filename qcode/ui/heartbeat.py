"""Signs of life for whoever reads a log: CI runners end jobs that are silent for minutes.

CircleCI and Travis CI give ten by default, others five. So where stderr is no terminal there is a
line a minute, whatever goes on: the model is waited for, a tool runs, the verification does.
A timer drives it: what is waited for may bring no event for an hour.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from qcode import events
from qcode.events import Event
from qcode.messages import Usage
from qcode.ui.printable import one_line

EVERY_S = 60.0
"""Of silence."""

WIDTH = 160


class Heartbeat:
    """Knows what is going on, and says so after each minute of silence."""

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`say` prints a line, and has `heard` called for it as for any other."""
        self._say = say
        self._every_s = every_s
        self._clock = clock
        self._sleep = sleep
        self._heard_at = self._since = clock()
        self._step = 0
        self._usage = Usage()
        self._doing = "starting"
        self._running: dict[str, tuple[str, float]] = {}
        """Tools under way, by call: what they do, and since when."""

    def heard(self) -> None:
        """Note that something was printed."""
        self._heard_at = self._clock()

    def doing(self, what: str) -> None:
        """Note what begins that is no event: ``running `make test` ``, say."""
        self._doing, self._since = what, self._clock()

    def handle(self, event: Event) -> None:
        """Take in what happened."""
        match event:
            case events.StepStarted():
                self._step += 1
                self.doing("waiting for the model")
            case events.PromptProgress(done, total) if total:
                self._doing = f"the model reads ({done:,} of {total:,} tokens)"
            case events.ReasoningDelta() | events.TextDelta() | events.CallArguments():
                self._doing = "the model writes"
            case events.AnswerFinished():
                self.doing("working")
            case events.UsageReported(_, session):
                self._usage = session
            case events.ToolStarted(call, summary):
                self._running[call.id] = f"`{call.name} {summary}`", self._clock()
            case events.ToolFinished(result):
                self._running.pop(result.call_id, None)
                self.doing("working")
            case events.TurnFinished():
                self._running.clear()
                self.doing("working")
            case _:
                pass

    def line(self) -> str:
        """Return what goes on, for how long, and what it came to so far."""
        doing, since = self._doing, self._since
        if self._running:  # dictionaries keep their order: the one that takes longest
            what, since = next(iter(self._running.values()))
            doing = f"running {what}"
        step = f"step {self._step}, " if self._step else ""
        now = one_line(f"{step}{doing}", WIDTH)
        return f"qcode: {now} for {self._clock() - since:.0f} s{self._spent()}"

    def _spent(self) -> str:
        tokens = self._usage.input_tokens + self._usage.output_tokens
        if not tokens:
            return ""
        shown = f"{tokens / 1000:.0f}k" if tokens >= 1000 else f"{tokens}"
        cost = self._usage.cost_usd
        return f"; {shown} tokens" + (f", ${cost:.2f}" if cost is not None else "")

    async def beat(self) -> None:
        """Go on until cancelled."""
        while True:
            left = self._heard_at + self._every_s - self._clock()
            if left <= 0:
                self._say(self.line())
                self.heard()
            else:
                await self._sleep(left)
