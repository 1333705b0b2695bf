"""Events to the terminal's scrollback: each thing printed once, one line redrawn."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from qcode import events
from qcode.events import Event, TurnEnd
from qcode.messages import Message, ToolCall, Usage
from qcode.ui import cards
from qcode.ui.cards import Reasoning
from qcode.ui.outputs import Outputs
from qcode.ui.printable import Printing, fit, one_line, printable
from qcode.ui.recap import recap
from qcode.ui.runs import Line, paint
from qcode.ui.theme import NONE, Depth, Theme

if TYPE_CHECKING:
    from qcode.ui.flow import Flow
    from qcode.ui.links import Linker

Colour: TypeAlias = Literal["", "dim", "red", "green", "cyan"]

DIFF_LINES = 60
PREVIEW_LINES = 200
PREVIEW_COLUMNS = 4000
"""More than of a diff: a person is about to allow what they see."""
OUTPUT_LINES = 20
"""Of one command, while it runs."""
SAID_LINES = 40
"""Of what the person said."""
LINE_COLUMNS = 400
"""Longer lines are cut; they are data or minified code."""

_ROLES = {"dim": "dim", "red": "error", "green": "ok", "cyan": "accent", "": ""}
_REDRAW_S = 0.1


@dataclass(frozen=True, slots=True)
class Look:
    """What the terminal can show."""

    colour: bool = True
    live: bool = True
    """Whether a line can be taken back; False for dumb terminals."""


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


class Live(Protocol):
    """Shows below what is printed what is not finished yet."""

    def activity(self, text: str, /) -> None:
        """Say what is going on; nothing: no longer."""
        ...

    def show_tail(self, tail: Callable[[int], Sequence[str]] | None, /) -> None:
        """Show the last lines of what is being written, so many as are asked for; None: no more."""
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
        theme: Theme | None = None,
        reveal: str = "",
        live: Live | None = None,
        linker: Linker | None = None,
    ) -> None:
        """Print to a stream; `reveal` tells how folded reasoning is shown ("Ctrl-O shows").

        `live` shows what goes on and what is not finished yet; by default the last line does.
        `linker` makes links of the names of files; by default there are none.
        """
        self._linker = linker
        self._about = ""
        """The file that what is being printed is about."""
        self._stream: Stream = stream
        self._live = live
        chosen = theme or Theme("dark", Depth.SIXTEEN)
        self._theme = chosen if look.colour else NONE if chosen.colour else chosen
        self._reveal = reveal
        self._look = look
        self._clock = clock
        self._columns = columns
        self._at_start = True
        self._is_apart = True
        """Whether what comes next stands apart from what is before it."""
        self._flow: Literal["", "text", "reasoning"] = ""
        """What is being written."""
        self._printing = Printing()
        """Of the flow, where it is shown as it is written."""
        self._answer: Flow | None = None
        self._thinking = Reasoning()
        self._thinking_since = 0.0
        self._thought = Reasoning()
        self._folded: Literal["", "output", "thought"] = ""
        self._status = ""
        self._redrawn_at = 0.0
        self._turn_began = 0.0
        self._repaired = 0
        self._answer_shown = False
        self._written = 0
        """Characters of this step's answer."""
        self._arguments = 0
        self._calls: dict[str, tuple[ToolCall, str]] = {}
        self._last_call = ""
        self._previewed: set[str] = set()
        self._steps: dict[str, int] = {}
        """Call to the number by which what it changed can be taken back."""
        self._outputs = Outputs(OUTPUT_LINES, LINE_COLUMNS)

    @property
    def theme(self) -> Theme:
        """How things look."""
        return self._theme

    @theme.setter
    def theme(self, theme: Theme) -> None:
        self.end_line()
        self._theme = theme if self._look.colour else NONE if theme.colour else theme
        self._answer = None  # the next answer begins with the new one

    def handle(self, event: Event) -> None:
        """Show one event."""
        match event:
            case events.TurnStarted():
                self._turn_began = self._clock()
            case events.Heard(text):
                self.said(text)
            case events.StepStarted():
                self._answer_shown = False
                self._written = 0
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
            case events.SteppedUp(model, why):
                self.say(f"stuck ({why}): {model} takes this step", "dim")
            case events.Described(name, model):
                self.say(f"{model} puts the picture {name} into words", "dim")
            case events.LeftAlone(model, why):
                self.say(f"{model} is not asked: {why}", "dim")
            case events.Compacted(before, after, note):
                more = f", {note}" if note else ""
                self.say(f"history compacted: {before:,} to {after:,} tokens{more}", "dim")
            case events.ToolStarted(call, summary):
                self._tool_started(call, summary)
            case events.CallChanged(call, summary):
                self._calls[call.id] = call, summary
            case events.ToolOutput(call_id, text):
                self._tool_output(call_id, text)
            case events.ToolFinished():
                self._tool_finished(event)
            case events.ErrorRaised(message):
                self.say(f"{self._theme.mark('error')} {' '.join(message.split())}", "red")
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
            if flow == "text" and self._theme.colour:
                self._gap()
            self._redrawn_at = 0.0  # it is told at once that something else goes on
        self._answer_shown = True
        if self._live is not None:
            self._written += len(text)
            tokens = f", about {self._written // 4:,} tokens" if self._written >= 400 else ""
            verb = "thinks" if flow == "reasoning" else "writes"
            self._live.activity(f"the model {verb}{tokens} …")
        if not self._theme.colour:
            self._put(self._printing.feed(text))
        elif flow == "text":
            answer = self._answer = self._answer or self._new_answer()
            answer.resize(self._room())
            self._put(answer.feed(text))
            if self._live is not None:
                self._live.show_tail(answer.tail)
            elif self._is_due():
                self._draw("".join(answer.tail(1)))
        else:
            self._think(text)

    def _new_answer(self) -> Flow:
        # It takes a while to load: not before there is an answer.
        from qcode.ui.flow import Flow

        return Flow(self._theme, self._room())

    def _think(self, text: str) -> None:
        if not self._thinking.words:
            self._thinking_since = self._clock()
        self._thinking.add(self._printing.feed(text))
        told = f"{self._theme.mark('thought')} {self._thinking.end(self._room() - 4)}"
        if self._live is not None:
            self._live.activity(told)
        elif self._is_due():
            self._draw(self._paint(told, "dim"))

    def _end_flow(self) -> None:
        flow, self._flow = self._flow, ""
        if self._live is not None:
            self._live.show_tail(None)
        if not self._theme.colour:
            self._put(self._printing.flush())
        elif flow == "text":
            assert self._answer is not None
            self._put(self._answer.flush())
            self._gap()
        elif flow:
            self._thinking.add(self._printing.flush())
            self._thought, self._thinking = self._thinking, Reasoning()
            self._folded = "thought"
            took = self._clock() - self._thinking_since
            self._print(
                cards.thought(self._thought, took, self._theme, self._room(), pointer=self._reveal)
            )

    def unfold(self) -> None:
        """Print what was folded last: a command's output, or what the model thought."""
        if self._folded == "output":
            for line in self._outputs.folded:
                self.say(f"{self._bar()}{line}", "dim")
        elif thought := self.last_reasoning:
            self.say(thought, "dim")
        else:
            self.say("nothing is folded", "dim")

    @property
    def last_reasoning(self) -> str:
        """What the model thought last, printable; the end of it where it was very long.

        Empty where it was shown as it came.
        """
        return (self._thinking if self._thinking.words else self._thought).text

    def _retrying(self, event: events.Retrying) -> None:
        wait = f" in {event.wait_s:.1f} s" if event.wait_s >= 0.05 else ""
        void = "; what was shown of this answer is void" if self._answer_shown else ""
        self._answer_shown = False
        self.say(
            f"{self._theme.mark('again')} {' '.join(event.reason.split())}; trying again{wait} "
            f"({event.attempt} of {event.of}){void}"
        )

    def _tool_started(self, call: ToolCall, summary: str) -> None:
        self._calls[call.id] = call, summary
        self._last_call = call.id
        self.end_line()
        self._about = cards.file_of(call)
        self._print(cards.started(call, summary, self._theme, self._room()))
        self._about = ""
        self.status(f"{call.name} …")

    def _tool_output(self, call_id: str, text: str) -> None:
        self._say_output(self._outputs.feed(call_id, text))
        if hidden := self._outputs.hidden(call_id):
            self.status(f"… {hidden:,} more lines")
        elif redrawn := self._outputs.redrawn(call_id, text):
            self.status(redrawn)

    def _say_output(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.say(f"{self._bar()}{fit(line, LINE_COLUMNS)}", "dim")

    def _bar(self) -> str:
        """Return what stands before a line that a command printed."""
        return "  " if self._theme.spoken else "  │ "

    def _tool_finished(self, event: events.ToolFinished) -> None:
        result = event.result
        lines, hidden = self._outputs.finish(result.call_id)
        self._say_output(lines)
        if hidden:
            self.say(f"{self._bar()}{cards.more(hidden, self._reveal)}", "dim")
            self._folded = "output"
        call, about = self._calls.pop(result.call_id, (None, ""))
        # Calls run side by side: the line says whose end it is.
        apart = call is None or self._last_call != result.call_id
        step = self._steps.pop(result.call_id, 0)
        self.end_line()
        plan: list[Line] = []
        if call and call.name == "todo_write" and not result.is_error:
            plan = cards.todos(call.arguments, self._theme, self._room())
        if not plan or apart:  # the plan says what the line would
            whose = about if apart else None
            self._print(cards.finished(event, self._theme, self._room(), step=step, whose=whose))
        for line in plan:
            self._print(line)
        if result.call_id not in self._previewed:
            self._about = cards.file_of(call) if call else ""
            self._diff(event.diff, lines=DIFF_LINES, columns=LINE_COLUMNS)
            self._about = ""
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
        if self._live is not None:
            self._live.activity("")

    # -- what others show, too

    def preview(self, call_id: str, diff: str, *, is_exact: bool = False) -> None:
        """Show what a call will do before a person is asked; its diff is not shown again.

        One that `is_exact` is shown to its last line.
        """
        self._previewed.add(call_id)
        if is_exact:
            self._print_diff(diff, lines=None, whole=True, loose=False)
            return
        if self._theme.colour:
            # What is broken over lines is all there, unlike what a terminal is left to break.
            whole = "\n".join(fit(line, PREVIEW_COLUMNS) for line in printable(diff).split("\n"))
            self._print_diff(whole, lines=PREVIEW_LINES, whole=True, loose=True)
        else:
            self._diff(diff, lines=PREVIEW_LINES, columns=PREVIEW_COLUMNS)

    def forget_preview(self, call_id: str) -> None:
        """Have what a call did be shown after all: it is other than what was shown before."""
        self._previewed.discard(call_id)

    def _diff(self, diff: str, *, lines: int, columns: int) -> None:
        if self._theme.colour:
            self._print_diff(diff, lines=lines, whole=False, loose=False)
            return
        every = printable(diff).rstrip("\n").split("\n") if diff else []
        for line in every[:lines]:
            self.say(f"  {fit(line, columns)}")
        if len(every) > lines:
            self.say(f"  {cards.more(len(every) - lines)}")

    def _print_diff(self, diff: str, *, lines: int | None, whole: bool, loose: bool) -> None:
        from qcode.ui.diffs import diff_lines

        self.end_line()
        room = self._room() - 2
        for line in diff_lines(diff, self._theme, room, lines=lines, whole=whole, loose=loose):
            self._put(f"  {line}\n")

    def recap(self, messages: Sequence[Message]) -> None:
        """Show the end of a reopened session."""
        self.end_line()
        self._put(recap(messages, self._theme, self._room()))

    # -- lines

    def mute(self) -> None:
        """Show nothing any more: the terminal is gone, and writing to it fails."""
        self._stream = io.StringIO()

    def said(self, text: str) -> None:
        """Print what the person said."""
        lines = printable(text.strip()).split("\n")
        self.end_line()
        if self._theme.colour:
            self._gap()
        for number, line in enumerate(lines[:SAID_LINES]):
            self.say(f"{'  ' if number else '> '}{line}", "cyan")
        if len(lines) > SAID_LINES:
            self.say(f"  … {len(lines) - SAID_LINES:,} more lines", "dim")

    def say(self, text: str, colour: Colour = "") -> None:
        """Print finished lines."""
        self.end_line()
        self._put(f"{printable(text)}\n", colour)

    def end_line(self) -> None:
        """Take the redrawn line away and end the line being written, if any."""
        if self._flow:
            self._end_flow()
        self._clear_status()
        if not self._at_start:
            self._put("\n")

    def status(self, text: str) -> None:
        """Redraw the line that says what is going on; not in the middle of written text."""
        if self._live is not None:
            self._live.activity(one_line(text, self._room()))
        elif self._is_due():
            self._draw(self._paint(one_line(text, self._room()), "dim"))

    def _is_due(self) -> bool:
        """Return whether the redrawn line may be drawn now."""
        if not self._look.live or not self._at_start:
            return False
        return not self._status or self._clock() - self._redrawn_at >= _REDRAW_S

    def _draw(self, safe: str) -> None:
        if not safe and not self._status:
            return
        self._redrawn_at = self._clock()
        self._status = safe
        self._stream.write(f"\r\x1b[K{safe}")
        self._stream.flush()

    def idle(self) -> None:
        """Say that nothing is going on any more."""
        self._clear_status()
        if self._live is not None:
            self._live.activity("")

    def _clear_status(self) -> None:
        if self._status:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._status = ""

    def _room(self) -> int:
        """Return the columns to write in; some terminals wrap as soon as the last is filled."""
        return self._columns() - 1

    def _gap(self) -> None:
        if not self._is_apart:
            self._put("\n")

    def _print(self, line: Line) -> None:
        self._put(f"{paint(line, self._theme)}\n")

    def _put(self, safe: str, colour: Colour = "") -> None:
        if not safe:
            return
        self._clear_status()
        painted = self._paint(safe, colour)
        if self._linker is not None and self._at_start and safe.endswith("\n"):
            painted = self._linker.linked(painted, self._about)
        self._stream.write(painted)
        self._stream.flush()
        self._at_start = safe.endswith("\n")
        self._is_apart = safe == "\n" or safe.endswith("\n\n")

    def _paint(self, safe: str, colour: Colour) -> str:
        # A newline inside the colour would paint the rest of the line on some terminals.
        return self._theme.paint(safe, _ROLES[colour])
