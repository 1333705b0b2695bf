"""Asking once and keeping what matters: the answer, by which way it came, and when."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from qcode.calls.decoder import DecodedCall, Decoder
from qcode.errors import ProviderError, ProviderFault
from qcode.messages import Usage
from qcode.providers import CallPart, Delta, Done, Provider, ReasoningPart, Request, Retry, TextPart
from qcode.record import Record

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

PATIENCE_S = 900.0
"""For one small answer, a slow machine's reading and a model's loading included."""

NO_TIMINGS: Mapping[str, float] = MappingProxyType({})


class Answer(Record):
    """One answer, whole. Times are seconds since the request was sent."""

    text: str
    """As it came, calls and tags in it included; so the reasoning."""
    reasoning: str
    calls: tuple[DecodedCall, ...]
    """Those that a session would take, whichever way they came."""
    finish: str | None
    usage: Usage
    first_s: float
    """When the first piece came."""
    last_s: float
    pieces: int
    reasoning_field: str = ""
    """The wire's name of the field that the reasoning came in, where it was looked at."""
    timings: Mapping[str, float] = NO_TIMINGS
    """llama.cpp's own figures, where it gave them."""


class Gatherer:
    """Makes an `Answer` of deltas as they come."""

    def __init__(self, request: Request) -> None:
        self._sent = time.monotonic()
        self._first: float | None = None
        self._last = self._sent
        self._pieces = 0
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self._numbers = itertools.count(1)
        self._decoder = Decoder(
            {tool.name: tool.parameters for tool in request.tools},
            lambda: f"call_{next(self._numbers)}",
        )

    @property
    def has_begun(self) -> bool:
        """Whether a piece of the answer has come."""
        return self._pieces > 0

    def take(self, delta: Delta) -> None:
        """Take the next delta; those that are no piece of the answer change nothing."""
        match delta:
            case TextPart(text):
                self._texts.append(text)
            case ReasoningPart(text):
                self._reasoning.append(text)
            case CallPart():
                pass
            case _:
                return
        self._decoder.feed(delta)
        self._last = time.monotonic()
        self._first = self._first or self._last
        self._pieces += 1

    def answer(
        self, done: Done, reasoning_field: str = "", timings: Mapping[str, float] | None = None
    ) -> Answer:
        """Return the answer that has come."""
        first = time.monotonic() if self._first is None else self._first
        _, decoded = self._decoder.finish(done.finish_reason)
        return Answer(
            "".join(self._texts),
            "".join(self._reasoning),
            decoded.calls,
            done.finish_reason,
            done.usage,
            first - self._sent,
            max(first, self._last) - self._sent,
            self._pieces,
            reasoning_field,
            timings or NO_TIMINGS,
        )


async def ask(provider: Provider, request: Request) -> Answer:
    """Ask through a provider.

    Raises:
        ProviderError: the request failed.
    """
    gatherer = Gatherer(request)
    done = Done()
    # Every provider's stream is a generator; the protocol asks for less.
    stream = cast("AsyncGenerator[Delta, None]", provider.stream(request))
    try:
        async with asyncio.timeout(PATIENCE_S), aclosing(stream):
            async for delta in stream:
                match delta:
                    case Done():
                        done = delta
                    case Retry():
                        gatherer = Gatherer(request)
                    case _:
                        gatherer.take(delta)
    except TimeoutError:
        missing = "ended" if gatherer.has_begun else "begun"
        raise ProviderError(
            f"`{provider.model}` has not {missing} its answer within {PATIENCE_S / 60:.0f} minutes",
            fault=ProviderFault.STREAM_BROKEN,
            hint="see the server's own log",
        ) from None
    return gatherer.answer(done)
