"""Events to the terminal's scrollback: each thing printed once, one line redrawn."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from qcode import events
from qcode.escapes import Plain, last_state
from qcode.events import Event, TurnEnd
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, Usage, UserMessage
from qcode.ui.printable import Printing, fit, one_line, printable

Colour: TypeAlias = Literal["", "dim", "red", "green", "cyan"]

DIFF_LINES = 60
PREVIEW_LINES = 200
PREVIEW_COLUMNS = 4000
"""More than of a diff: a person is about to allow what they see."""
OUTPUT_LINES = 20
"""Of one command, while it runs."""
RECAP_MESSAGES = 6
RECAP_LINES = 40
"""Of one message when a session is reopened."""
LINE_COLUMNS = 400
"""Longer lines are cut; they are data or minified code."""

_CODES = {"dim": "2", "red": "31", "green": "32", "cyan": "36"}
_REDRAW_S = 0.1


@dataclass(frozen=True, slots=True)
class Look:
    """What the terminal can show."""

    colour: bool = True
    live: bool = True
    """Whether a line can be taken back; False for dumb terminals."""


@dataclass(slots=True)
class _Output:
    """What a running command printed: lines shown, lines kept back, an unfinished one."""

    shown: int = 0
    hidden: int = 0
    rest: str = ""
    plain: Plain = field(default_factory=lambda: Plain(lambda text: text))


def usage_line(usage: Usage, seconds: float | None = None) -> str:
    """Return tokens, cost if known and time in one line."""
    cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
    parts = [f"{usage.input_tokens:,} tokens in{cached}", f"{usage.output_tokens:,} out"]
    if usage.cost_usd is not None:
        parts.append(f"${usage.cost_usd:.4f}")
    if seconds is not None:
        parts.append(f"{seconds:.1f} s")
    return " · ".join(parts)


class Stream(Protocol):
    """Where finished text goes."""

    def write(self, text: str, /) -> object:
        """Take text."""
        ...

    def flush(self) -> object:
        """Show what was taken."""
        ...


class Terminal:
    """Prints events as they come. All foreign text is made printable here."""

    def __init__(
        self,
        stream: Stream,
        look: Look,
        *,
        clock: Callable[[], float] = time.monotonic,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
        activity: Callable[[str], None] | None = None,
    ) -> None:
        """Print to `stream`; `activity` says elsewhere what is going on, by default a line here."""
        self._activity = activity
        self._stream: Stream = stream
        self._look = look
        self._clock = clock
        self._columns = columns
        self._at_start = True
        self._flow: Literal["", "text", "reasoning"] = ""
        self._printing = Printing()
        """Of the flow."""
        self._status = ""
        self._redrawn_at = 0.0
        self._turn_began = 0.0
        self._repaired = 0
        self._answer_shown = False
        self._arguments = 0
        self._calls: dict[str, str] = {}
        self._last_call = ""
        self._previewed: set[str] = set()
        self._steps: dict[str, int] = {}
        """Call to the number by which what it changed can be taken back."""
        self._outputs: dict[str, _Output] = {}

    def handle(self, event: Event) -> None:
        """Show one event."""
        match event:
            case events.TurnStarted():
                self._turn_began = self._clock()
            case events.Heard(text):
                self.said(text)
            case events.StepStarted():
                self._answer_shown = False
                self.status("asking the model …")
            case events.PromptProgress(done, total):
                self.status(f"the model reads: {done:,} of {total:,} tokens")
            case events.Waiting(silent_s):
                self.status(f"waiting for the model, {silent_s:.0f} s …")
            case events.Retrying():
                self._retrying(event)
            case events.ReasoningDelta(text):
                self._stream_text("reasoning", text)
            case events.TextDelta(text):
                self._stream_text("text", text)
            case events.CallStarted(_, name):
                self._arguments = 0
                self.end_line()
                self.status(f"the model writes a call of {name} …")
            case events.CallArguments(_, text):
                self._arguments += len(text)
                self.status(f"the model writes a call: {self._arguments:,} characters")
            case events.AnswerFinished() | events.ApprovalNeeded():
                self.end_line()
            case events.CheckpointMade(call_id, step):
                self._steps[call_id] = step
            case events.UsageReported():
                pass
            case events.CallRepaired(_, notes):
                self._repaired += 1
                self.say(f"read as meant: {'; '.join(notes)}", "dim")
            case events.Nudged(_, reason):
                self.say(reason, "dim")
            case events.ProtocolSwitched(protocol):
                self.say(f"tool calls could not be read; trying the {protocol} protocol", "dim")
            case events.Compacted(before, after, note):
                more = f", {note}" if note else ""
                self.say(f"history compacted: {before:,} to {after:,} tokens{more}", "dim")
            case events.ToolStarted(call, summary):
                self._tool_started(call, summary)
            case events.ToolOutput(call_id, text):
                self._tool_output(call_id, text)
            case events.ToolFinished():
                self._tool_finished(event)
            case events.ErrorRaised(message):
                self.say(f"✗ {' '.join(message.split())}", "red")
            case events.TurnFinished():
                self._turn_finished(event)

    # -- parts of a turn

    def _stream_text(self, flow: Literal["text", "reasoning"], text: str) -> None:
        if flow != self._flow:
            text = text.lstrip()  # models begin answers with empty lines
            if not text:
                return
            self.end_line()
            self._flow = flow
        self._answer_shown = True
        if self._activity is not None:
            self._activity("the model thinks …" if flow == "reasoning" else "the model writes …")
        self._put(self._printing.feed(text), "dim" if flow == "reasoning" else "")

    def _retrying(self, event: events.Retrying) -> None:
        wait = f" in {event.wait_s:.1f} s" if event.wait_s >= 0.05 else ""
        void = "; what was shown of this answer is void" if self._answer_shown else ""
        self._answer_shown = False
        self.say(
            f"↻ {' '.join(event.reason.split())}; trying again{wait} "
            f"({event.attempt} of {event.of}){void}"
        )

    def _tool_started(self, call: ToolCall, summary: str) -> None:
        self._calls[call.id] = summary
        self._last_call = call.id
        self.say(self._cut(f"● {call.name} {summary}"), "cyan")
        self.status(f"{call.name} …")

    def _tool_output(self, call_id: str, text: str) -> None:
        output = self._outputs.setdefault(call_id, _Output())
        *lines, rest = (output.rest + output.plain.feed(text)).split("\n")
        for line in lines:
            self._output_line(output, last_state(line))
        shown = last_state(rest)
        # A program that never ends its line must not fill the memory.
        output.rest = shown[: LINE_COLUMNS + 1] + "\r" * rest.endswith("\r")
        if output.hidden:
            self.status(f"… {output.hidden:,} more lines")
        elif shown and "\r" in text.replace("\r\n", "\n"):
            self.status(shown)  # a line that is drawn anew, as progress bars are

    def _output_line(self, output: _Output, line: str) -> None:
        if output.shown < OUTPUT_LINES:
            output.shown += 1
            self.say(f"  │ {fit(line, LINE_COLUMNS)}", "dim")
        else:
            output.hidden += 1

    def _tool_finished(self, event: events.ToolFinished) -> None:
        result = event.result
        output = self._outputs.pop(result.call_id, _Output())
        if rest := last_state(output.rest + output.plain.flush()):
            self._output_line(output, rest)
        if output.hidden:
            self.say(f"  │ … {output.hidden:,} more lines", "dim")
        summary = event.summary or result.text.strip().split("\n", 1)[0]
        started = self._calls.pop(result.call_id, None)
        if started is None or self._last_call != result.call_id:
            # Calls run side by side: the line says whose end it is.
            summary = f"{result.name} {started or ''}: {summary}"
        took = f" ({event.duration_s:.1f} s)" if event.duration_s >= 1 else ""
        if step := self._steps.pop(result.call_id, 0):
            took += f" · step {step}"
        if result.is_error:
            self.say(self._cut(f"  ✗ {summary}{took}"), "red")
        else:
            self.say(self._cut(f"  ✓ {summary}{took}"), "green")
        if result.call_id not in self._previewed:
            self._diff(event.diff, lines=DIFF_LINES, columns=LINE_COLUMNS)
        self._previewed.discard(result.call_id)

    def _turn_finished(self, event: events.TurnFinished) -> None:
        self.end_line()
        self._calls.clear()
        self._outputs.clear()
        if event.end is TurnEnd.INTERRUPTED:
            self.say("interrupted")
        line = usage_line(event.usage, self._clock() - self._turn_began)
        if self._repaired:
            line += f" · {self._repaired} call{'s' * (self._repaired > 1)} repaired"
            self._repaired = 0
        self.say(line, "dim")
        if self._activity is not None:
            self._activity("")

    # -- what others show, too

    def preview(self, call_id: str, diff: str) -> None:
        """Show what a call will do before a person is asked; its diff is not shown again."""
        self._previewed.add(call_id)
        self._diff(diff, lines=PREVIEW_LINES, columns=PREVIEW_COLUMNS)

    def _diff(self, diff: str, *, lines: int, columns: int) -> None:
        every = printable(diff).rstrip("\n").split("\n") if diff else []
        for line in every[:lines]:
            self.say(f"  {fit(line, columns)}", _diff_colour(line))
        if len(every) > lines:
            self.say(f"  … {len(every) - lines:,} more lines", "dim")

    def recap(self, messages: Sequence[Message]) -> None:
        """Show the end of a reopened session."""
        last = messages[-RECAP_MESSAGES:]
        if len(last) < len(messages):
            self.say(f"… {len(messages) - len(last):,} earlier messages", "dim")
        for message in last:
            match message:
                case UserMessage(text, is_nudge):
                    who = "qcode:" if is_nudge else ">"
                    self._recap_text(f"{who} {text.strip()}", "dim" if is_nudge else "cyan")
                case AssistantMessage():
                    self._recap_text(message.text.strip(), "")
                    if message.interrupted:
                        self.say("interrupted")
                    for call in message.tool_calls:
                        self.say(self._cut(f"● {call.name} {call.arguments}"), "cyan")
                case ToolMessage():
                    mark = "✗" if message.is_error else "✓"
                    first = message.text.strip().split("\n", 1)[0]
                    self.say(self._cut(f"  {mark} {first}"), "dim")

    def _recap_text(self, text: str, colour: Colour) -> None:
        lines = printable(text).split("\n") if text else []
        for line in lines[:RECAP_LINES]:
            self.say(line, colour)
        if len(lines) > RECAP_LINES:
            self.say(f"… {len(lines) - RECAP_LINES:,} more lines", "dim")

    # -- lines

    def mute(self) -> None:
        """Show nothing any more: the terminal is gone, and writing to it fails."""
        self._stream = io.StringIO()

    def said(self, text: str) -> None:
        """Print what the person said."""
        lines = printable(text.strip()).split("\n")
        for number, line in enumerate(lines[:RECAP_LINES]):
            self.say(f"{'  ' if number else '> '}{line}", "cyan")
        if len(lines) > RECAP_LINES:
            self.say(f"  … {len(lines) - RECAP_LINES:,} more lines", "dim")

    def say(self, text: str, colour: Colour = "") -> None:
        """Print finished lines."""
        self.end_line()
        self._put(f"{printable(text)}\n", colour)

    def end_line(self) -> None:
        """Take the redrawn line away and end the line being written, if any."""
        if self._flow:
            self._put(self._printing.flush(), "dim" if self._flow == "reasoning" else "")
            self._flow = ""
        self._clear_status()
        if not self._at_start:
            self._put("\n")

    def status(self, text: str) -> None:
        """Redraw the line that says what is going on; not in the middle of written text."""
        if self._activity is not None:
            self._activity(one_line(text, self._columns()))
            return
        if not self._look.live or not self._at_start:
            return
        now = self._clock()
        if self._status and now - self._redrawn_at < _REDRAW_S:
            return
        self._redrawn_at = now
        # The last column stays free: some terminals wrap as soon as it is filled.
        self._status = one_line(text, self._columns() - 1)
        self._stream.write(f"\r\x1b[K{self._paint(self._status, 'dim')}")
        self._stream.flush()

    def idle(self) -> None:
        """Say that nothing is going on any more."""
        self._clear_status()
        if self._activity is not None:
            self._activity("")

    def _clear_status(self) -> None:
        if self._status:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._status = ""

    def _cut(self, text: str) -> str:
        indent = len(text) - len(text.lstrip())
        return " " * indent + one_line(text, self._columns() - 1 - indent)

    def _put(self, safe: str, colour: Colour = "") -> None:
        if not safe:
            return
        self._clear_status()
        self._stream.write(self._paint(safe, colour))
        self._stream.flush()
        self._at_start = safe.endswith("\n")

    def _paint(self, safe: str, colour: Colour) -> str:
        if not colour or not self._look.colour:
            return safe
        # A newline inside the colour would paint the rest of the line on some terminals.
        body = safe.rstrip("\n")
        return f"\x1b[{_CODES[colour]}m{body}\x1b[0m{safe[len(body) :]}" if body else safe


def _diff_colour(line: str) -> Colour:
    if line.startswith(("+++", "---")):
        return "dim"
    if line.startswith("@@"):
        return "cyan"
    return "green" if line.startswith("+") else "red" if line.startswith("-") else ""
