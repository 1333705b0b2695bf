"""Proof of who asks that outlives its tokens: renewed where that can be done without a person."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import httpx2
from mcp.client.auth import OAuthClientProvider

from qcode.mcp.errors import LoginNeeded
from qcode.mcp.tokens import Kept


class StaleLogin(Exception):
    """The library would have a person log in, and none is there."""


class Renewing(httpx2.Auth):
    """Drives the library's flow, which begins with a login where what is kept might do.

    It takes a token for valid whose life it does not know, and knows nothing of other processes
    that use the same login: theirs may be the newer tokens, and a token can often be used once
    alone to get the next.
    """

    requires_response_body = True

    def __init__(self, make: Callable[[], OAuthClientProvider], kept: Kept, name: str) -> None:
        """`make` begins with what is kept now."""
        self._make = make
        self._kept = kept
        self._name = name
        self._made: OAuthClientProvider | None = None

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Prove it with a request; try each way that needs nobody once."""
        has_renewed = False
        while True:
            if self._made is None or self._kept.is_newer:
                self._made = self._make()
            flow = self._made.async_auth_flow(request)
            try:
                outgoing = await anext(flow)
                while True:
                    outgoing = await flow.asend((yield outgoing))
            except StopAsyncIteration:
                return
            except StaleLogin:
                if self._kept.is_newer:
                    continue
                if has_renewed or not self._kept.can_be_renewed:
                    raise LoginNeeded(
                        f"the login to the MCP server `{self._name}` does not hold any more",
                        hint=f"`qcode mcp login {self._name}`",
                    ) from None
                has_renewed = True
                self._kept.expire()
                self._made = None
            finally:
                await flow.aclose()
