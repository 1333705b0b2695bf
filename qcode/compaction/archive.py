"""Searching what compaction put aside: SQLite's full-text index in memory, if it has one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from qcode.compaction.searching import AROUND, WORD, Hit, search
from qcode.messages import AssistantMessage, Message, ToolMessage, UserMessage

if TYPE_CHECKING:
    import sqlite3

_PART = 1200
"""Characters of a text that are found as one."""


class Archive:
    """An index of messages; what comes to them is added, what is taken from them is not found."""

    def __init__(self, module: str = "fts5") -> None:
        """`module` is SQLite's; not every build has it, and then the parts are looked through."""
        self._module = module
        self._database: sqlite3.Connection | None = None
        self._parts: list[Hit] = []
        """All parts, where there is no index."""
        self._has_index = True
        self._indexed: list[Message] = []

    def search(self, messages: Sequence[Message], query: str, most: int) -> list[Hit]:
        """Return the parts that fit best, the best first; none if the query has no word."""
        words = WORD.findall(query)
        if not words:
            return []
        self._refresh(messages)
        database = self._database
        if database is None:
            return search(self._parts, query, most)
        wanted = " OR ".join(f'"{word}"' for word in dict.fromkeys(words))
        rows = database.execute(
            f"SELECT number, what, snippet(parts, 2, '', '', '…', {AROUND}) FROM parts"  # noqa: S608
            " WHERE parts MATCH ? ORDER BY bm25(parts, 0, 0.5, 1.0), number DESC LIMIT ?",
            (wanted, most),
        )
        return [Hit(int(number), str(what), str(text)) for number, what, text in rows]

    def _refresh(self, messages: Sequence[Message]) -> None:
        """Index what came to the messages; all anew where they are others."""
        known = len(self._indexed)
        is_prefix = known <= len(messages) and all(
            before is now for before, now in zip(self._indexed, messages, strict=False)
        )
        if not known or not is_prefix:
            known = 0
            self._parts = []
            self._database = self._opened() if self._has_index else None
        calls = {
            call.id: f"{call.name} {_arguments(call.arguments)}"
            for message in messages
            if isinstance(message, AssistantMessage)
            for call in message.tool_calls
        }
        for at in range(known, len(messages)):
            rows = [(at + 1, what, part) for what, part in _parts(messages[at], calls)]
            if self._database is None:
                self._parts += [Hit(*row) for row in rows]
            else:
                self._database.executemany("INSERT INTO parts VALUES (?, ?, ?)", rows)
        self._indexed = list(messages)

    def _opened(self) -> sqlite3.Connection | None:
        """Return an empty index; None if none can be had here."""
        try:
            import sqlite3

            # Asked for from a thread of its own each time, one after the other.
            database = sqlite3.connect(":memory:", check_same_thread=False)
        except ImportError:
            self._has_index = False
            return None
        try:
            database.execute(
                f"CREATE VIRTUAL TABLE parts USING {self._module}(number UNINDEXED, what, text,"
                " tokenize = \"unicode61 tokenchars '_'\")"
            )
        except sqlite3.OperationalError:  # no such module
            database.close()
            self._has_index = False
            return None
        return database


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
