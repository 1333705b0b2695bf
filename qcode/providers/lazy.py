"""A provider that is made when it is first asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, cast

from qcode.providers import Delta, Provider, Request


class LazyProvider(Provider):
    """Stands for a provider; what makes it may look for the model's server and raise.

    Raises, from `stream`, what `make` raises (`QcodeError`).
    """

    def __init__(self, name: str, make: Callable[[], Awaitable[Provider]]) -> None:
        """`name` is what the model is called until it is made."""
        self._name = name
        self._make = make
        self._made: Provider | None = None

    @property
    def model(self) -> str:
        return self._made.model if self._made is not None else self._name

    def __getattr__(self, name: str) -> Any:
        # What it has besides (a choice of protocol) is known only once it is made.
        if name.startswith("_") or self._made is None:
            raise AttributeError(name)
        return getattr(self._made, name)

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        if self._made is None:
            self._made = await self._make()
        deltas = cast("AsyncGenerator[Delta, None]", self._made.stream(request))
        async with aclosing(deltas):
            async for delta in deltas:
                yield delta
