"""What a journal tells of messages besides their words: when, by which model, for how many tokens.

It is nothing that a model is told, so messages themselves do not have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qcode.messages import AssistantMessage, Message, Usage


@dataclass(slots=True)
class Noted:
    """What is known of one message."""

    at: str = ""
    """UTC, as in `2026-01-02T03:04:05Z`; nothing in journals that are older than this note."""
    model: str = ""
    """Who was asked at that time."""
    usage: Usage | None = None
    """Of the request that it answers."""


class Notes:
    """What is known of messages, by which object they are: two may say the same."""

    def __init__(self) -> None:
        # With the message itself, so that no later one can get its identity.
        self._of: dict[int, tuple[Message, Noted]] = {}

    def add(self, message: Message, at: str, model: str) -> None:
        """Note when a message was written, and who was being asked."""
        self._of[id(message)] = message, Noted(at, model)

    def spent(self, history: Sequence[Message], usage: Usage, model: str = "") -> None:
        """Note the tokens of a request; the answer to it, if any, ends the history.

        `model` is who answered, where that was another than who was being asked.
        """
        if history and isinstance(history[-1], AssistantMessage):
            noted = self.of(history[-1])
            noted.model = model or noted.model
            noted.usage = usage if noted.usage is None else noted.usage + usage

    def of(self, message: Message) -> Noted:
        """Return what is known of a message."""
        return self._of.setdefault(id(message), (message, Noted()))[1]
