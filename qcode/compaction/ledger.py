"""What a session is about and has come to, gathered from its messages; pure.

Nothing is summed up by a model: requests stand word for word, the rest is what calls and
their results say. So it costs no request, and says nothing that did not happen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable

from qcode.compaction.failing import failed_tests, runs_tests
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from qcode.record import Record

_EXIT = re.compile(r"\[(?:exit|ended by|timed out|still running)[^\]\n]*\]?")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_DECIDES = re.compile(
    r"\b(?:decid|decision|instead|because|root cause|cause is|turns out|must|never|always|"
    r"we(?:'ll| will)|I(?:'ll| will) (?:use|keep|go)|chose|choose|plan:|note:|important)",
    re.IGNORECASE,
)
_LONGEST = 300
"""Characters of one sentence that is kept."""
_SENTENCES = 3
"""Of one answer."""


class Touched(Record):
    """What a call was about, as its tool says."""

    paths: tuple[str, ...] = ()
    is_change: bool = False
    command: str = ""


Touching = Callable[[ToolCall], Touched]


class FileNote(Record):
    """A file that was read or changed."""

    path: str
    times_changed: int
    times_read: int


class CommandNote(Record):
    """A command, and how it ended the last time."""

    command: str
    outcome: str
    times: int


class Said(Record):
    """A sentence of an answer."""

    text: str
    is_decision: bool


class Ledger(Record):
    """What is known of a session; the oldest first everywhere."""

    requests: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()
    """Each with its state."""
    files: tuple[FileNote, ...] = ()
    commands: tuple[CommandNote, ...] = ()
    failing: tuple[str, ...] = ()
    """Tests that failed when they were run last."""
    said: tuple[Said, ...] = ()


def ledger_of(messages: Iterable[Message], touching: Touching) -> Ledger:
    """Return what all these messages say; those that qcode made of others are passed over."""
    fold = _Fold(touching)
    for message in messages:
        fold.add(message)
    return fold.ledger()


class _Fold:
    def __init__(self, touching: Touching) -> None:
        self._touching = touching
        self._calls: dict[str, tuple[ToolCall, Touched]] = {}
        self._requests: list[str] = []
        self._plan: tuple[str, ...] = ()
        self._files: dict[str, FileNote] = {}
        self._commands: dict[str, CommandNote] = {}
        self._failing: dict[str, tuple[str, ...]] = {}
        self._said: dict[str, Said] = {}

    def add(self, message: Message) -> None:
        match message:
            case UserMessage():
                if not message.is_nudge and not message.is_summary and message.text.strip():
                    self._requests.append(message.text.strip())
            case AssistantMessage():
                self._say(message.text)
                for call in message.tool_calls:
                    self._calls[call.id] = call, self._touching(call)
            case ToolMessage():
                if known := self._calls.pop(message.call_id, None):
                    self._done(*known, message)

    def ledger(self) -> Ledger:
        failing = dict.fromkeys(name for names in self._failing.values() for name in names)
        return Ledger(
            tuple(self._requests),
            self._plan,
            tuple(self._files.values()),
            tuple(self._commands.values()),
            tuple(failing),
            tuple(self._said.values()),
        )

    def _say(self, text: str) -> None:
        sentences = [each.strip() for each in _SENTENCE.split(text) if len(each.strip()) > 3]
        decisions = [each for each in sentences if _DECIDES.search(each)]
        for each in (decisions or sentences)[:_SENTENCES]:
            words = each if len(each) <= _LONGEST else f"{each[:_LONGEST]}…"
            self._said.pop(words, None)  # said again, it is news again
            self._said[words] = Said(words, bool(decisions))

    def _done(self, call: ToolCall, touched: Touched, result: ToolMessage) -> None:
        if call.name == "todo_write" and not result.is_error:
            self._plan = _plan(call.arguments) or self._plan
        if touched.command:
            self._ran(touched.command, result)
        elif not result.is_error:
            for path in touched.paths:
                before = self._files.pop(path, FileNote(path, 0, 0))
                self._files[path] = FileNote(
                    path,
                    before.times_changed + touched.is_change,
                    before.times_read + (not touched.is_change),
                )

    def _ran(self, command: str, result: ToolMessage) -> None:
        before = self._commands.pop(command, None)
        outcome = _outcome(result)
        times = before.times + 1 if before else 1
        self._commands[command] = CommandNote(command, outcome, times)
        failed = failed_tests(result.text)
        if failed:
            self._failing.pop(command, None)
            self._failing[command] = failed
        elif runs_tests(command) and not result.is_error:
            # All of it passes now, and so does what ran a part of the same.
            for other in [each for each in self._failing if each.startswith(command)]:
                del self._failing[other]
            self._failing = {
                other: kept
                for other, names in self._failing.items()
                if (kept := tuple(name for name in names if name not in command))
            }


def _outcome(result: ToolMessage) -> str:
    marks = _EXIT.findall(result.text[-400:])
    if marks:
        ended = marks[-1].strip("[]")
    else:
        ended = "failed" if result.is_error else "ok"
    lines = [line.strip() for line in result.text.splitlines() if line.strip()]
    told = [line for line in lines if not _EXIT.fullmatch(line)]
    last = told[-1] if told else ""
    return f"{ended}; {last[:120]}" if last else ended


def _plan(arguments: str) -> tuple[str, ...]:
    try:
        todos = json.loads(arguments)["todos"]
        return tuple(f"[{todo['status']}] {todo['content']}" for todo in todos)
    except (ValueError, KeyError, TypeError):
        return ()
