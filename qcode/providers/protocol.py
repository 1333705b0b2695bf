"""Changing between native tools and prompted text within a session."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from qcode.errors import ProviderError, ProviderFault
from qcode.paths import models_file
from qcode.providers import Delta, Provider, Request, Retry, ToolProtocol


def first_protocol(model: str) -> ToolProtocol:
    """Return how to begin with a model: as the person's own file says, else by its name.

    The registry is not asked: it says the same of each model (a test holds both against each
    other), and is not read on the way to a first request.
    Qwen2.5-Coder writes its calls as text whatever it is told, and under its own chat
    template often under made-up names: of the first calls that the 1.5B meant, 81 % were
    usable with native tools, 90 % with the tools in the prompt (docs/toolcalls.md).
    """
    if models_file().exists():
        from qcode.models import find_own

        own = find_own(model)
        if own is not None and "protocol" in own.own:
            return own.protocol
    name = model.lower().replace("_", "").replace("-", "").replace(".", "")
    return "prompted" if "qwen25coder" in name else "native"


class SwitchingProvider(Provider):
    """Wraps a provider (its retries included); asks by one protocol or the other.

    A server that refuses tools is asked again with the tools in the prompt,
    which `Retry` announces, and the session stays with that. Anyone may
    `switch` between two requests: see `ProtocolChoice`. Either way the server
    reads the whole prompt anew, once.
    """

    def __init__(
        self, inner: Provider, *, protocol: ToolProtocol = "native", style: str | None = None
    ) -> None:
        self._inner = inner
        self._style = style
        self._protocol: ToolProtocol = protocol
        self._prompted: Provider | None = None

    @property
    def model(self) -> str:
        return self._inner.model

    @property
    def protocol(self) -> ToolProtocol:
        """The protocol of the next request."""
        return self._protocol

    def switch(self) -> ToolProtocol:
        """Take the other protocol from the next request on; return it."""
        self._protocol = "prompted" if self._protocol == "native" else "native"
        return self._protocol

    async def close(self) -> None:
        await self._inner.close()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        retry: Retry | None = None
        while True:
            if retry is not None:
                yield retry
            try:
                # Every provider's stream is a generator, though the seam asks for less.
                answer = cast("AsyncGenerator[Delta, None]", self._current().stream(request))
                async with aclosing(answer) as deltas:
                    async for delta in deltas:
                        yield delta
                return
            except ProviderError as error:
                refused = error.fault is ProviderFault.TOOLS_REFUSED
                if not refused or self._protocol == "prompted" or not request.tools:
                    raise
                self._protocol = "prompted"
                reason = f"{error.message}; the tools are described in the prompt from now on"
                retry = Retry(1, 1, 0.0, reason)

    def _current(self) -> Provider:
        if self._protocol == "native":
            return self._inner
        if self._prompted is None:
            # Most sessions never need it.
            from qcode.providers.prompted import PromptedProvider

            self._prompted = PromptedProvider(self._inner, self._style)
        return self._prompted
