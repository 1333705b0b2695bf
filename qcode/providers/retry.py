"""Sending a request again when it failed in a way that may pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import cast

from qcode.errors import ProviderError, ProviderFault
from qcode.providers import Delta, Provider, Request, Retry
from qcode.record import Record


class RetryPolicy(Record):
    """How often and how long apart; seconds."""

    attempts: int = 6
    """Of one request, the first included."""
    attempts_empty: int = 2
    """When the model says nothing at all; the loop then asks it otherwise."""
    attempts_unreached: int = 2
    """When the endpoint has not answered yet in this session: nothing runs there."""
    base_s: float = 0.5
    cap_s: float = 30.0
    unreached_s: float = 0.25
    longest_asked_s: float = 120.0
    """A server that asks for a longer wait is taken to mean no."""


def _uniform(low: float, high: float) -> float:
    # Slow to import, and most runs never wait.
    import random

    return random.uniform(low, high)


class RetryingProvider(Provider):
    """Wraps a provider; waits grow exponentially and are drawn at random.

    Each wait is announced by `Retry`, which voids what was yielded before.
    `sleep` and `uniform` are replaced in tests.
    """

    def __init__(
        self,
        inner: Provider,
        policy: RetryPolicy | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = _uniform,
    ) -> None:
        self._inner = inner
        self._policy = policy or RetryPolicy()
        self._sleep = sleep
        self._uniform = uniform
        self._reached = False
        """Whether the endpoint has ever answered, were it with an error."""

    @property
    def model(self) -> str:
        return self._inner.model

    async def close(self) -> None:
        await self._inner.close()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        attempt = empty = 0
        while True:
            attempt += 1
            try:
                # Every provider's stream is a generator, though the seam asks for less.
                deltas = cast("AsyncGenerator[Delta, None]", self._inner.stream(request))
                async with aclosing(deltas):
                    async for delta in deltas:
                        self._reached = True
                        yield delta
                return
            except ProviderError as error:
                if error.fault is not ProviderFault.UNREACHABLE:
                    self._reached = True
                empty += error.fault is ProviderFault.EMPTY
                retry = self._retry(error, attempt, empty)
            yield retry
            await self._sleep(retry.wait_s)

    def _retry(self, error: ProviderError, attempt: int, empty: int) -> Retry:
        """Return the retry that follows the failed attempt.

        Raises:
            ProviderError: there is none.
        """
        policy = self._policy
        of = policy.attempts
        if error.fault is ProviderFault.EMPTY:
            # Attempts that failed otherwise do not count against these.
            of = min(of, attempt - empty + policy.attempts_empty)
        unreached = error.fault is ProviderFault.UNREACHABLE and not self._reached
        if unreached:
            of = policy.attempts_unreached
        if not error.retryable or attempt >= of:
            raise _final(error, attempt) from error
        wait_s = error.retry_after_s
        if wait_s is None:
            ceiling = min(policy.cap_s, policy.base_s * 2 ** (attempt - 1))
            wait_s = policy.unreached_s if unreached else self._uniform(0, ceiling)
        elif wait_s > policy.longest_asked_s:
            raise _final(
                error, attempt, hint=f"it asks to wait {wait_s:.0f} s; try again then"
            ) from error
        return Retry(attempt, of - 1, wait_s, error.message)


def _final(error: ProviderError, attempts: int, *, hint: str = "") -> ProviderError:
    """Return the error as the person gets it, with the number of attempts."""
    tries = f" (after {attempts} attempts)" if attempts > 1 else ""
    return ProviderError(
        error.message + tries,
        fault=error.fault,
        hint=hint or error.hint,
        retry_after_s=error.retry_after_s,
    )
