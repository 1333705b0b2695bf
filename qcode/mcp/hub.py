"""All servers of a session: what they offer, known early; what is used of it, started late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from qcode.errors import QcodeError, UsageError
from qcode.mcp.connection import Connection
from qcode.mcp.content import resource, text_of
from qcode.mcp.errors import ServerError
from qcode.mcp.listing import Listing, OfferedPrompt, harmless, load, save
from qcode.mcp.servers import Server
from qcode.mcp.telling import listed, names_server
from qcode.mcp.tools import ServerTool, UseTool
from qcode.mcp.transports import Surroundings
from qcode.messages import JsonObject
from qcode.prompts import load as prompt
from qcode.record import replace
from qcode.tools.base import Tool

PATIENCE_S = 10.0
"""So long a person's first message waits for servers whose tools are not known yet."""

Note = Callable[[str], None]


class Hub:
    """The servers of a session; lists are kept, so that a server is started for its first use."""

    def __init__(
        self,
        servers: Sequence[Server],
        surroundings: Surroundings,
        *,
        folder: Path,
        tools: MutableMapping[str, Tool[Any]],
        schemas: MutableMapping[str, JsonObject],
        note: Note,
        patience_s: float | None = PATIENCE_S,
        sees: Callable[[], bool] = lambda: False,
    ) -> None:
        """`folder` keeps what servers offer; `tools` and `schemas` get what they do.

        `patience_s`: so long the first message waits for those of which that is not known; None:
        until each has answered or its time is over. `sees` says whether the model that answers
        takes pictures.
        """
        self.connections = {
            server.name: Connection(server, surroundings, partial(self._anew, server.name))
            for server in servers
        }
        self.listings: dict[str, Listing] = {}
        self.use_tool = UseTool(tools, self.settle)
        self._folder = folder
        self._tools = tools
        self._schemas = schemas
        self._note = note
        self._patience_s = patience_s
        self._sees = sees
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._stale: set[str] = set()
        """Servers that said while they were looked at that this changed."""
        self._told: dict[str, set[str]] = {}
        """By server the tools that the model was told of."""
        self._introduced_already: set[str] = set()
        self._is_begun = False
        for name, connection in self.connections.items():
            if (kept := load(self._file(connection.server))) is not None:
                self._take(name, kept)

    def _file(self, server: Server) -> Path:
        return kept_at(self._folder, server)

    def _take(self, name: str, listing: Listing) -> None:
        """Have a server's tools be called from now on, and no others of it."""
        connection = self.connections[name]
        for known in [k for k, t in self._tools.items() if _is_of(t, connection)]:
            del self._tools[known]
            self._schemas.pop(known, None)
        for offered in listing.tools:
            if not connection.server.offers(offered.name):
                continue
            tool = ServerTool(connection, offered, partial(self._introduced, name), self._sees)
            if tool.name in self._tools:
                self._note(f"of the MCP server `{name}` the tool `{offered.name}` is left out: its "
                           "name comes to the same as another's")  # fmt: skip
                continue
            self._tools[tool.name] = tool
            self._schemas[tool.name] = tool.parameters()
        self.listings[name] = listing

    def _introduced(self, name: str) -> str:
        """Return what a server says of itself, once; for the model, as somebody else's words."""
        words = self.listings[name].instructions.strip() if name in self.listings else ""
        if not words or name in self._introduced_already:
            return ""
        self._introduced_already.add(name)
        return prompt("mcp/instructions", server=name, instructions=words)

    def _anew(self, name: str) -> None:
        """Look anew at what a server offers: this may have changed."""
        task = self._looking.get(name)
        if task is None or task.done():
            self._begin(name, is_quiet=True)
        else:
            self._stale.add(name)

    def _begin(self, name: str, *, is_quiet: bool = False) -> asyncio.Task[None]:
        task = self._looking.get(name)
        if task is None or task.done():
            task = self._looking[name] = asyncio.ensure_future(self._look(name, is_quiet=is_quiet))
        return task

    async def _look(self, name: str, *, is_quiet: bool) -> None:
        """Find out what a server offers; quietly where it is known, and only may have changed."""
        connection = self.connections[name]
        try:
            while True:
                self._stale.discard(name)
                found = await connection.listing()
                if name not in self._stale:
                    break
        except ServerError as error:
            connection.problem = error.message
            if not is_quiet:
                self._note(str(error))
            return
        if replace(found, problems=()) == self.listings.get(name):
            return
        for problem in found.problems:
            self._note(problem)
        self._take(name, replace(found, problems=()))
        await asyncio.to_thread(save, self._file(connection.server), found)

    def begin(self) -> None:
        """Start the servers whose tools are not known, in the background."""
        self._is_begun = True
        for name in self.connections:
            if name not in self.listings:
                self._begin(name)

    async def know(self, name: str) -> None:
        """Wait until it is known what a server offers, if there is such a one; else it is told."""
        if name in self.connections and name not in self.listings:
            await asyncio.wait([self._begin(name)])

    async def settle(self) -> bool:
        """Wait for servers that are being looked at; return whether there were any."""
        waiting = [task for task in self._looking.values() if not task.done()]
        if waiting:
            await asyncio.wait(waiting)
        return bool(waiting)

    async def tell(self, *, is_first: bool) -> str:
        """Return what the model is to be told with a message of what there is to call.

        With the first one that is all; later what came since. Servers that are not known yet
        are waited for, but not long.
        """
        if is_first:
            self._told.clear()
        if not self._is_begun:
            self.begin()
            await self._wait()
        new = {name: self._untold(name) for name in self.connections if name in self.listings}
        for name, tools in new.items():
            self._told.setdefault(name, set()).update(tool for tool, _ in tools)
        text = listed(new)
        if not text:
            return ""
        return prompt("mcp/listed" if is_first else "mcp/now", listed=text)

    async def _wait(self) -> None:
        """Wait for servers that are being looked at, but not long; tell a person of the others."""
        waiting = [task for task in self._looking.values() if not task.done()]
        if not waiting:
            return
        await asyncio.wait(waiting, timeout=self._patience_s)
        late = [name for name, task in self._looking.items() if not task.done()]
        if late:
            self._note(
                f"the MCP server{'s' * (len(late) > 1)} {', '.join(late)} did not answer yet; "
                "the tools are told with a later message"
            )

    def _untold(self, name: str) -> list[tuple[str, str]]:
        told = self._told.get(name, set())
        return [(tool, about) for tool, about in self._named(name) if tool not in told]

    def _named(self, name: str) -> list[tuple[str, str]]:
        its = [t for t in self._tools.values() if _is_of(t, self.connections[name])]
        return [(t.offered.name, t.offered.description) for t in its if isinstance(t, ServerTool)]

    def assume_told(self, texts: Iterable[str]) -> None:
        """Take for told what texts of the history that is gone on with list."""
        said = "\n".join(texts)
        for name in self.listings:
            if names_server(said, name):
                self._told[name] = {tool for tool, _ in self._named(name)}

    # What a person asks for.

    def prompts(self) -> dict[str, OfferedPrompt]:
        """Return the prompts of all servers by `server:prompt`."""
        return {
            f"{name}:{one.name}": one
            for name, listing in self.listings.items()
            for one in listing.prompts
        }

    def resources(self) -> list[tuple[str, str]]:
        """Return the resources of all servers as `server:uri`, each with what it is."""
        return [
            (f"{name}:{uri}", about)
            for name, listing in self.listings.items()
            for uri, about in listing.resources
        ]

    async def prompt(self, named: str, arguments: Mapping[str, str]) -> str:
        """Return a prompt as text to be sent.

        Raises:
            UsageError: there is none of that name, or arguments are missing.
            ServerError: the server cannot be used.
        """
        server, _, name = named.partition(":")
        offered = self.prompts().get(named)
        if offered is None or server not in self.connections:
            raise UsageError(f"there is no prompt `{named}`", hint="`/mcp` lists them")
        missing = [a for a in offered.arguments if a.endswith("!") and a[:-1] not in arguments]
        if missing:
            some = " ".join(f"{a.rstrip('!')}=…" for a in missing)
            raise UsageError(f"`/{named}` needs {some}")

        async def asking(client: Any, _alive: Any) -> Any:
            return await client.get_prompt(name, dict(arguments))

        answer = await self.connections[server].ask(asking)
        parts = []
        for message in answer.messages:
            text = text_of([message.content])
            parts.append(text if message.role == "user" else f"[{message.role}]\n{text}")
        return "\n\n".join(filter(None, parts))

    async def read(self, server: str, uri: str) -> str:
        """Return what a resource holds.

        Raises:
            UsageError: there is no such server.
            ServerError: the server cannot be used, or has no such resource.
        """
        if server not in self.connections:
            raise UsageError(f"there is no MCP server `{server}`", hint="`/mcp` lists them")

        async def asking(client: Any, _alive: Any) -> Any:
            return await client.read_resource(uri)

        answer = await self.connections[server].ask(asking)
        return harmless("\n".join(resource(one) for one in answer.contents), 1 << 20)

    def table(self) -> str:
        """Return the servers with their state, for a person."""
        rows = []
        for name, connection in self.connections.items():
            server, known = connection.server, self.listings.get(name)
            state = "runs" if connection.is_connected else "not started"
            if connection.problem:
                state = f"failed: {connection.problem}"
            count = f"{len(known.tools)} tools" if known else "tools not known yet"
            trusted = ", trusted" if server.trust else ""
            rows.append(f"{name:<16} {state}; {count}{trusted}; {server.place} ({server.source})")
        for named, one in self.prompts().items():
            rows.append(f"/{named} {' '.join(one.arguments)}  {one.description}".rstrip())
        shown = self.resources()
        rows += [f"@{named}  {about}" for named, about in shown[:20]]
        if len(shown) > 20:
            rows.append(f"and {len(shown) - 20} more resources")
        return "\n".join(rows)

    def described(self, name: str) -> str:
        """Return the tools of a server, for a person.

        Raises:
            UsageError: there is no such server.
        """
        if name not in self.connections:
            raise UsageError(f"there is no MCP server `{name}`", hint="`/mcp` lists them")
        rows = [f"{tool}: {' '.join(about.split())[:120]}" for tool, about in self._named(name)]
        return "\n".join(rows) or f"no tool of `{name}` is known"

    async def restart(self, name: str) -> None:
        """Start a server anew and look at what it offers.

        Raises:
            UsageError: there is no such server.
            ServerError: it cannot be reached.
        """
        if name not in self.connections:
            raise UsageError(f"there is no MCP server `{name}`", hint="`/mcp` lists them")
        await self.connections[name].restart()
        found = await self.connections[name].listing()
        self._take(name, replace(found, problems=()))
        save(self._file(self.connections[name].server), found)

    async def close(self) -> None:
        """End all servers that run."""
        for task in self._looking.values():
            task.cancel()
        await asyncio.gather(*self._looking.values(), return_exceptions=True)
        closing = [each.close() for each in self.connections.values()]
        for outcome in await asyncio.gather(*closing, return_exceptions=True):
            if isinstance(outcome, QcodeError):
                self._note(str(outcome))


def kept_at(folder: Path, server: Server) -> Path:
    """Return where it is kept what a server offers."""
    return folder / f"{server.name}-{server.digest}.json"


def _is_of(tool: Tool[Any], connection: Connection) -> bool:
    return isinstance(tool, ServerTool) and tool.connection is connection
