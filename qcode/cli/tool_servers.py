"""From settings to the MCP servers of a session."""

from __future__ import annotations

import os
import shlex
from functools import partial
from typing import TYPE_CHECKING

from qcode import paths
from qcode.approvals import Nobody
from qcode.composing import Composing, Memory, Note, PointedAt, Told
from qcode.errors import QcodeError, UsageError
from qcode.extensions.wishes import read_settings
from qcode.mcp.offline import check_here
from qcode.mcp.servers import Defined, Server, defined, tables_of_project
from qcode.messages import UserMessage
from qcode.record import replace
from qcode.sandbox.environment import child_environment
from qcode.sandbox.policy import Tier
from qcode.spoken import Command, Spoken

if TYPE_CHECKING:
    from pathlib import Path

    from qcode.agent import Agent
    from qcode.config import Settings
    from qcode.mcp.hub import Hub
    from qcode.mcp.listing import OfferedPrompt
    from qcode.mcp.oauth import Login
    from qcode.mcp.transports import Surroundings
    from qcode.sandbox.sandbox import Sandbox
    from qcode.session import Session


def servers_of(settings: Settings, cwd: Path) -> Defined:
    """Return the servers that the settings and a trusted project's files define."""
    tables = [("config.toml", settings.mcp_servers)]
    if settings.extensions_trusted:
        tables += tables_of_project(cwd, read_settings)
    found = defined(tables, os.environ)
    if not settings.offline:
        return found
    # Programs get what commands get: a sandbox without network.
    return replace(found, servers=tuple(replace(one, sandbox=True) for one in found.servers))


def surroundings_of(
    sandbox: Sandbox, cwd: Path, login: Login | None = None, *, drop: tuple[str, ...] = ()
) -> Surroundings:
    """Return what servers are started with: outside the sandbox, but without the secrets that
    commands do not get either."""
    from qcode.mcp.transports import Surroundings
    from qcode.sandbox.plain import Plain

    environment = child_environment(os.environ, policy=sandbox.policy, tier=Tier.NONE, drop=drop)
    return Surroundings(
        cwd=cwd,
        outside=Plain(environment),
        inside=sandbox,
        tokens=paths.state_dir() / "mcp",
        logs=paths.cache_dir() / "mcp" / "logs",
        login=login,
    )


def join(session: Session, settings: Settings, sandbox: Sandbox, note: Note) -> None:
    """Have a session use its servers; without any it is as before."""
    agent = session.agent
    cwd = agent.context.workspace.root
    found = servers_of(settings, cwd)
    for problem in found.problems:
        note(problem)
    servers = [server for server in found.servers if not server.is_disabled]
    if settings.offline:
        servers = [server for server in servers if _is_here(server, note)]
    if not servers:
        return
    from qcode.mcp.hub import PATIENCE_S, Hub

    assert isinstance(agent.tools, dict)
    assert isinstance(agent.schemas, dict)
    drop = (settings.api_key_env,) if settings.api_key_env else ()
    hub = Hub(
        servers,
        surroundings_of(sandbox, cwd, drop=drop),
        folder=paths.cache_dir() / "mcp",
        tools=agent.tools,
        schemas=agent.schemas,
        note=note,
        # Where nobody says anything later, tools that come later would never be told.
        patience_s=None if isinstance(agent.approver, Nobody) else PATIENCE_S,
        sees=partial(_sees, settings, agent),
    )
    agent.add_tools([hub.use_tool])
    trusted = tuple(f"mcp({server.name}:*)" for server in servers if server.trust)
    agent.rules = agent.rules.allowing(trusted)
    hub.assume_told(m.before for m in session.history.items if isinstance(m, UserMessage))
    if isinstance(session.composer, Composing):
        parts = session.composer.parts
        # Behind the instructions, which a server may have read ahead, before what is of now.
        at = sum(isinstance(part, Memory) for part in parts)
        session.composer.parts = (*parts[:at], ToolsOfServers(hub), *parts[at:])
        for part in parts:
            if isinstance(part, PointedAt):
                part.resources = hub.read
    session.closing.append(hub.close)
    session.commands.append(Prompts(hub))


