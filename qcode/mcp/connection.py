"""One server, connected while something of it is used."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qcode import __version__
from qcode.errors import QcodeError, UsageError
from qcode.mcp.errors import LoginNeeded, ServerError
from qcode.mcp.listing import MOST_TOOLS, Listing, OfferedPrompt, OfferedTool, harmless, tool_from
from qcode.mcp.servers import Server
from qcode.record import replace
from qcode.sandbox.launching import Launcher

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from mcp import Client
    from mcp.client._transport import TransportStreams

log = logging.getLogger(__name__)

T = TypeVar("T")

RESTARTS = 3
"""So often a server that ended is started again for another call, in one session."""
PAGES = 50
MOST_PROBLEMS = 20


class Surroundings:
    """What connections are made with."""

    def __init__(
        self,
        *,
        cwd: Path,
        outside: Launcher,
        inside: Launcher,
        tokens: Path,
        login: Callable[[str, str], Awaitable[None]] | None = None,
    ) -> None:
        """`outside` starts servers as the person would, `inside` in the sandbox.

        `tokens` is the folder of what logins brought; `login` is told of a server's name and the
        address at which a person logs in, None where nobody is there.
        """
        self.cwd = cwd
        self.outside = outside
        self.inside = inside
        self.tokens = tokens
        self.login = login


class Connection:
    """Starts a server when it is first needed, and again when it has ended since."""

    def __init__(
        self, server: Server, surroundings: Surroundings, changed: Callable[[], None] = lambda: None
    ) -> None:
        """`changed` is called when the server says that it offers other things now."""
        self.server = server
        self.problem = ""
        """Why it could not be used the last time; empty: it could."""
        self._surroundings = surroundings
        self._changed = changed
        self._lock = asyncio.Lock()
        self._live: asyncio.Task[None] | None = None
        self._client: Client | None = None
        self._closing = asyncio.Event()
        self._starts = 0
        self._is_refused = False
        """Whether the last answer over HTTP was that nobody knows who asks."""
        self._odd: list[str] = []
        """Tools that were taken out of what the server lists."""

    @property
    def is_connected(self) -> bool:
        """Whether it runs, or a connection to it stands."""
        return self._client is not None and self._live is not None and not self._live.done()

    async def client(self) -> Client:
        """Return what speaks to the server, started if it is not.

        Raises:
            ServerError: it cannot be reached.
        """
        async with self._lock:
            if self._client is not None and self.is_connected:
                return self._client
            if self._starts > RESTARTS:
                raise ServerError(
                    f"the MCP server `{self.server.name}` has ended {self._starts} times and is "
                    f"left alone: {self.problem}",
                    hint=f"`/mcp restart {self.server.name}` tries it again",
                )
            self._starts += 1
            try:
                return await self._connect()
            except ServerError as error:
                self.problem = error.message
                raise

    async def _connect(self) -> Client:
        name, limit = self.server.name, self.server.startup_s
        await asyncio.to_thread(_load_library)  # a second, which is no server's
        ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        # Entered and left in one task, as the library's cancel scopes want it.
        self._live = asyncio.ensure_future(self._hold(ready, self._closing))
        try:
            async with asyncio.timeout(limit):
                both: list[asyncio.Future[Any]] = [ready, self._live]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            await self._end()
            raise ServerError(
                f"the MCP server `{name}` did not answer within {limit:g} s",
                hint="raise its `startup_timeout`, or see what it prints by `qcode mcp test`",
            ) from None
        except asyncio.CancelledError:
            await self._end()
            raise
        if ready.done() and not ready.cancelled() and ready.exception() is None:
            self._client = ready.result()
            self.problem = ""
            return self._client
        error = ready.exception() if ready.done() and not ready.cancelled() else None
        await self._end()
        raise error if isinstance(error, ServerError) else self._failed(error)

    async def _hold(self, ready: asyncio.Future[Client], closing: asyncio.Event) -> None:
        """Keep the connection until it is closed or breaks."""
        from mcp import Client
        from mcp.types import Implementation

        from qcode.mcp.stdio import Printed

        printed = Printed()
        try:
            async with Client(
                self._transport(printed),
                client_info=Implementation(name="qcode", version=__version__),
                message_handler=self._hear,
                cache=None,
                **self._callbacks(),
            ) as client:
                ready.set_result(client)
                await closing.wait()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if not isinstance(error, Exception):
                raise
            log.debug("mcp server %s", self.server.name, exc_info=True)
            failed = self._failed(error, printed.text)
            self.problem = failed.message
            if not ready.done():
                ready.set_exception(failed)
        finally:
            self._client = None
            if not ready.done():
                ready.cancel()

    def _callbacks(self) -> dict[str, Any]:
        from mcp.types import ListRootsResult, Root

        root = self._surroundings.cwd.as_uri()

        async def roots(_context: Any) -> ListRootsResult:
            return ListRootsResult(roots=[Root.model_validate({"uri": root})])

        return {"list_roots_callback": roots}

    async def _hear(self, message: Any) -> None:
        if "list_changed" in str(getattr(message, "method", "")):
            self._changed()

    @asynccontextmanager
    async def _transport(self, printed: Any) -> AsyncIterator[TransportStreams]:
        from qcode.mcp.mending import Mended

        async with self._streams(printed) as (heard, said):
            yield Mended(heard, self._odd.append), said

    @asynccontextmanager
    async def _streams(self, printed: Any) -> AsyncIterator[TransportStreams]:
        server, around = self.server, self._surroundings
        if server.transport == "stdio":
            from qcode.mcp.stdio import child_streams

            launcher = around.inside if server.sandbox else around.outside
            cwd = around.cwd / server.cwd if server.cwd else around.cwd
            env = {**launcher.environment, **server.env}
            async with child_streams(
                launcher, server.command, cwd=cwd, env=env, printed=printed
            ) as streams:
                yield streams
            return
        from qcode.mcp.oauth import auth_for

        auth = auth_for(server, around.tokens, around.login)
        headers = dict(server.headers)
        from mcp.shared._httpx_utils import create_mcp_http_client

        def watched(headers: Any = None, timeout: Any = None, auth: Any = None) -> AsyncClient:
            """Return a client that notes whether it is turned away; errors do not tell."""
            made = create_mcp_http_client(headers, timeout, auth)
            made.event_hooks = {"response": [self._saw]}
            return made

        if server.transport == "sse":
            from mcp.client.sse import sse_client

            async with sse_client(
                server.url, headers=headers, auth=auth, httpx_client_factory=watched
            ) as streams:
                yield streams
            return
        from mcp.client.streamable_http import streamable_http_client

        async with (
            watched(headers=headers, auth=auth) as http,
            streamable_http_client(server.url, http_client=http) as streams,
        ):
            yield streams

    async def _saw(self, response: Any) -> None:
        self._is_refused = response.status_code in (401, 403)

    def _failed(self, error: BaseException | None, printed: str = "") -> ServerError:
        """Return why the server cannot be used, in a line."""
        name, cause = self.server.name, _root(error)
        if isinstance(cause, ServerError):
            return cause
        if isinstance(cause, FileNotFoundError):
            return ServerError(
                f"the MCP server `{name}` cannot be started: there is no "
                f"`{self.server.command[0] if self.server.command else self.server.cwd}`",
                hint="install it, or correct `command`",
            )
        if self._is_refused:
            return LoginNeeded(
                f"the MCP server `{name}` wants to know who asks",
                hint=f"`qcode mcp login {name}`, or give its token in `headers`",
            )
        last = harmless(printed.splitlines()[-1] if printed else "", 200)
        said = f"; it printed: {last}" if last else ""
        what = harmless(str(cause), 300) if cause is not None and str(cause) else ""
        how = what or (type(cause).__name__ if cause is not None else "it ended at once")
        return ServerError(f"the MCP server `{name}` cannot be used: {how}{said}")

    async def listing(self) -> Listing:
        """Ask the server what it offers; what cannot be taken is told of.

        Raises:
            ServerError: it cannot be reached.
        """
        client = await self.client()
        limit = self.server.startup_s
        try:
            self._odd.clear()
            async with asyncio.timeout(limit):
                found = await _listing(client, self.server)
            named = f"of the MCP server `{self.server.name}`"
            left_out = tuple(f"{named} is left out {odd}" for odd in dict.fromkeys(self._odd))
            return replace(found, problems=(*left_out[:MOST_PROBLEMS], *found.problems))
        except TimeoutError:
            await self.close()
            raise ServerError(
                f"the MCP server `{self.server.name}` did not say within {limit:g} s what it offers"
            ) from None
        except QcodeError:
            raise
        except Exception as error:
            raise self._broken(error) from error

    async def ask(
        self,
        asking: Callable[[Client, Callable[[], None]], Awaitable[T]],
    ) -> T:
        """Return what the server answers to a request.

        `asking` gets the client and what to call at each sign of progress: the time runs from
        there anew. A request is never sent twice.

        Raises:
            ServerError: it cannot be reached, has ended meanwhile, or takes too long.
        """
        client = await self.client()
        limit = self.server.timeout_s
        loop = asyncio.get_running_loop()
        live = self._live
        assert live is not None
        request: asyncio.Future[T] | None = None
        try:
            async with asyncio.timeout(limit) as clock:
                request = asyncio.ensure_future(
                    asking(client, lambda: clock.reschedule(loop.time() + limit))
                )
                both: list[asyncio.Future[Any]] = [request, live]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                if not request.done():
                    # Its own error comes at once, if there is one to come.
                    await asyncio.wait([request], timeout=0.2)
                if not request.done():
                    raise self._ended()
                return request.result()
        except TimeoutError:
            raise ServerError(
                f"the MCP server `{self.server.name}` did not answer within {limit:g} s, and may "
                "have done it or not",
                hint="a longer `timeout` can be set for it",
            ) from None
        except QcodeError:
            raise
        except Exception as error:
            if _is_closed(error):
                await self._end()
                raise self._ended() from error
            raise self._broken(error) from error
        finally:
            if request is not None and not request.done():
                request.cancel()
                await asyncio.wait([request], timeout=1.0)

    def _ended(self) -> ServerError:
        why = f" ({self.problem})" if self.problem else ""
        return ServerError(
            f"the MCP server `{self.server.name}` ended during the call, which may have been done "
            f"or not{why}"
        )

    def _broken(self, error: BaseException) -> ServerError:
        cause = _root(error)
        words = harmless(str(cause), 500) or type(cause).__name__
        return ServerError(f"the MCP server `{self.server.name}` answers: {words}")

    async def close(self) -> None:
        """End the connection, and the server if it was started here."""
        self._closing.set()
        if self._live is not None:
            await asyncio.wait([self._live], timeout=6.0)
        await self._end()

    async def _end(self) -> None:
        self._client = None
        live, self._live = self._live, None
        if live is not None:
            live.cancel()
            await asyncio.gather(live, return_exceptions=True)

    async def restart(self) -> None:
        """Start it anew, however often it ended before.

        Raises:
            ServerError: it cannot be reached.
        """
        await self.close()
        self._starts = 0
        await self.client()


def _load_library() -> None:

    import qcode.mcp.mending
    import qcode.mcp.stdio  # noqa: F401


async def _listing(client: Client, server: Server) -> Listing:
    has = client.server_capabilities
    problems: list[str] = []
    tools: dict[str, OfferedTool] = {}
    async for one in _pages(client.list_tools, "tools") if has.tools is not None else _nothing():
        hints = one.annotations
        try:
            tool = tool_from(
                one.name,
                one.description or one.title or (hints.title if hints else ""),
                one.input_schema,
                is_reading=bool(hints and hints.read_only_hint),
                destroys=bool(hints and hints.destructive_hint and not hints.read_only_hint),
            )
        except UsageError as error:
            problems.append(f"of the MCP server `{server.name}` a tool is left out: {error}")
            continue
        if tool.name in tools:
            problems.append(f"the MCP server `{server.name}` offers two tools `{tool.name}`")
        elif len(tools) >= MOST_TOOLS:
            problems.append(
                f"only {MOST_TOOLS:,} tools of the MCP server `{server.name}` are taken"
            )
            break
        elif server.offers(tool.name):
            tools[tool.name] = tool
    prompts = [
        OfferedPrompt(
            harmless(one.name, 128),
            harmless(one.description or one.title, 500),
            tuple(f"{a.name}{'!' if a.required else ''}" for a in one.arguments or ()),
        )
        async for one in (
            _pages(client.list_prompts, "prompts") if has.prompts is not None else _nothing()
        )
    ]
    resources = [
        (harmless(one.uri, 2000), harmless(one.description or one.title or one.name, 200))
        async for one in (
            _pages(client.list_resources, "resources") if has.resources is not None else _nothing()
        )
    ]
    return Listing(
        tuple(tools.values()),
        tuple(prompts[:MOST_TOOLS]),
        tuple(resources[:MOST_TOOLS]),
        harmless(client.instructions, 2000),
        tuple(problems),
    )


async def _pages(ask: Callable[..., Awaitable[Any]], field: str) -> AsyncIterator[Any]:
    """Yield what a list has on all its pages; one that never ends is cut."""
    cursor = None
    for _ in range(PAGES):
        page = await ask(cursor=cursor)
        for one in getattr(page, field):
            yield one
        cursor = page.next_cursor
        if not cursor:
            return


async def _nothing() -> AsyncIterator[Any]:
    return
    yield


def _root(error: BaseException | None) -> BaseException | None:
    """Return the first single error in groups of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _is_closed(error: BaseException) -> bool:
    import anyio
    from mcp import MCPError
    from mcp.types import CONNECTION_CLOSED

    cause = _root(error)
    if isinstance(cause, MCPError):
        return cause.code == CONNECTION_CLOSED
    return isinstance(cause, anyio.ClosedResourceError | anyio.BrokenResourceError | OSError)
