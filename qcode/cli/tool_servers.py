"""From settings to the MCP servers of a session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qcode import paths
from qcode.composing import Composing, Memory, Note, Told
from qcode.extensions.wishes import read_settings
from qcode.mcp.servers import Defined, defined, tables_of_project
from qcode.messages import UserMessage
from qcode.providers import ToolSpec
from qcode.sandbox.environment import child_environment
from qcode.sandbox.policy import Tier

if TYPE_CHECKING:
    from pathlib import Path

    from qcode.config import Settings
    from qcode.mcp.connection import Surroundings
    from qcode.mcp.hub import Hub
    from qcode.mcp.oauth import Login
    from qcode.sandbox.sandbox import Sandbox
    from qcode.session import Session


def servers_of(settings: Settings, cwd: Path) -> Defined:
    """Return the servers that the settings and a trusted project's files define."""
    tables = [("config.toml", settings.mcp_servers)]
    if settings.extensions_trusted:
        tables += tables_of_project(cwd, read_settings)
    return defined(tables, os.environ)


def surroundings_of(
    sandbox: Sandbox, cwd: Path, login: Login | None = None, *, drop: tuple[str, ...] = ()
) -> Surroundings:
    """Return what servers are started with: outside the sandbox, but without the secrets that
    commands do not get either."""
    from qcode.mcp.connection import Surroundings
    from qcode.sandbox.plain import Plain

    environment = child_environment(os.environ, policy=sandbox.policy, tier=Tier.NONE, drop=drop)
    return Surroundings(
        cwd=cwd,
        outside=Plain(environment),
        inside=sandbox,
        tokens=paths.state_dir() / "mcp",
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
    if not servers:
        return
    from qcode.mcp.hub import Hub

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
    )
    tool = hub.use_tool
    agent.tools[tool.name] = tool
    agent.schemas[tool.name] = tool.parameters()
    agent.tell_of(ToolSpec(tool.name, tool.description, tool.parameters()))
    trusted = tuple(f"mcp({server.name}:*)" for server in servers if server.trust)
    agent.rules = agent.rules.allowing(trusted)
    if any("`use_tool`" in m.before for m in session.history.items if isinstance(m, UserMessage)):
        hub.assume_told()
    if isinstance(session.composer, Composing):
        parts = session.composer.parts
        # Behind the instructions, which a server may have read ahead, before what is of now.
        at = sum(isinstance(part, Memory) for part in parts)
        session.composer.parts = (*parts[:at], ToolsOfServers(hub), *parts[at:])
    session.closing.append(hub.close)


class ToolsOfServers:
    """What servers offer, told before the first message, and what changed of it later."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    async def tell(self, said: str, *, is_first: bool) -> Told:
        """Tell the names of what there is to call."""
        return Told(before=await self.hub.tell(is_first=is_first))


def hub_of(session: Session) -> Hub | None:
    """Return the servers of a session; None: it has none."""
    composer = session.composer
    parts = composer.parts if isinstance(composer, Composing) else ()
    return next((part.hub for part in parts if isinstance(part, ToolsOfServers)), None)