def _is_here(server: Server, note: Note) -> bool:
    """Whether a server is on this machine; of another one the person is told."""
    try:
        check_here(server)
    except QcodeError as error:
        note(str(error))
        return False
    return True


def _sees(settings: Settings, agent: Agent) -> bool:
    from qcode.vision import sees_images

    if agent.seeing is not None:
        return True  # another model puts pictures into words
    return sees_images(agent.provider.model) if settings.vision is None else settings.vision


class ToolsOfServers:
    """What servers offer, told before the first message, and what changed of it later."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    async def tell(self, said: str, *, is_first: bool) -> Told:
        """Tell the names of what there is to call."""
        return Told(before=await self.hub.tell(is_first=is_first))


class Prompts:
    """The servers' prompts as commands: `/server:prompt name=value …`, or values in order."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def known(self) -> dict[str, Command]:
        """Return those of servers that said what they offer."""
        return {named: self._command(named, one) for named, one in self._hub.prompts().items()}

    async def find(self, name: str) -> Command | None:
        """Return a prompt, also one of a server that was not asked yet."""
        server, colon, _ = name.partition(":")
        if not colon:
            return None
        await self._hub.know(server)
        return self.known().get(name)

    def _command(self, named: str, offered: OfferedPrompt) -> Command:
        async def speak(rest: str) -> Spoken:
            text = await self._hub.prompt(named, arguments(rest, offered.arguments))
            return Spoken(text)  # a server's words point at nothing

        hint = " ".join(f"{a[:-1]}=…" if a.endswith("!") else f"[{a}=…]" for a in offered.arguments)
        return Command(offered.description or "a prompt of an MCP server", hint, speak)


def arguments(text: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return what is typed behind a prompt's name, by argument.

    Raises:
        UsageError: it has quotes that do not close, or is more than the prompt takes.
    """
    known = [name.removesuffix("!") for name in names]
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"`{text}` cannot be taken apart: {error}") from error
    found: dict[str, str] = {}
    plain = []
    for word in words:
        name, sign, value = word.partition("=")
        if sign and name in known:
            found[name] = value
        else:
            plain.append(word)
    left = [name for name in known if name not in found]
    if len(left) == 1 and plain:
        plain = [" ".join(plain)]
    if len(plain) > len(left):
        takes = f"it takes {', '.join(known)}" if known else "it takes nothing"
        raise UsageError(f"`{plain[len(left)]}` is more than the prompt takes", hint=takes)
    return {**found, **dict(zip(left, plain, strict=False))}


async def obey(session: Session, rest: str) -> str:
    """Do what `/mcp …` says; return what to tell the person.

    Raises:
        QcodeError: it cannot be done.
    """
    hub = hub_of(session)
    if hub is None:
        return "no MCP server is defined; `qcode mcp add` defines one"
    word, _, name = rest.partition(" ")
    match word:
        case "":
            return hub.table()
        case "tools":
            return hub.described(name.strip())
        case "restart":
            await hub.restart(name.strip())
            return f"`{name.strip()}` runs anew"
    raise UsageError(
        f"`/mcp` does not know `{word}`", hint="`/mcp tools NAME`, `/mcp restart NAME`"
    )


def hub_of(session: Session) -> Hub | None:
    """Return the servers of a session; None: it has none."""
    composer = session.composer
    parts = composer.parts if isinstance(composer, Composing) else ()
    return next((part.hub for part in parts if isinstance(part, ToolsOfServers)), None)


def resources_of(session: Session) -> list[tuple[str, str]]:
    """Return what a session's servers have to be pointed at, each with what it is."""
    hub = hub_of(session)
    return hub.resources() if hub is not None else []


def arguments_of(session: Session) -> list[tuple[str, str]]:
    """Return what may follow `/mcp`, each with what it does."""
    hub = hub_of(session)
    names = hub.connections if hub is not None else ()
    return [
        *((f"tools {name}", "lists what it offers") for name in names),
        *((f"restart {name}", "starts it anew") for name in names),
    ]
