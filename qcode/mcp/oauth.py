"""Logging in to servers: OAuth by the person's browser, its tokens kept where only they read.

The library speaks the protocol (discovery, registration, PKCE, refresh); here is where tokens are
kept and how the browser's answer comes back: to a port of this machine.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from qcode.files_safe import read_small
from qcode.mcp.errors import LoginNeeded, ServerError
from qcode.mcp.servers import Server

if TYPE_CHECKING:
    import httpx2
    from mcp.client.auth import AuthorizationCodeResult
    from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
    from pydantic import BaseModel

M = TypeVar("M", bound="BaseModel")

Login = Callable[[str, str], Awaitable[None]]
"""Is told of a server's name and of the address at which a person logs in."""

LOGIN_S = 300.0
"""So long a person may take in the browser."""
_MOST = 16 * 1024
"""Bytes of a browser's request."""


class Kept:
    """The file with a server's tokens, 0600; the library's `TokenStorage`."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.file = folder / f"{server.name}-{server.digest}.json"

    def read(self) -> dict[str, Any]:
        """Return what is kept; nothing where it cannot be read."""
        try:
            data = json.loads(read_small(self.file))
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def _write(self, **changes: Any) -> None:
        data = {**self.read(), **changes}
        fresh = self.file.with_name(f".{self.file.name}.{os.getpid():x}")
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            with open(os.open(fresh, flags, 0o600), "w", encoding="utf-8") as file:
                json.dump(data, file)
            os.replace(fresh, self.file)
        except OSError as error:
            raise ServerError(
                f"cannot keep the login in `{self.file}`: {error.strerror}"
            ) from error

    def forget(self) -> bool:
        """Remove the file; return whether there was one."""
        try:
            self.file.unlink()
        except FileNotFoundError:
            return False
        return True

    @property
    def port(self) -> int:
        """The port of the last login, with which the client is registered; 0: none."""
        port = self.read().get("port")
        return port if isinstance(port, int) else 0

    def begin(self, port: int) -> None:
        """Note the port of a login; a client that was registered with another is forgotten."""
        self._write(port=port, **({} if port == self.port else {"client": None}))

    async def get_tokens(self) -> OAuthToken | None:
        """Return the tokens."""
        from mcp.shared.auth import OAuthToken

        return self._as(OAuthToken, "tokens")

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep tokens."""
        self._write(tokens=tokens.model_dump(mode="json"))

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Return as whom qcode is registered."""
        from mcp.shared.auth import OAuthClientInformationFull

        return self._as(OAuthClientInformationFull, "client")

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep as whom qcode is registered."""
        self._write(client=client_info.model_dump(mode="json"))

    def _as(self, kind: type[M], name: str) -> M | None:
        known = self.read().get(name)
        if known is None:
            return None
        try:
            return kind.model_validate(known)
        except ValueError:
            return None  # of another version: a login brings a new one


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

    metadata = OAuthClientMetadata.model_validate(
        {"redirect_uris": [answer.address], "client_name": "qcode"}
    )
    return OAuthClientProvider(
        server.url,
        metadata,
        kept,
        redirect_handler=answer.ask,
        callback_handler=answer.wait,
    )


class _Answer:
    """Waits on a port of this machine for what the browser brings back."""

    def __init__(self, server: Server, kept: Kept, login: Login | None) -> None:
        self._server = server
        self._kept = kept
        self._login = login
        self._query: asyncio.Future[dict[str, list[str]]] | None = None
        self._listener: asyncio.Server | None = None
        self._port = self._free_port() if login is not None else kept.port or 1

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

    @property
    def address(self) -> str:
        """Where the browser is sent back to."""
        return f"http://127.0.0.1:{self._port}/callback"

    async def ask(self, url: str) -> None:
        """Have the person log in at an address."""
        if self._login is None:
            raise LoginNeeded(
                f"the login to the MCP server `{self._server.name}` does not hold any more",
                hint=f"`qcode mcp login {self._server.name}`",
            )
        self._query = asyncio.get_running_loop().create_future()
        self._listener = await asyncio.start_server(self._hear, "127.0.0.1", self._port)
        await self._login(self._server.name, url)

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
            is_answer = line.startswith("GET ") and target.path == "/callback"
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
