"""One server, connected while something of it is used."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from qcode import __version__
from qcode.errors import QcodeError
from qcode.mcp.errors import LoginNeeded, ServerError, in_words, is_closed, root
from qcode.mcp.listing import Listing, harmless
from qcode.mcp.servers import Server
from qcode.mcp.transports import Surroundings, streams
from qcode.network.guard import offline_in
from qcode.record import replace

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client._transport import TransportStreams

    from qcode.mcp.stdio import Printed

log = logging.getLogger(__name__)

T = TypeVar("T")

RESTARTS = 3
"""So often a server that ended is started again for another call, in one session."""
MOST_PROBLEMS = 20
"""Of a listing, that a person is told of."""


class Connection:
    """Starts a server when it is first needed, and again when it has ended since."""

    def __init__(
        self,
        server: Server,
        surroundings: Surroundings,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`changed` is called when the server may offer other things than are known of it.

        That is when it says so, and after the first answer of one that was not asked since it
        was started.
        """
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
        self._asking = 0
        """Requests under way."""
        self._is_unlisted = False
        """Whether it was not asked since it was started what it offers."""
        self._status = 0
        """Of the last answer over HTTP; the errors that come of it do not tell."""
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
            await self._end()  # what is left of one that ended by itself
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
            self._is_unlisted = True
            self.problem = ""
            return self._client
        error = ready.exception() if ready.done() and not ready.cancelled() else None
        await self._end()
        raise error if isinstance(error, ServerError) else self._failed(error)

    async def _hold(self, ready: asyncio.Future[Client], closing: asyncio.Event) -> None:
        """Keep the connection until it is closed or breaks."""
        from qcode.mcp.stdio import Printed

        printed = Printed(self._surroundings.log_of(self.server))
        try:
            # Programs of old that are asked in the new way end, or never answer; over HTTP the
            # new way is what tells servers apart.
            is_program = self.server.transport == "stdio"
            try:
                await self._speak("legacy" if is_program else "auto", printed, ready, closing)
            except Exception as error:
                if not (is_program and not ready.done() and _is_of_now_alone(error)):
                    raise
                await self._speak("auto", printed, ready, closing)
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
            printed.close()
            if not ready.done():
                ready.cancel()

    async def _speak(
        self,
        mode: Literal["legacy", "auto"],
        printed: Printed,
        ready: asyncio.Future[Client],
        closing: asyncio.Event,
    ) -> None:
        """Connect, and wait until it is closed or the server ends."""
        from mcp import Client
        from mcp.types import Implementation

        gone = asyncio.Event()
        async with Client(
            self._transport(printed, gone.set),
            client_info=Implementation(name="qcode", version=__version__),
            message_handler=self._hear,
            cache=None,
            mode=mode,
            **self._callbacks(),
        ) as client:
            # What a call came to must not be lost because it is not as it was promised.
            vars(client.session)["validate_tool_result"] = _taken_as_it_is
            ready.set_result(client)
            waiting = [asyncio.ensure_future(event.wait()) for event in (closing, gone)]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()
            self._client = None
        if gone.is_set() and not closing.is_set():
            said = _last_line(printed.text)
            self.problem = f"it ended; it printed: {said}" if said else "it ended"

    def _callbacks(self) -> dict[str, Any]:
        from mcp.types import ListRootsResult, Root

        place = self._surroundings.cwd.as_uri()

        async def roots(_context: Any) -> ListRootsResult:
            return ListRootsResult(roots=[Root.model_validate({"uri": place})])

        return {"list_roots_callback": roots}

    async def _hear(self, message: Any) -> None:
        if "list_changed" in str(getattr(message, "method", "")):
            self._changed()

    @asynccontextmanager
    async def _transport(
        self, printed: Printed, ended: Callable[[], None]
    ) -> AsyncIterator[TransportStreams]:
        from qcode.mcp.mending import Mended

        async with streams(self.server, self._surroundings, printed, self._saw) as (heard, said):
            yield Mended(heard, self._odd.append, ended), said

    def _saw(self, status: int) -> None:
        self._status = status

    def _failed(self, error: BaseException | None, printed: str = "") -> ServerError:
        """Return why the server cannot be used, in a line."""
        name, cause = self.server.name, root(error)
        if isinstance(cause, ServerError):
            return cause
        if (refused := offline_in(error)) is not None:
            return ServerError(
                f"the MCP server `{name}` cannot be used: {refused.message}", hint=refused.hint
            )
        if isinstance(cause, FileNotFoundError):
            missing = cause.filename or self.server.place
            return ServerError(
                f"the MCP server `{name}` cannot be started: there is no `{missing}`",
                hint="install it, or correct `command` and `cwd`",
            )
        if self._status in (401, 403):
            return LoginNeeded(
                f"the MCP server `{name}` wants to know who asks",
                hint=f"`qcode mcp login {name}`, or give its token in `headers`",
            )
        said = f"; it printed: {_last_line(printed)}" if printed else ""
        how = in_words(cause) if cause is not None else "it ended at once"
        return ServerError(f"the MCP server `{name}` cannot be used: {how}{said}")

    async def listing(self) -> Listing:
        """Ask the server what it offers; what cannot be taken is told of.

        Raises:
            ServerError: it cannot be reached.
        """
        from qcode.mcp.offers import offers

        client = await self.client()
        limit = self.server.startup_s
        try:
            self._odd.clear()
            async with asyncio.timeout(limit):
                found = await offers(client, self.server.name)
        except TimeoutError:
            if not self._asking:  # else it has other things to do
                await self.close()
            raise ServerError(
                f"the MCP server `{self.server.name}` did not say within {limit:g} s what it offers"
            ) from None
        except QcodeError:
            raise
        except Exception as error:
            raise self._broken(error) from error
        self._is_unlisted = False
        named = f"of the MCP server `{self.server.name}`"
        left_out = tuple(f"{named} is left out {odd}" for odd in dict.fromkeys(self._odd))
        problems = (*left_out, *found.problems)[:MOST_PROBLEMS]
        return replace(found, problems=problems)

    async def ask(
        self,
        asking: Callable[[Client, Callable[[], None]], Awaitable[T]],
    ) -> T:
        """Return what the server answers to a request.

        `asking` gets the client and what to call at each sign of progress: the time runs from
        there anew. A request that may have been done is never sent twice.

        Raises:
            ServerError: it cannot be reached, has ended meanwhile, or takes too long.
        """
        self._asking += 1
        try:
            try:
                answer = await self._ask(asking)
            except _Forgotten:
                await self.close()
                answer = await self._ask(asking)
        except _Forgotten as error:
            raise self._broken(error) from error
        finally:
            self._asking -= 1
        if self._is_unlisted:
            self._is_unlisted = False
            self._changed()
        return answer

    async def _ask(self, asking: Callable[[Client, Callable[[], None]], Awaitable[T]]) -> T:
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
            if is_closed(error):
                await self._end()
                raise self._ended() from error
            # By the protocol it is 404; many servers say 400, which was not done either.
            if self._status in (400, 404) and self.server.transport == "http":
                raise _Forgotten(str(error)) from error
            if self._status == 401:
                raise self._failed(error) from error
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
        cause = root(error)
        if isinstance(cause, ServerError):
            return cause
        return ServerError(f"the MCP server `{self.server.name}` answers: {in_words(error, 500)}")

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


class _Forgotten(Exception):
    """The server knows nothing of this session any more, and did not do what it was asked."""


def _is_of_now_alone(error: BaseException) -> bool:
    """Whether a server says that it does not speak as servers did until now."""
    from mcp import MCPError
    from mcp.types import UNSUPPORTED_PROTOCOL_VERSION

    cause = root(error)
    return isinstance(cause, MCPError) and cause.code == UNSUPPORTED_PROTOCOL_VERSION


async def _taken_as_it_is(_name: str, _result: Any) -> None:
    """Take a result that is not of the schema that its tool was promised to keep to."""


def _last_line(printed: str) -> str:
    return harmless(printed.rstrip().splitlines()[-1], 200) if printed.strip() else ""


def _load_library() -> None:
    """Import in a thread what takes long, so that the loop goes on."""
    import qcode.mcp.mending
    import qcode.mcp.stdio  # noqa: F401

    # What the library logs, tracebacks too, goes where qcode's own does, and not to stderr.
    library = logging.getLogger("mcp")
    if not library.handlers:
        for handler in logging.getLogger("qcode").handlers or [logging.NullHandler()]:
            library.addHandler(handler)
