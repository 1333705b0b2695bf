"""Asking the model to sum up what is about to be put aside.

The question goes behind the conversation as it is, so that the server need not read that
anew. An answer that is of no use, for whatever reason, is no summary: the ledger is enough.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from qcode import events
from qcode.calls.decoder import Decoder
from qcode.errors import QcodeError
from qcode.escapes import with_tags_seen
from qcode.events import Emit
from qcode.messages import Message, Usage, UserMessage
from qcode.network import purpose
from qcode.prompts import load
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
from qcode.record import Record

if TYPE_CHECKING:
    from qcode.agent import Agent
    from qcode.compaction.compactor import Compactor

_TOKENS_OF_WORD = 2
"""So many words are asked for that a model that counts badly keeps within its tokens."""
_RAMBLES = 8
"""Characters of a token, at most; an answer that is longer is not read to its end."""
_RETRIES = 1


class Summary(Record):
    """What came of asking."""

    text: str = ""
    """Empty: there is none."""
    why: str = ""
    """Why there is none, for a person."""
    usage: Usage = Usage()
    model: str = ""
    """Who wrote it, where that is not the session's model."""
    duration_s: float | None = None


async def sum_up(
    agent: Agent, compactor: Compactor, messages: Sequence[Message], wish: str, tell: Emit
) -> Summary:
    """Return the model's summary of a history, masked; never raises for what can go wrong.

    Args:
        agent: What answers.
        compactor: Knows how much room there is, and how long a summary may be.
        messages: The history; each call has its result.
        wish: What the person wants kept.
        tell: Hears how far the server is.
    """
    asked = _question(compactor.summing.tokens, wish)
    fixed = compactor.fixed(agent.system, agent.specs)
    needed = compactor.tokens(fixed, [*messages, asked]) + compactor.reserve
    if compactor.window is not None and needed > compactor.window:
        return Summary(why="there was no room left to ask for one")
    # All but the question is as in the requests before, `max_tokens` too.
    request = Request(
        agent.system, [*messages, asked], agent.specs, agent.max_output_tokens, agent.temperature
    )
    hearing = _Hearing(agent, compactor, tell)
    started, why = time.perf_counter(), ""
    try:
        with purpose.meant_for("summary"):
            async with asyncio.timeout(compactor.summing.timeout_s):
                await hearing.hear(request)
    except TimeoutError:
        why = f"it took more than {compactor.summing.timeout_s:g} s"
    except QcodeError as error:
        why = " ".join(str(error).split())
    text, why = ("", why) if why else hearing.judge()
    return Summary(
        text and with_tags_seen(agent.masker.mask(text)),
        why,
        hearing.usage,
        hearing.model,
        time.perf_counter() - started,
    )


def told(summary: str, wish: str, most: int) -> str:
    """Return what is kept of a summary and a wish, which has `most` characters at most."""
    wish = wish if len(wish) <= most else f"{wish[:most]}…"
    parts = [load("summary/wished", wish=wish) if wish else "", summary]
    return "\n\n".join(filter(None, parts))


def _question(tokens: int, wish: str) -> UserMessage:
    added = " " + load("summary/wish", wish=wish).strip() if wish else ""
    words = str(max(50, tokens // _TOKENS_OF_WORD))
    return UserMessage(load("summary/question", words=words, wish=added), is_nudge=True)


class _Hearing:
    """One answer, as far as it is of use."""

    def __init__(self, agent: Agent, compactor: Compactor, tell: Emit) -> None:
        self._agent = agent
        self._compactor = compactor
        self._tell = tell
        self._done: Done | None = None
        self._why = ""
        self._begin()

    def _begin(self) -> None:
        self._decoder = Decoder(self._agent.schemas, lambda: "call_of_summary")
        self._length = 0

    @property
    def usage(self) -> Usage:
        """What the server counted; of an answer that was not read to its end, what came."""
        if self._done is not None:
            return self._done.usage
        return Usage(output_tokens=self._length // 4)

    @property
    def model(self) -> str:
        """Who answered, where that is not the session's model."""
        said = self._done.model if self._done is not None else ""
        if self._agent.summariser is not None:
            said = said or self._agent.summariser.model
        return self._agent.substitute(said)

    async def hear(self, request: Request) -> None:
        """Take the stream to its end, or to where it is of no use any more."""
        who = self._agent.summariser or self._agent.provider
        async with aclosing(who.stream(request)) as deltas:  # type: ignore[type-var]
            async for delta in deltas:
                match delta:
                    case TextPart(text):
                        self._length += len(text)
                        self._decoder.feed(delta)
                        if self._length > self._compactor.summing.tokens * _RAMBLES:
                            self._why = _TOO_LONG
                            return
                    case ReasoningPart():
                        self._decoder.feed(delta)
                    case CallPart():
                        self._why = _CALLED
                        return
                    case Retry(attempt):
                        self._begin()
                        if attempt > _RETRIES:
                            self._why = " ".join(delta.reason.split())
                            return
                    case PromptProgress(done, total):
                        self._tell(events.PromptProgress(done, total))
                    case Waiting(silent_s):
                        self._tell(events.Waiting(silent_s))
                    case Done():
                        self._done = delta

    def judge(self) -> tuple[str, str]:
        """Return the summary, or why there is none."""
        if self._why or self._done is None:
            return "", self._why or "the answer broke off"
        _, decoded = self._decoder.finish(self._done.finish_reason)
        text = decoded.text.strip()
        if decoded.calls:
            return "", _CALLED
        if self._done.finish_reason == "length":
            return "", "the answer was cut"
        if not text:
            return "", "the model said nothing"
        if self._compactor.count(text) > self._compactor.summing.tokens:
            return "", _TOO_LONG
        return text, ""


_CALLED = "the model called a tool instead"
_TOO_LONG = "the model wrote too much"
