"""Searching what compaction put aside: SQLite's full-text index, in memory."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence

from qcode.messages import AssistantMessage, Message, ToolMessage, UserMessage
from qcode.record import Record

_PART = 1200
"""Characters of a text that are found as one."""
_WORD = re.compile(r"\w+")
_AROUND = 48
"""Words of a part that are shown."""


class Hit(Record):
    """A part of a message that has the words."""

    number: int
    """Of the message, from 1."""
    what: str
    """Who said it: `user`, `assistant`, or the tool with its arguments."""
    text: str


class Archive:
    """An index of messages; what comes to them is added, what is taken from them is not found."""

    def __init__(self) -> None:
        self._database: sqlite3.Connection | None = None
        self._indexed: list[Message] = []

    def search(self, messages: Sequence[Message], query: str, most: int) -> list[Hit]:
        """Return the parts that fit best, the best first; none if the query has no word."""
        words = _WORD.findall(query)
        if not words:
            return []
        database = self._fresh(messages)
        wanted = " OR ".join(f'"{word}"' for word in dict.fromkeys(words))
        rows = database.execute(
            f"SELECT number, what, snippet(parts, 2, '', '', '…', {_AROUND}) FROM parts"  # noqa: S608
            " WHERE parts MATCH ? ORDER BY bm25(parts, 0, 0.5, 1.0), number DESC LIMIT ?",
            (wanted, most),
        )
        return [Hit(int(number), str(what), str(text)) for number, what, text in rows]

    def _fresh(self, messages: Sequence[Message]) -> sqlite3.Connection:
        known = len(self._indexed)
        is_prefix = known <= len(messages) and all(
            before is now for before, now in zip(self._indexed, messages, strict=False)
        )
        if self._database is None or not is_prefix:
            self._indexed, known = [], 0
            # Asked for from a thread of its own each time, one after the other.
            self._database = sqlite3.connect(":memory:", check_same_thread=False)
            self._database.execute(
                "CREATE VIRTUAL TABLE parts USING fts5(number UNINDEXED, what, text,"
                " tokenize = \"unicode61 tokenchars '_'\")"
            )
        calls = {
            call.id: f"{call.name} {_arguments(call.arguments)}"
            for message in messages
            if isinstance(message, AssistantMessage)
            for call in message.tool_calls
        }
        for at in range(known, len(messages)):
            rows = [(at + 1, what, part) for what, part in _parts(messages[at], calls)]
            self._database.executemany("INSERT INTO parts VALUES (?, ?, ?)", rows)
        self._indexed = list(messages)
        return self._database


def _parts(message: Message, calls: dict[str, str]) -> Iterator[tuple[str, str]]:
    match message:
        case UserMessage():
            if not message.is_nudge:
                yield from _cut("user", message.told)
        case AssistantMessage():
            yield from _cut("assistant", message.text)
            for call in message.tool_calls:
                yield from _cut("assistant", f"{call.name} {call.arguments}")
        case ToolMessage():
            yield from _cut(calls.get(message.call_id, message.name), message.text)


def _cut(what: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield a text in parts, cut at the ends of lines."""
    rest = text.strip()
    while rest:
        end = len(rest)
        if end > _PART:
            end = rest.rfind("\n", _PART // 2, _PART) + 1 or _PART
        yield what, rest[:end]
        rest = rest[end:]


def _arguments(text: str) -> str:
    """Return a call's arguments in a few words."""
    try:
        values = json.loads(text).values()
    except (ValueError, AttributeError):
        values = [text]
    words = " ".join(" ".join(str(value).split()) for value in values)
    return words if len(words) <= 80 else f"{words[:79]}…"
