"""What the protocol asks of an agent."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from acp import PROTOCOL_VERSION, RequestError, stdio_streams
from acp.agent.connection import AgentSideConnection
from acp.schema import (
    AgentCapabilities,
    ClientCapabilities,
    CloseSessionResponse,
    Implementation,
    InitializeResponse,
    ListSessionsResponse,
    LoadSessionResponse,
    McpCapabilities,
    NewSessionResponse,
    PromptCapabilities,
    PromptResponse,
    ResumeSessionResponse,
    SessionAdditionalDirectoriesCapabilities,
    SessionCapabilities,
    SessionCloseCapabilities,
    SessionInfo,
    SessionListCapabilities,
    SessionMode,
    SessionModeState,
    SessionResumeCapabilities,
    SetSessionModeResponse,
)

from qcode import __version__, paths
from qcode.acp_agent.asking import EditorApprover
from qcode.acp_agent.buffers import EditorBuffers
from qcode.acp_agent.held import Held
from qcode.acp_agent.updates import Updates
from qcode.acp_agent.wire import LONGEST, Wire
from qcode.approvals import Approver
from qcode.cli.composer import learner_of
from qcode.errors import QcodeError, UsageError
from qcode.escapes import plain
from qcode.journal import listing
from qcode.permissions import Mode
from qcode.session import Session

log = logging.getLogger(__name__)

PAGE = 50
"""Sessions that are listed at once."""

_MODES = {
    Mode.PLAN: ("Plan", "nothing is changed"),
    Mode.DEFAULT: ("Ask", "edits and commands are asked about"),
    Mode.AUTO_EDIT: ("Edit", "commands are asked about"),
    Mode.YOLO: ("Do all", "nothing is asked about"),
}

Opened = tuple[Session, bool | None]
Opener = Callable[..., Coroutine[Any, Any, Opened]]
"""Opens a session: approver, directory, more of them, tables of servers, the entry to go on with.
Returns it with whether its model takes pictures."""


class QcodeAgent:
    """qcode as editors see it; any number of sessions at once."""

    def __init__(self, open_session: Opener) -> None:
        self._open = open_session
        self._client: Any = None
        self._held: dict[str, Held] = {}
        self._capabilities = ClientCapabilities()
        self._tasks: set[asyncio.Task[None]] = set()

    def on_connect(self, conn: Any) -> None:
        """Take the connection to the editor."""
        self._client = conn

    async def initialize(
        self,
        protocol_version: int,
        client_capabilities: ClientCapabilities | None = None,
        client_info: Implementation | None = None,
        **_more: Any,
    ) -> InitializeResponse:
        """Tell what there is."""
        self._capabilities = client_capabilities or ClientCapabilities()
        return InitializeResponse(
            protocol_version=min(protocol_version, PROTOCOL_VERSION) or PROTOCOL_VERSION,
            agent_info=Implementation(name="qcode", title="QCode", version=__version__),
            auth_methods=[],
            agent_capabilities=AgentCapabilities(
                load_session=True,
                prompt_capabilities=PromptCapabilities(image=True, embedded_context=True),
                mcp_capabilities=McpCapabilities(http=True, sse=True),
                session_capabilities=SessionCapabilities(
                    list=SessionListCapabilities(),
                    resume=SessionResumeCapabilities(),
                    close=SessionCloseCapabilities(),
                    additional_directories=SessionAdditionalDirectoriesCapabilities(),
                ),
            ),
        )

    async def authenticate(self, method_id: str, **_more: Any) -> None:
        """Refuse: there is nothing to log in to; keys are in the environment."""
        raise RequestError(-32602, "qcode has no login; its model's key is in the environment")

    # Sessions.

    async def new_session(
        self,
        cwd: str,
        additional_directories: list[str] | None = None,
        mcp_servers: list[Any] | None = None,
        **_more: Any,
    ) -> NewSessionResponse:
        """Begin one."""
        held = await self._begin(cwd, additional_directories, mcp_servers, None)
        return NewSessionResponse(session_id=held.session.id, modes=_modes(held))

    async def load_session(
        self,
        cwd: str,
        session_id: str,
        mcp_servers: list[Any] | None = None,
        additional_directories: list[str] | None = None,
        **_more: Any,
    ) -> LoadSessionResponse:
        """Go on with one, and show what was said in it."""
        held = await self._again(cwd, session_id, additional_directories, mcp_servers)
        await held.replay()
        return LoadSessionResponse(modes=_modes(held))

    async def resume_session(
        self,
        session_id: str,
        cwd: str,
        additional_directories: list[str] | None = None,
        mcp_servers: list[Any] | None = None,
        **_more: Any,
    ) -> ResumeSessionResponse:
        """Go on with one that the editor still shows."""
        held = await self._again(cwd, session_id, additional_directories, mcp_servers)
        return ResumeSessionResponse(modes=_modes(held))

    async def list_sessions(
        self, cwd: str | None = None, cursor: str | None = None, **_more: Any
    ) -> ListSessionsResponse:
        """List those of a directory, or all, the last used first."""
        try:
            first = int(cursor or "0")
        except ValueError:
            raise RequestError(-32602, f"`{cursor}` is no cursor of qcode's") from None
        entries = await asyncio.to_thread(_listed, cwd, first)
        more = len(entries) > PAGE
        return ListSessionsResponse(
            sessions=[_info(entry) for entry in entries[:PAGE]],
            next_cursor=str(first + PAGE) if more else None,
        )

    async def close_session(self, session_id: str, **_more: Any) -> CloseSessionResponse:
        """End one; it can be loaded again."""
        held = self._held.pop(session_id, None)
        if held is not None:
            await held.close()
        return CloseSessionResponse()

    async def _again(
        self,
        cwd: str,
        session_id: str,
        more: list[str] | None,
        servers: list[Any] | None,
    ) -> Held:
        if (before := self._held.pop(session_id, None)) is not None:
            await before.close()
        try:
            entry = listing.find(paths.state_dir() / "sessions", session_id)
        except UsageError as error:
            raise RequestError(-32002, str(error)) from error
        return await self._begin(cwd, more, servers, entry)

    async def _begin(
        self,
        cwd: str,
        more: list[str] | None,
        servers: list[Any] | None,
        entry: listing.Entry | None,
    ) -> Held:
        folders = [Path(cwd), *map(Path, more or ())]
        for folder in folders:
            if not folder.is_absolute() or not folder.is_dir():
                raise RequestError(-32602, f"`{plain(str(folder))}` is no directory")
        asked = EditorApprover(lambda: self._client)
        approver: Approver = asked
        try:
            session, vision = await self._open(
                approver, folders[0], tuple(folders[1:]), tables_of(servers or ()), entry
            )
        except QcodeError as error:
            raise RequestError(-32603, str(error)) from error
        agent = session.agent
        root = agent.context.workspace.root
        updates = Updates(lambda: agent.tools, root)
        asked.session_id, asked.updates = session.id, updates
        agent.context.landed = updates.landed
        files = self._capabilities.fs
        if files is not None and files.read_text_file:
            agent.buffers = EditorBuffers(
                lambda: self._client,
                session.id,
                agent.context,
                may_write=bool(files.write_text_file),
            )
        held = Held(
            session, lambda: self._client, updates, vision=vision, learner=learner_of(session)
        )
        self._held[session.id] = held
        # Behind the answer to this request: before it the editor does not know the session.
        asyncio.get_running_loop().call_soon(self._later, held)
        return held

    def _later(self, held: Held) -> None:
        task = asyncio.ensure_future(held.offer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _of(self, session_id: str) -> Held:
        held = self._held.get(session_id)
        if held is None:
            raise RequestError(
                -32002, f"there is no session `{plain(session_id)}` here; load it first"
            )
        return held

    # In a session.

    async def prompt(self, session_id: str, prompt: list[Any], **_more: Any) -> PromptResponse:
        """Run a turn."""
        return await self._of(session_id).prompt(prompt)

    async def cancel(self, session_id: str, **_more: Any) -> None:
        """End the turn under way."""
        if (held := self._held.get(session_id)) is not None:
            held.cancel()

    async def set_session_mode(
        self, session_id: str, mode_id: str, **_more: Any
    ) -> SetSessionModeResponse:
        """Set how much is done without asking."""
        held = self._of(session_id)
        if mode_id not in list(Mode):
            raise RequestError(-32602, f"there is no mode `{plain(mode_id)}`")
        held.session.agent.mode = Mode(mode_id)
        return SetSessionModeResponse()

    async def set_config_option(
        self, config_id: str, session_id: str, value: Any, **_more: Any
    ) -> None:
        """Refuse: none is offered."""
        raise RequestError(-32602, f"there is no option `{plain(config_id)}`")

    async def fork_session(self, session_id: str, cwd: str, **_more: Any) -> Any:
        """Refuse: it is not offered."""
        raise RequestError.method_not_found("session/fork")

    async def ext_method(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Refuse: there are none."""
        raise RequestError.method_not_found(method)

    async def ext_notification(self, method: str, params: dict[str, Any]) -> None:
        """Pass over what is not known."""

    async def close(self) -> None:
        """End all sessions."""
        held, self._held = [*self._held.values()], {}
        for outcome in await asyncio.gather(*(h.close() for h in held), return_exceptions=True):
            if isinstance(outcome, Exception):
                log.warning("a session could not be closed: %s", outcome)


