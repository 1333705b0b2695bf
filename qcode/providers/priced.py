"""Saying what an answer cost where the endpoint does not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeAlias, cast

from qcode.messages import Usage
from qcode.providers import Delta, Done, Provider, Request
from qcode.record import replace

Price: TypeAlias = Callable[[Usage], float | None]
"""US dollars for the tokens of a request; None: the price is not known."""


class PricedProvider(Provider):
    """Wraps an adapter; what the endpoint itself says was charged stays as it is."""

    def __init__(self, inner: Provider, price: Price) -> None:
        self._inner = inner
        self._price = price

    @property
    def model(self) -> str:
        return self._inner.model

    async def close(self) -> None:
        await self._inner.close()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        # Every provider's stream is a generator, though the seam asks for less.
        deltas = cast("AsyncGenerator[Delta, None]", self._inner.stream(request))
        async with aclosing(deltas):
            async for delta in deltas:
                if isinstance(delta, Done) and delta.usage.cost_usd is None:
                    delta = self._priced(delta)
                yield delta

    def _priced(self, done: Done) -> Done:
        usage = done.usage
        if not usage.input_tokens and not usage.output_tokens:
            return done  # it counted nothing, so nothing is known
        return replace(done, usage=replace(usage, cost_usd=self._price(usage)))
