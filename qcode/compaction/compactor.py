"""When room is made in a history, and what of it stays."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qcode.compaction.meter import Meter, fixed
from qcode.compaction.summing import Summing
from qcode.conversation import is_summary
from qcode.messages import AssistantMessage, Message, ToolMessage, Usage, UserMessage
from qcode.prompts import load
from qcode.providers import ToolSpec
from qcode.record import Record, replace

if TYPE_CHECKING:
    from qcode.compaction.ledger import Touching
    from qcode.compaction.render import Digest

FULL = 0.8
"""The part of the window at which room is made."""
FULL_FOR_SUMMARY = 0.72
"""The same where the model is asked then, which needs room for the question and its answer."""
_TAIL = 0.22
"""The part of it that the last steps may keep."""
_LEDGER = 0.18
_REQUEST, _CONTEXT, _POINTED, _OWN = 0.12, 0.08, 0.06, 0.03
"""The parts for the words of the request, what holds for the session, and what came with it."""
_LEAST_LEDGER = 300
_HARDER = 0.6
"""By how much all that is less, each time that it was not enough."""
_LEAST_WINDOW = 1024
_NUMBER = re.compile(r"(?<![\d.])\d{1,3}(?:[,_]\d{3})+(?![\d.])|(?<![\d.])\d{4,8}(?![\d.])")


class Compaction(Record):
    """What becomes of a history."""

    opening: UserMessage
    kept: int
    """How many of the last messages stay."""
    shortened: Mapping[str, str]
    """Results that stay in part, by the ids of their calls."""
    before: int
    after: int
    """Tokens, estimated."""


class Compactor:
    """Looks after the room in one session's window."""

    def __init__(
        self,
        window: int | None,
        reserve: int,
        *,
        touching: Touching,
        digest: Digest,
        summing: Summing | None = None,
        full: float | None = None,
    ) -> None:
        """Prepare it.

        Args:
            window: The model's, in tokens; None: not known until a server says so.
            reserve: Tokens of it that an answer may need.
            touching: What a call was about.
            digest: Tells a file's content as it is now.
            summing: How a summary is asked for; None: it is not.
            full: The part of the window at which room is made; None: as usual.
        """
        self.summing = summing or Summing(0)
        self.window = window
        self.reserve = reserve
        self._touching = touching
        self._digest = digest
        self._full = full or (FULL_FOR_SUMMARY if self.summing.is_usual else FULL)
        self._meter = Meter()
        self._scale = 1.0
        self._fixed: tuple[str, Sequence[ToolSpec], int] | None = None

    def fixed(self, system: str, specs: Sequence[ToolSpec]) -> int:
        """Return how many characters a request has besides its messages."""
        if self._fixed is None or self._fixed[0] is not system or self._fixed[1] is not specs:
            self._fixed = system, specs, fixed(system, specs)
        return self._fixed[2]

    def saw(self, fixed: int, messages: Sequence[Message], count: int, usage: Usage) -> None:
        """Learn how many tokens a request had: see `Meter.saw`."""
        self._meter.saw(fixed, messages, count, usage)
        self._scale = 1.0

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        return self._meter.count(text)

    def tokens(self, fixed: int, messages: Sequence[Message]) -> int:
        """Return how many tokens the next request will have."""
        return self._meter.tokens(fixed, messages)

    def is_due(self, fixed: int, messages: Sequence[Message]) -> bool:
        """Whether room has to be made before the next request."""
        if self.window is None:
            return False
        most = min(self.window * self._full, self.window - self.reserve)
        return self._meter.tokens(fixed, messages) > most

    def overflowed(self, words: str, fixed: int, messages: Sequence[Message]) -> None:
        """Learn from a server that refused a request as too long, and make more room next."""
        sent = self._meter.tokens(fixed, messages)
        numbers = [int(re.sub(r"[,_]", "", text)) for text in _NUMBER.findall(words)]
        # It names its window and what was sent, in this order or the other.
        told = min((number for number in numbers if number >= _LEAST_WINDOW), default=0)
        known = self.window or sent
        self.window = max(_LEAST_WINDOW, min(known, told or int(sent * 0.9)))
        self._scale *= 1.0 if told and told < known else _HARDER

    def compact(
        self,
        everything: Sequence[Message],
        messages: Sequence[Message],
        fixed: int,
        summary: str = "",
    ) -> Compaction | None:
        """Return how to make room; None where nothing can be put aside.

        Args:
            everything: All that was ever said, what compaction made of it aside.
            messages: The history; not a call of it without its result.
            fixed: Characters of a request besides the messages.
            summary: What the model wrote of it all; stands below the ledger.
        """
        # Most sessions never come to it.
        from qcode.compaction.ledger import ledger_of
        from qcode.compaction.render import render

        window = (self.window or self._meter.tokens(fixed, messages)) * self._scale
        room = max(int(window * _TAIL), 256)
        at = self._cut(messages, room)
        if at is None:
            return None
        request = _request(everything, messages, at)
        kept = messages[at:]
        if kept and kept[0] is request:
            kept = kept[1:]
        shortened = self._shortened(kept, room)
        shown = [request, *kept]
        ledger = ledger_of(everything, self._touching)
        there = {each.text.strip() for each in shown if isinstance(each, UserMessage)}
        ledger = replace(ledger, requests=tuple(t for t in ledger.requests if t not in there))
        budget = max(_LEAST_LEDGER, int(window * _LEDGER))
        told = load("compacted", ledger=render(ledger, budget, self._digest))
        if summary:
            told = f"{told}\n\n{load('summary/told', summary=summary)}"
        opening = self._opening(everything, request, told, window)
        after = [opening, *(_shorter(each, shortened) for each in kept)]
        now = self._meter.tokens(fixed, messages)
        then = now - self._meter.of(messages) + self._meter.of(after)
        return Compaction(opening, len(kept), shortened, now, then) if then < now else None

    def _cut(self, messages: Sequence[Message], room: int) -> int | None:
        """Return where the part begins that stays: never between a call and its result."""
        starts = [at for at, each in enumerate(messages) if _may_begin(each)]
        if not starts:
            return None
        if not any(isinstance(each, ToolMessage) for each in messages[starts[-1] :]):
            starts.append(len(messages))  # an answer may go, its sentences stay in the ledger
        if len(starts) < 2:
            return None
        best = starts[-1]
        for at in reversed(starts[1:]):
            if self._meter.of(messages[at:]) > room:
                break
            best = at
        return best

    def _shortened(self, kept: Sequence[Message], room: int) -> dict[str, str]:
        """Return the results that are too long to stay whole, cut in the middle."""
        over = self._meter.of(kept) - room
        results = [each for each in kept if isinstance(each, ToolMessage)]
        if over <= 0 or not results:
            return {}
        most = max(400, self._meter.characters(room) // len(results))
        return {
            each.call_id: _in_part(each.text, most) for each in results if len(each.text) > most
        }

    def _opening(
        self, everything: Sequence[Message], request: UserMessage, told: str, window: float
    ) -> UserMessage:
        """Return the request that is worked on, behind the ledger and what always holds."""

        def cut(text: str, part: float) -> str:
            return _in_part(text, max(400, self._meter.characters(int(window * part))))

        first = everything[0] if everything else request
        context = first.before if isinstance(first, UserMessage) else ""
        own = request.before if request is not first else ""
        before = filter(None, [cut(context, _CONTEXT), told, cut(own, _OWN)])
        return UserMessage(
            cut(request.text, _REQUEST),
            before="\n\n".join(before),
            after=cut(request.after, _POINTED),
            is_summary=True,
        )


def _may_begin(message: Message) -> bool:
    """Whether a history can begin with a message, behind an opening."""
    if isinstance(message, UserMessage):
        return not message.is_nudge
    return isinstance(message, AssistantMessage)


def _request(everything: Sequence[Message], messages: Sequence[Message], at: int) -> UserMessage:
    """Return the request, in its own words, that the message at a place is or belongs to."""
    live = sum(not is_summary(each) for each in messages[at:])
    until = len(everything) - live + 1
    for message in reversed(everything[:until]):
        if isinstance(message, UserMessage) and not message.is_nudge:
            return message
    return UserMessage("")


def _shorter(message: Message, shortened: Mapping[str, str]) -> Message:
    if isinstance(message, ToolMessage) and (text := shortened.get(message.call_id)) is not None:
        return replace(message, text=text)
    return message


def _in_part(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = most // 3
    tail = max(0, most - head - 60)
    missing = len(text) - head - tail
    return f"{text[:head]}\n[… {missing:,} characters put aside: recall …]\n{text[-tail:]}"