async def serve(open_session: Opener) -> None:
    """Be an editor's agent until stdin ends."""
    reader, writer = await stdio_streams(limit=LONGEST)
    agent = QcodeAgent(open_session)
    connection = AgentSideConnection(agent, Wire(reader, writer), listening=False)  # type: ignore[arg-type]
    try:
        await connection.listen()
        # The library takes an interruption for the end of the input.
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise asyncio.CancelledError
    finally:
        await agent.close()
        await connection.close()


def _modes(held: Held) -> SessionModeState:
    return SessionModeState(
        current_mode_id=held.session.agent.mode.value,
        available_modes=[
            SessionMode(id=mode.value, name=name, description=about)
            for mode, (name, about) in _MODES.items()
        ],
    )


def _listed(cwd: str | None, first: int) -> list[listing.Entry]:
    wanted = os.path.realpath(cwd) if cwd else None
    every = (
        entry
        for entry in listing.entries(paths.state_dir() / "sessions")
        if entry.title and (wanted is None or os.path.realpath(entry.cwd) == wanted)
    )
    return [*islice(every, first, first + PAGE + 1)]


def _info(entry: listing.Entry) -> SessionInfo:
    when = datetime.fromtimestamp(entry.modified, UTC).isoformat()
    return SessionInfo(session_id=entry.id, cwd=entry.cwd, title=entry.title, updated_at=when)


def tables_of(servers: Iterable[Any]) -> dict[str, Any]:
    """Return the servers that an editor hands over, as the configuration has them."""
    tables: dict[str, Any] = {}
    for one in servers:
        if getattr(one, "command", None):
            tables[one.name] = {
                "command": one.command,
                "args": list(one.args),
                "env": {pair.name: pair.value for pair in one.env},
            }
        elif getattr(one, "url", None):
            headers = {pair.name: pair.value for pair in one.headers}
            tables[one.name] = {"url": one.url, "transport": one.type, "headers": headers}
    return tables
