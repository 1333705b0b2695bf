"""One request to the model: its stream to events and pieces of the record, to a whole answer."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterable
from contextlib import aclosing

from qcode import events
from qcode.agent import Agent, Record
from qcode.calls.decoder import Decoded, Decoder, ReasoningShown, Shown, TextShown
from qcode.calls.native import CallBegun, CallGrew
from qcode.errors import ProviderError, ProviderFault, QcodeError
from qcode.events import Emit
from qcode.messages import AssistantMessage
from qcode.providers import (
    CallPart,
    Done,
    PromptProgress,
    ReasoningPart,
    Request,
    Retry,
    TextPart,
    Waiting,
)
from qcode.record import Record as Frozen
from qcode.stammer import Stammer

MOST_CHARS = 128 << 20
"""Of one answer. No model writes so much; a broken server may."""


class Answer(Frozen):
    """What came, and what it is made of."""

    message: AssistantMessage
    decoded: Decoded
    done: Done
    failure: ProviderError | None = None
    """Why nothing came, if nothing at all did."""
    duration_s: float = 0.0
    """From sending the request to the end of the answer."""
    stammers: bool = False
    """Whether it was ended here, since it said the same again and again."""


async def ask(agent: Agent, record: Record, request: Request, emit: Emit) -> Answer:
    """Send a request; return the answer, which is in the record by then unless it is empty.

    Raises:
        ProviderError: the provider failed for good.
        asyncio.CancelledError: the turn is interrupted; what was shown is kept.
    """
    asking = _Asking(agent, record, emit)
    try:
        done = await asking.hear(request)
    except asyncio.CancelledError:
        # Calls are dropped: they may be cut, and none of them was run.
        asking.keep_partial()
        raise
    except ProviderError as error:
        record.void()
        if error.fault is not ProviderFault.EMPTY:
            raise
        # Nothing at all, however often it was asked: other words may do what repeating did not.
        asking.begin()
        return asking.end(Done("stop"), error)
    except QcodeError:
        record.void()
        raise
    return asking.end(done)


class _Asking:
    def __init__(self, agent: Agent, record: Record, emit: Emit) -> None:
        self._agent = agent
        self._record = record
        self._emit = emit
        self._started = time.perf_counter()
        self.begin()

    def begin(self) -> None:
        """Forget what came so far."""
        self._text, self._reasoning = io.StringIO(), io.StringIO()
        self._length = 0
        self._stammer = Stammer()
        self._stammers = False
        self._decoder = Decoder(
            self._agent.schemas,
            self._agent.new_call_id,
            taken=self._agent.call_ids,
            owner=self._agent.owner if self._agent.in_answer else None,
        )

    async def hear(self, request: Request) -> Done:
        """Take the stream to its end."""
        done = Done()
        async with aclosing(self._agent.provider.stream(request)) as deltas:  # type: ignore[type-var]
            async for delta in deltas:
                match delta:
                    case TextPart() | ReasoningPart() | CallPart():
                        self._count(delta)
                        self._show(self._decoder.feed(delta))
                        if self._stammered(delta):
                            # A local server stops where the stream is closed, and not for minutes
                            # otherwise.
                            self._stammers = True
                            return Done("length")
                    case PromptProgress(read, total):
                        self._emit(events.PromptProgress(read, total))
                    case Waiting(silent_s):
                        self._emit(events.Waiting(silent_s))
                    case Retry(attempt, of, wait_s, reason):
                        self.begin()
                        self._record.void()
                        self._emit(events.Retrying(attempt, of, wait_s, reason))
                    case Done():
                        done = delta
        return done

    def _stammered(self, delta: TextPart | ReasoningPart | CallPart) -> bool:
        # Of a larger model even that may be what was asked for.
        if not (self._agent.in_answer and isinstance(delta, TextPart)):
            return False
        return self._stammer.hears(delta.text)

    def end(self, done: Done, failure: ProviderError | None = None) -> Answer:
        """Settle what the answer is."""
        rest, decoded = self._decoder.finish(done.finish_reason)
        self._show(rest)
        calls = tuple(each.call for each in decoded.calls)
        message = AssistantMessage(decoded.text, decoded.reasoning, calls, done.native)
        if decoded.fault == "empty":
            # APIs refuse an answer without content, so it does not go into the history.
            self._record.void()
        else:
            self._record.append(message)
        self._agent.call_ids.update(call.id for call in calls)
        who = done.model or self._agent.provider.model
        self._emit(events.AnswerFinished(message, done.finish_reason, done.usage, who))
        took = time.perf_counter() - self._started
        return Answer(message, decoded, done, failure, took, self._stammers)

    def keep_partial(self) -> None:
        """Keep what was shown of an answer that is interrupted."""
        text, reasoning = self._text.getvalue(), self._reasoning.getvalue()
        if text or reasoning:
            self._record.append(AssistantMessage(text, reasoning, interrupted=True))

    def _count(self, delta: TextPart | ReasoningPart | CallPart) -> None:
        text = delta.arguments if isinstance(delta, CallPart) else delta.text
        self._length += len(text or "")
        if self._length > MOST_CHARS:
            raise ProviderError(
                f"the answer does not end: {self._length >> 20} million characters came",
                fault=ProviderFault.STREAM_BROKEN,
            )

    def _show(self, shown: Iterable[Shown]) -> None:
        for each in shown:
            match each:
                case TextShown(text):
                    self._text.write(text)
                    self._record.piece(text=text)
                    self._emit(events.TextDelta(text))
                case ReasoningShown(text):
                    self._reasoning.write(text)
                    self._record.piece(reasoning=text)
                    self._emit(events.ReasoningDelta(text))
                case CallBegun(index, name):
                    self._emit(events.CallStarted(index, name))
                case CallGrew(index, text):
                    self._emit(events.CallArguments(index, text))
