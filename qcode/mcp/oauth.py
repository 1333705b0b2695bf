"""Logging in to servers: OAuth by the person's browser.

The library speaks the protocol (discovery, registration, PKCE, refresh); here is how the browser's
answer comes back: to a port of this machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from qcode.mcp.errors import ServerError
from qcode.mcp.servers import Server
from qcode.mcp.tokens import Kept

if TYPE_CHECKING:
    import httpx2
    from mcp.client.auth import AuthorizationCodeResult

Login = Callable[[str, str], Awaitable[None]]
"""Is told of a server's name and of the address at which a person logs in."""

LOGIN_S = 300.0
"""So long a person may take in the browser."""
_MOST = 16 * 1024
"""Bytes of a browser's request."""


def auth_for(server: Server, folder: Path, login: Login | None) -> httpx2.Auth | None:
    """Return what proves who asks; None where nobody has logged in and nobody can now."""
    kept = Kept(folder, server)
    if login is None and not kept.read().get("tokens"):
        return None
    if any(name.lower() == "authorization" for name in server.headers):
        return None
    answer = _Answer(server, kept, login)
    from mcp.client.auth import OAuthClientProvider
    from mcp.shared.auth import OAuthClientMetadata

    from qcode.mcp.renewing import Renewing

    def make() -> OAuthClientProvider:
        metadata = OAuthClientMetadata.model_validate(
            {"redirect_uris": [answer.address], "client_name": "qcode"}
        )
        provider = OAuthClientProvider(
            server.url,
            metadata,
            kept,
            redirect_handler=answer.ask,
            callback_handler=answer.wait,
        )
        kept.recall(provider.context)
        return provider

    return Renewing(make, kept, server.name)


class _Answer:
    """Waits on a port of this machine for what the browser brings back."""

    def __init__(self, server: Server, kept: Kept, login: Login | None) -> None:
        self._server = server
        self._kept = kept
        self._login = login
        self._query: asyncio.Future[dict[str, list[str]]] | None = None
        self._listener: asyncio.Server | None = None
        redirect = urlsplit(server.oauth.redirect)
        self._path = redirect.path if redirect.port else "/callback"
        if redirect.port:
            self.address = server.oauth.redirect
            self._port = redirect.port
        else:
            self._port = self._free_port() if login is not None else kept.port or 1
            self.address = f"http://127.0.0.1:{self._port}{self._path}"

    def _free_port(self) -> int:
        import socket

        for port in (self._kept.port, 0):
            try:
                with socket.create_server(("127.0.0.1", port)) as probe:
                    found = int(probe.getsockname()[1])
            except OSError:
                continue
            self._kept.begin(found)
            return found
        raise ServerError("no port of this machine is free for the browser's answer")

    async def ask(self, url: str) -> None:
        """Have the person log in at an address."""
        from qcode.mcp.renewing import StaleLogin

        if self._login is None:
            raise StaleLogin
        self._query = asyncio.get_running_loop().create_future()
        try:
            self._listener = await asyncio.start_server(self._hear, "127.0.0.1", self._port)
        except OSError as error:
            raise ServerError(
                f"port {self._port} of this machine is not free for the browser's answer",
                hint="end the program that uses it, or name another by `oauth.redirect`",
            ) from error
        await self._login(self._server.name, _asking_for(url, self._server.oauth.scopes))

    async def wait(self) -> AuthorizationCodeResult:
        """Return what the browser brought.

        Raises:
            ServerError: it brought an error, or nothing in time.
        """
        from mcp.client.auth import AuthorizationCodeResult

        assert self._query is not None
        assert self._listener is not None
        try:
            async with asyncio.timeout(LOGIN_S):
                query = await self._query
        except TimeoutError:
            raise ServerError(
                f"nobody logged in to `{self._server.name}` within {LOGIN_S / 60:g} minutes"
            ) from None
        finally:
            self._listener.close()
        if "code" not in query:
            why = "; ".join(query.get("error_description", []) or query.get("error", ["no code"]))
            raise ServerError(f"the login to `{self._server.name}` was refused: {why[:200]}")
        known = {name: values[0] for name, values in query.items()}
        fields = {name: known.get(name) for name in AuthorizationCodeResult.model_fields}
        return AuthorizationCodeResult.model_validate(fields)

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                line = (await reader.readline())[:_MOST].decode("latin-1")
                while len(await reader.readline()) > 2:
                    pass
            target = urlsplit(line.split(" ")[1] if line.count(" ") >= 2 else "")
            is_answer = line.startswith("GET ") and (target.path or "/") == (self._path or "/")
            said = "logged in: this page can be closed" if is_answer else "nothing here"
            status = "200 OK" if is_answer else "404 Not Found"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
                f"Content-Length: {len(said)}\r\nConnection: close\r\n\r\n{said}".encode()
            )
            await writer.drain()
            if is_answer and self._query is not None and not self._query.done():
                self._query.set_result(parse_qs(target.query))
        except (OSError, TimeoutError, ValueError):
            pass  # whoever that was, it is not the browser
        finally:
            writer.close()


def _asking_for(url: str, scopes: tuple[str, ...]) -> str:
    """Return the address of a login that asks for these scopes; none: for what it asks already."""
    if not scopes:
        return url
    parts = urlsplit(url)
    asked = {**dict(parse_qsl(parts.query)), "scope": " ".join(scopes)}
    return parts._replace(query=urlencode(asked)).geturl()
