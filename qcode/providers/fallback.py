"""Another model where the first one is overloaded or cannot be reached."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, cast

from qcode.errors import ProviderError, ProviderFault
from qcode.providers import Delta, Done, Provider, Request, Retry
from qcode.providers.lazy import LazyProvider
from qcode.record import replace

PASSES = frozenset(
    {
        ProviderFault.OVERLOADED,
        ProviderFault.RATE_LIMITED,
        ProviderFault.UNREACHABLE,
        ProviderFault.STREAM_BROKEN,
    }
)
"""What another endpoint need not suffer from; all else is of the request or the key."""
BACK_AFTER_S = 300.0
"""So long the next one is stayed with: its server has the conversation in its cache by then."""


class FallbackProvider(Provider):
    """Asks the first of several; the next ones in order while those before do not answer.

    Which one answered is said by `Done.model`. `Retry` voids what came of a model that broke off.
    """

    def __init__(
        self,
        first: Provider,
        others: Sequence[LazyProvider],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chain: tuple[Provider, ...] = (first, *others)
        self._clock = clock
        self._at = 0
        self._since = 0.0

    @property
    def model(self) -> str:
        return self._chain[0].model

    @property
    def answering(self) -> str:
        """The model that the next request goes to."""
        return self._chain[self._at].model

    def __getattr__(self, name: str) -> Any:
        # What a provider has besides (a choice of protocol) is the present one's.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._chain[self._at], name)

    async def close(self) -> None:
        for provider in self._chain:
            await provider.close()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        if self._at and self._clock() - self._since > BACK_AFTER_S:
            self._at = 0
        tried = 0
        while True:
            provider = self._chain[self._at]
            try:
                # Every provider's stream is a generator, though the seam asks for less.
                deltas = cast("AsyncGenerator[Delta, None]", provider.stream(request))
                async with aclosing(deltas):
                    async for delta in deltas:
                        if isinstance(delta, Done) and self._at:
                            delta = replace(delta, model=provider.model)
                        yield delta
                return
            except ProviderError as error:
                tried += 1
                if error.fault not in PASSES or tried >= len(self._chain):
                    raise
                failed = provider.model
                self._at = (self._at + 1) % len(self._chain)
                self._since = self._clock()
                reason = f"{error.message}; {self._chain[self._at].model} instead of {failed}"
            yield Retry(tried, len(self._chain) - 1, 0.0, reason)
