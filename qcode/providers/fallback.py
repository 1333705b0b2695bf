"""Another model where the first one is overloaded or cannot be reached."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, cast

from qcode.errors import ProviderError, ProviderFault, QcodeError
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
OF_THE_REQUEST = frozenset({ProviderFault.CONTEXT_TOO_LONG, ProviderFault.EMPTY})
"""What the loop asks about otherwise, whoever answered."""
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
        begun, failed = self._at, list[tuple[int, QcodeError]]()
        for tried in range(1, len(self._chain) + 1):
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
            except QcodeError as error:
                if not _passes(error, is_first=not self._at):
                    raise
                failed.append((self._at, error))
                self._at = (begun + tried) % len(self._chain)
                self._since = self._clock()
                reason = f"{error.message}; {self._chain[self._at].model} instead"
            if tried < len(self._chain):
                yield Retry(tried, len(self._chain) - 1, 0.0, reason)
        self._at = 0  # whose fault it was that the others were asked
        raise self._in_vain(failed)

    def _in_vain(self, failed: Sequence[tuple[int, QcodeError]]) -> ProviderError:
        """Return why nobody answers: the first one's error, with what is wrong with the others."""
        first = next(error for at, error in failed if not at)
        others = "; ".join(f"{self._chain[at].model}: {error}" for at, error in failed if at)
        fault = first.fault if isinstance(first, ProviderError) else ProviderFault.UNREACHABLE
        return ProviderError(first.message, fault=fault, hint=f"nor do the fallbacks: {others}")


def _passes(error: QcodeError, *, is_first: bool) -> bool:
    """Whether another model may answer where this one did not.

    What is wrong with a fallback (no key, an unknown model) was not found before it was asked:
    it leaves the others to be asked. What is wrong with the first one has to be said.
    """
    fault = error.fault if isinstance(error, ProviderError) else None
    return fault in PASSES if is_first else fault not in OF_THE_REQUEST
