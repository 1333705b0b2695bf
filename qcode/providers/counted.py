"""Saying what an answer took where the endpoint does not: its cost, and all of one that was cut."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeAlias, cast

from qcode.compaction.meter import Meter, fixed
from qcode.messages import Usage
from qcode.providers import (
    CallPart,
    Cut,
    Delta,
    Done,
    PromptProgress,
    Provider,
    ReasoningPart,
    Request,
    TextPart,
)
from qcode.record import replace

Price: TypeAlias = Callable[[Usage], float | None]
"""US dollars for the tokens of a request; None: the price is not known."""

_LONGEST = 6
"""Characters of a token, at most; a piece of an answer has one token at least."""


class CountedProvider(Provider):
    """Wraps an adapter; what the endpoint itself says was used and charged stays as it is."""

    def __init__(self, inner: Provider, price: Price | None = None) -> None:
        self._inner = inner
        self._price = price
        self._last: tuple[Request, int, Usage] | None = None
        """The last request that was counted, how many messages it had, and what was counted."""

    @property
    def model(self) -> str:
        return self._inner.model

    async def close(self) -> None:
        await self._inner.close()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        # Every provider's stream is a generator, though the seam asks for less.
        deltas = cast("AsyncGenerator[Delta, None]", self._inner.stream(request))
        started = time.perf_counter()
        so_far = _SoFar()
        is_done = False
        try:
            async with aclosing(deltas):
                async for delta in deltas:
                    if isinstance(delta, Done):
                        is_done = True
                        delta = self._counted(delta, request)
                    else:
                        so_far.take(delta)
                    yield delta
        finally:
            if not is_done and request.cut is not None and so_far.is_any:
                took = time.perf_counter() - started
                request.cut(Cut(self._priced(self._estimate(so_far, request)), took, self.model))

    def _counted(self, done: Done, request: Request) -> Done:
        usage = done.usage
        self._last = request, len(request.messages), usage
        return done if usage.cost_usd is not None else replace(done, usage=self._priced(usage))

    def _priced(self, usage: Usage) -> Usage:
        if self._price is None or not (usage.input_tokens or usage.output_tokens):
            return usage  # it counted nothing, so nothing is known
        return replace(usage, cost_usd=self._price(usage))

    def _estimate(self, so_far: _SoFar, request: Request) -> Usage:
        """Return what a request took that was cut.

        That is what the server told on the way, or else by what the last one took for its
        characters.
        """
        prompt = so_far.total if so_far.pieces else so_far.read
        if not prompt:
            meter = Meter()
            if self._last is not None and len(self._last[0].messages) >= self._last[1]:
                last, count, counted = self._last
                meter.saw(_fixed(last), last.messages, count, counted)
            prompt = meter.tokens(_fixed(request), request.messages)
        return Usage(prompt, max(so_far.pieces, so_far.characters // _LONGEST))


class _SoFar:
    """What came of an answer."""

    def __init__(self) -> None:
        self.read = self.total = 0
        """Tokens of the prompt, as the server told."""
        self.pieces = self.characters = 0

    @property
    def is_any(self) -> bool:
        return bool(self.read or self.pieces)

    def take(self, delta: Delta) -> None:
        match delta:
            case PromptProgress(read, total):
                self.read, self.total = read, total
            case TextPart() | ReasoningPart():
                self._add(delta.text)
            case CallPart():
                self._add(delta.arguments or delta.name or "")
            case _:
                pass

    def _add(self, text: str) -> None:
        self.pieces += bool(text)
        self.characters += len(text)


def _fixed(request: Request) -> int:
    return fixed(request.system, request.tools)
