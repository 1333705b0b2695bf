"""How many tokens the next request will have, before any server has counted them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from qcode.messages import AssistantMessage, Message, ToolMessage, Usage
from qcode.providers import ToolSpec

CHARACTERS = 3.2
"""Of a token, at least; paths and commands have few."""
_LEAST, _MOST = 2.0, 6.0
_OF_MESSAGE = 8
"""Tokens around each message: its role and where it ends."""


class Meter:
    """Estimates by characters, corrected by what the server counted last."""

    def __init__(self) -> None:
        self._ratio = CHARACTERS
        self._counted: tuple[Message, int, int] | None = None
        """The last message of the last request, how many it had, and the tokens of it all."""
        self._summed: tuple[Message, int, int] | None = None
        """The same with the characters of the messages, so that each is counted once."""

    def saw(self, fixed: int, messages: Sequence[Message], count: int, usage: Usage) -> None:
        """Learn from a request that was answered.

        Args:
            fixed: Characters of it besides the messages.
            messages: The history.
            count: How many of it were sent.
            usage: What the server counted; nothing is learnt where it did not.
        """
        if not usage.input_tokens or not count:
            return
        characters = fixed + self._characters(messages, count)
        around = _OF_MESSAGE * count
        if usage.input_tokens > around:
            ratio = characters / (usage.input_tokens - around)
            self._ratio = min(_MOST, max(_LEAST, ratio))
        self._counted = messages[count - 1], count, usage.input_tokens

    def _characters(self, messages: Sequence[Message], count: int) -> int:
        start = total = 0
        if self._summed is not None:
            last, known, characters = self._summed
            if count >= known and messages[known - 1] is last:
                start, total = known, characters
        total += sum(size(messages[at]) for at in range(start, count))
        self._summed = messages[count - 1], count, total
        return total

    def tokens(self, fixed: int, messages: Sequence[Message]) -> int:
        """Return how many tokens a request with these messages will have."""
        if self._counted is not None:
            last, count, tokens = self._counted
            if len(messages) >= count and messages[count - 1] is last:
                return tokens + self.of(messages[count:])
        return int(fixed / self._ratio) + self.of(messages)

    def of(self, messages: Sequence[Message]) -> int:
        """Return how many tokens some messages have."""
        characters = sum(map(size, messages))
        return int(characters / self._ratio) + _OF_MESSAGE * len(messages)

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        return int(len(text) / self._ratio) + 1

    def characters(self, tokens: int) -> int:
        """Return how many characters so many tokens are."""
        return int(tokens * self._ratio)


def fixed(system: str, specs: Sequence[ToolSpec]) -> int:
    """Return how many characters a request has besides its messages."""
    return len(system) + sum(
        len(spec.name) + len(spec.description) + len(json.dumps(spec.parameters)) for spec in specs
    )


def size(message: Message) -> int:
    """Return how many characters of a message the model reads."""
    match message:
        case AssistantMessage():
            calls = sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
            return len(message.text) + calls
        case ToolMessage():
            return len(message.text)
        case _:
            return len(message.told)
