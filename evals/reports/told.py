"""What a journal tells of how a trial went: calls, edits, and the lines worth showing."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from qcode.errors import UsageError
from qcode.evals.reports import artefacts
from qcode.journal import loading
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage
from qcode.record import Record
from qcode.tools import all_tools
from qcode.tools.base import Effect
from qcode.ui.printable import one_line

WORDS = 120
"""Columns of what is quoted."""

UNREAD = re.compile(
    r"could not be read and was not run|was cut off and was not run"
    r"|^A call without the name of a tool was not run|^There is no tool `"
)
"""What the model is told of a call that could not be read (`prompts/calls/`)."""


class Told(Record):
    """What is known from the journal; counts are 0 and texts empty where there is none."""

    calls: int = 0
    unread: int = 0
    edits: int = 0
    failed: int = 0
    """Of the edits."""
    last_unread: str = ""
    last_failed: str = ""
    last_call: str = ""
    last_words: str = ""
    error: str = ""
    """The line with which the agent ended, where it did not end well."""


NOTHING = Told()


@cache
def editing_tools() -> frozenset[str]:
    """Return the names of the tools that change files they name."""
    return frozenset(tool.name for tool in all_tools() if tool.effect is Effect.EDIT)


def told(folder: Path | None) -> Told:
    """Return what a trial's artefacts tell; nothing, if there is no journal to be read."""
    if folder is None:
        return NOTHING
    messages: list[Message] = []
    for path in artefacts.journals(folder):
        try:
            messages += loading.load(path).conversation.from_the_start()
        except UsageError:
            continue  # of another version, say: what the trial counted is known all the same
    outputs = artefacts.texts(folder, "output")
    return from_messages(messages, error=_error(outputs[-1][1]) if outputs else "")


def from_messages(messages: Sequence[Message], *, error: str = "") -> Told:
    """Return what the messages of a session tell."""
    calls = unread = edits = failed = 0
    last_unread = last_failed = last_call = last_words = ""
    for message in messages:
        match message:
            case AssistantMessage():
                calls += len(message.tool_calls)
                last_words = message.text.strip() or last_words
                if message.tool_calls:
                    last_call = shown(message.tool_calls[-1])
            case ToolMessage() if message.is_error and UNREAD.search(message.text):
                unread += 1
                last_unread = message.text
            case ToolMessage() if message.name in editing_tools():
                edits += 1
                if message.is_error:
                    failed += 1
                    last_failed = message.text
    return Told(
        calls,
        unread,
        edits,
        failed,
        one_line(last_unread, WORDS),
        one_line(last_failed, WORDS),
        last_call,
        one_line(last_words, WORDS),
        one_line(error, WORDS),
    )


def shown(call: ToolCall, columns: int = WORDS) -> str:
    """Return a call in one line, its arguments in short."""
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        return one_line(f"{call.name} {call.arguments}", columns)
    parts = [f"{name}={one_line(str(value), 60)}" for name, value in arguments.items()]
    return one_line(f"{call.name}({', '.join(parts)})", columns)


def _error(output: str) -> str:
    """Return the error of the closing message of qcode's own stream, if that is what it is."""
    for line in reversed(output.splitlines()[-50:]):
        if not line.startswith('{"type":"result"') and '"type": "result"' not in line:
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and isinstance(error := found.get("error"), str):
            return error
    return ""
