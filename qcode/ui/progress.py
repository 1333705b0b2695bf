"""A headless run's progress on stderr: live on a terminal, signs of life elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TextIO

from qcode import events
from qcode.escapes import last_state
from qcode.events import Event
from qcode.ui.heartbeat import EVERY_S, Heartbeat
from qcode.ui.printable import one_line, printable


class Progress:
    """Prints one line for what was done, and redraws one for what is going on."""

    def __init__(self, stream: TextIO, *, live: bool, every_s: float = EVERY_S) -> None:
        """`every_s`: of silence, between signs of life where there is no terminal."""
        self._stream = stream
        self._live = live
        self._drawn = False
        self._written = 0
        self._redrawn_at = 0.0
        self._heartbeat = Heartbeat(self.say, every_s=every_s)

    def handle(self, event: Event) -> None:
        """Take one event. Retries are told anywhere, the rest on a terminal."""
        self._heartbeat.handle(event)
        if isinstance(event, events.Retrying):
            wait = f" in {event.wait_s:.1f} s" if event.wait_s >= 0.05 else ""
            self.say(f"qcode: {event.reason}; trying again{wait} ({event.attempt} of {event.of})")
            return
        if isinstance(event, events.Nudged):
            self.say(f"qcode: {event.reason}")
            return
        if isinstance(event, events.SteppedUp):
            self.say(f"qcode: stuck ({event.why}): {event.model} takes this step")
            return
        if isinstance(event, events.Described):
            self.say(f"qcode: {event.model} puts the picture {event.name} into words")
            return
        if isinstance(event, events.LeftAlone):
            self.say(f"qcode: {event.model} is not asked: {event.why}")
            return
        if isinstance(event, events.ProtocolSwitched):
            self.say(f"qcode: tool calls could not be read; trying the {event.protocol} protocol")
            return
        if not self._live:
            return
        match event:
            case events.StepStarted():
                self._written = 0
                self._draw("asking the model …")
            case events.PromptProgress(done, total) if total:
                self._draw(f"the model reads: {done:,} of {total:,} tokens")
            case events.Waiting(silent_s):
                self._draw(f"waiting for the model, {silent_s:.0f} s …")
            case (
                events.TextDelta(text) | events.ReasoningDelta(text) | events.CallArguments(_, text)
            ):
                self._written += len(text)
                self._draw(f"the model writes: {self._written:,} characters")
            case events.ToolStarted(call, summary):
                self._draw(f"{call.name} {summary} …")
            case events.ToolOutput(_, text) if "\r" in text.replace("\r\n", "\n"):
                # A line that is drawn anew, as progress bars are.
                self._draw(last_state(text.rstrip("\n")))
            case events.ToolFinished(result, summary, diff, duration_s):
                mark = "✗" if result.is_error else "✓"
                took = f" ({duration_s:.1f} s)" if duration_s >= 1 else ""
                self.say(f"{mark} {result.name} {summary}{took}")
                if diff:
                    self.say(diff.rstrip("\n"))
            case events.AnswerFinished(message) if message.text and message.tool_calls:
                self.say(message.text.strip())
            case events.TurnFinished():
                self.clear()
            case _:
                pass

    def doing(self, what: str) -> None:
        """Show, or tell with the next sign of life, what begins that is no event."""
        self._heartbeat.doing(what)
        self._draw(f"{what} …")

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Give signs of life meanwhile, where there is no terminal."""
        beat = None if self._live else asyncio.ensure_future(self._heartbeat.beat())
        try:
            yield
        finally:
            if beat is not None:
                beat.cancel()
                await asyncio.gather(beat, return_exceptions=True)

    def say(self, text: str) -> None:
        """Print a finished line (or several)."""
        self.clear()
        self._heartbeat.heard()
        print(printable(text), file=self._stream, flush=True)

    def clear(self) -> None:
        """Take the live line away."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False

    def _draw(self, text: str) -> None:
        if not self._live:
            return
        now = time.monotonic()
        if self._drawn and now - self._redrawn_at < 0.1:
            return
        self._redrawn_at = now
        import shutil

        width = shutil.get_terminal_size().columns
        self._stream.write("\r\x1b[K" + one_line(text, width - 1))
        self._stream.flush()
        self._drawn = True
