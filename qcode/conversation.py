"""The history and what was put aside or taken back of it; pure.

The same steps lead to the same history, whether they happen or are read from a journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from qcode.messages import Message, ToolMessage, UserMessage
from qcode.record import replace
from qcode.rewind import before_call


@dataclass(slots=True)
class Conversation:
    """What was said, as far as the model still gets it, and the rest."""

    items: list[Message] = field(default_factory=list)
    """The history."""
    archived: list[Message] = field(default_factory=list)
    """What compaction put aside, in order; all words as they were."""
    summary: str = ""
    """What the model wrote of what was put aside, as far as it is in the history."""
    dropped: list[Message] = field(default_factory=list)
    """What the last rewind dropped, while nothing else was said since."""
    forgotten: list[Message] = field(default_factory=list)
    """What was said before the history began anew: for those who look on, never for the model."""

    def add(self, message: Message) -> None:
        """Add a message at the end."""
        self.items.append(message)
        self.dropped.clear()

    def begin_anew(self) -> None:
        """Forget all."""
        self.forgotten += self.everything()
        self.items.clear()
        self.archived.clear()
        self.dropped.clear()
        self.summary = ""

    def everything(self) -> list[Message]:
        """Return all that was said, without what compaction made of it."""
        live = [each for each in self.items if not is_summary(each)]
        return [*self.archived, *live]

    def from_the_start(self) -> list[Message]:
        """Return that, and what was forgotten before it."""
        return [*self.forgotten, *self.everything()]

    def compact(
        self, opening: UserMessage, kept: int, shortened: Mapping[str, str], summary: str = ""
    ) -> None:
        """Put all aside but the last `kept` messages, which `opening` goes before.

        `shortened` are results that stay only in part, by the ids of their calls; `summary`
        is what of the opening the model wrote.
        """
        self.summary = summary
        at = len(self.items) - kept
        self.archived += [each for each in self.items[:at] if not is_summary(each)]
        self.items[:] = [opening, *(_shorter(each, shortened) for each in self.items[at:])]
        self.dropped.clear()

    def rewind(self, call_id: str) -> Message | None:
        """Go back to before the answer with that call; return the first message dropped.

        Where that was put aside, all that was comes back. None: there is no such call.
        """
        kept = before_call(self.items, call_id)
        if kept is None and self.archived:
            whole = self.everything()
            kept = before_call(whole, call_id)
            if kept is not None:
                self.items[:] = whole
                self.archived.clear()
                self.summary = ""
        if kept is None:
            return None
        first = self.items[kept]
        self.dropped[:0] = self.items[kept:]
        del self.items[kept:]
        return first

    def said(self) -> list[UserMessage]:
        """Return what a person said so far, in order."""
        return [each for each in self.everything() if is_said(each)]

    def rewind_said(self, number: int) -> UserMessage | None:
        """Go back to before a person's message, counted from 1; return it.

        Where that was put aside, all that was comes back. None: there is no such message.
        """
        aside = sum(map(is_said, self.archived))
        if not 1 <= number <= aside + sum(map(is_said, self.items)):
            return None
        if number <= aside:
            self.items[:] = self.everything()
            self.archived.clear()
            aside = 0
        places = [place for place, each in enumerate(self.items) if is_said(each)]
        kept = places[number - aside - 1]
        first = self.items[kept]
        assert is_said(first)
        self.dropped[:0] = self.items[kept:]
        del self.items[kept:]
        return first

    def has(self, call_id: str) -> bool:
        """Whether there is a call of that id to go back to."""
        return any(before_call(part, call_id) is not None for part in (self.items, self.archived))

    def restore(self) -> None:
        """Take back what the last rewind dropped."""
        self.items += self.dropped
        self.dropped.clear()


def is_summary(message: Message) -> bool:
    """Whether qcode made a message of others."""
    return isinstance(message, UserMessage) and message.is_summary


def is_said(message: Message) -> TypeGuard[UserMessage]:
    """Whether a person said it."""
    return isinstance(message, UserMessage) and not message.is_nudge and not message.is_summary


def _shorter(message: Message, shortened: Mapping[str, str]) -> Message:
    if isinstance(message, ToolMessage) and (text := shortened.get(message.call_id)) is not None:
        return replace(message, text=text)
    return message
