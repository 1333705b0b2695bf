"""How a server is reached: as a child process, by streamable HTTP, or by events over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from qcode.mcp.offline import check_here
from qcode.mcp.servers import Server
from qcode.network import ledger, purpose
from qcode.network.watching import counting
from qcode.sandbox.launching import Launcher

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from mcp.client._transport import TransportStreams

    from qcode.mcp.stdio import Printed


class Surroundings:
    """What connections are made with."""

    def __init__(
        self,
        *,
        cwd: Path,
        outside: Launcher,
        inside: Launcher,
        tokens: Path,
        logs: Path | None = None,
        login: Callable[[str, str], Awaitable[None]] | None = None,
    ) -> None:
        """`outside` starts servers as the person would, `inside` in the sandbox.

        `tokens` is the folder of what logins brought, `logs` that of what servers print on
        stderr; `login` is told of a server's name and the address at which a person logs in,
        None where nobody is there.
        """
        self.cwd = cwd
        self.outside = outside
        self.inside = inside
        self.tokens = tokens
        self.logs = logs
        self.login = login

    def log_of(self, server: Server) -> Path | None:
        """Return where it is kept what a server prints on stderr."""
        return self.logs / f"{server.name}.log" if self.logs is not None else None


@asynccontextmanager
async def streams(
    server: Server,
    around: Surroundings,
    printed: Printed,
    seen: Callable[[int], None],
) -> AsyncIterator[TransportStreams]:
    """Yield the streams to and from a server; `seen` hears of the status of each HTTP answer.

    Raises:
        OSError, SandboxError: the program cannot be started.
        ServerError: no login can be kept.
    """
    purpose.begin(f"mcp:{server.name}")
    if server.transport == "stdio":
        from qcode.mcp.stdio import child_streams, tied

        launcher = around.inside if server.sandbox else around.outside
        if not server.sandbox:
            ledger.unseen(f"mcp:{server.name}")
        cwd = around.cwd / server.cwd if server.cwd else around.cwd
        env = {**launcher.environment, **server.env}
        argv = server.command if server.sandbox else tied(server.command, cwd, env)
        async with child_streams(launcher, argv, cwd=cwd, env=env, printed=printed) as both:
            yield both
        return
    check_here(server)
    from mcp.shared._httpx_utils import create_mcp_http_client

    from qcode.mcp.oauth import auth_for

    auth = auth_for(server, around.tokens, around.login)

    def wanted(request: Any) -> str:
        """Return what a request is for; what is not the server's own address is about a login."""
        is_own = str(request.url) == server.url or (
            server.transport == "sse"
            and request.url.host == urlsplit(server.url).hostname
            and "/.well-known/" not in request.url.path
        )
        return f"mcp:{server.name}" if is_own else "oauth"

    async def saw(response: Any) -> None:
        if response.request.url == server.url:  # and not those of a login's pages
            seen(response.status_code)

    def watched(headers: Any = None, timeout: Any = None, auth: Any = None) -> AsyncClient:
        """Return a client whose answers are seen; the errors that come of them do not tell."""
        made = create_mcp_http_client(headers, timeout, auth)
        counted = counting(wanted)
        made.event_hooks = {**counted, "response": [saw, *counted["response"]]}
        return made

    headers = dict(server.headers)
    if server.transport == "sse":
        from mcp.client.sse import sse_client

        async with sse_client(
            server.url, headers=headers, auth=auth, httpx_client_factory=watched
        ) as both:
            yield both
        return
    from mcp.client.streamable_http import streamable_http_client

    async with (
        watched(headers=headers, auth=auth) as http,
        streamable_http_client(server.url, http_client=http) as both,
    ):
        yield both
