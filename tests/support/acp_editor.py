"""An editor for `qcode acp`, made with the official library's client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from acp import PROTOCOL_VERSION, RequestError, spawn_agent_process
from acp.schema import (
    AllowedOutcome,
    ClientCapabilities,
    DeniedOutcome,
    FileSystemCapabilities,
    ReadTextFileResponse,
    RequestPermissionResponse,
)
from program import COMMAND

Answer = Callable[[Any], Any]


class Editor:
    """Shows nothing, but remembers all; answers questions as it is told."""

    def __init__(self, answer: str | Answer = "once") -> None:
        self.answer = answer
        self.updates: list[tuple[str, Any]] = []
        self.asked: list[Any] = []
        self.is_asked = asyncio.Event()
        self.buffers: dict[str, str] = {}
        self.saved: list[str] = []
        self.can_save = True
        self.news = asyncio.Event()
        self.agent: Any = None

    async def request_permission(
        self, session_id: str, tool_call: Any, options: Any, **_: Any
    ) -> RequestPermissionResponse:
        self.asked.append((tool_call, options))
        self.is_asked.set()
        answer = self.answer
        if callable(answer):
            answer = await answer(tool_call)
        if answer == "cancelled":
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        return RequestPermissionResponse(
            outcome=AllowedOutcome(outcome="selected", option_id=str(answer))
        )

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        self.updates.append((session_id, update))
        self.news.set()

    async def read_text_file(self, session_id: str, path: str, **_: Any) -> ReadTextFileResponse:
        if path in self.buffers:
            return ReadTextFileResponse(content=self.buffers[path])
        raise RequestError.resource_not_found(path)

    async def write_text_file(self, session_id: str, path: str, content: str, **_: Any) -> None:
        if not self.can_save:
            raise RequestError.internal_error()
        Path(path).write_text(content)
        self.buffers[path] = content
        self.saved.append(path)

    async def ext_method(self, method: str, params: Any) -> dict[str, Any]:
        return {}

    async def ext_notification(self, method: str, params: Any) -> None:
        pass

    def on_connect(self, conn: Any) -> None:
        self.agent = conn

    def of(self, kind: str) -> list[Any]:
        """The updates of a kind, in order."""
        return [update for _, update in self.updates if update.session_update == kind]

    def said(self, session_id: str | None = None) -> str:
        """What the agent said."""
        return "".join(
            update.content.text
            for of, update in self.updates
            if update.session_update == "agent_message_chunk" and session_id in (None, of)
        )

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until what the agent sent makes it so."""
        async with asyncio.timeout(20):
            while not is_so():
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def connected(
    editor: Editor,
    base_url: str | None,
    *arguments: str,
    fs: bool = False,
    cwd: Path | None = None,
) -> AsyncIterator[tuple[Any, Any]]:
    """Start the agent and introduce the editor to it; yield connection and process."""
    env = {**os.environ, "QCODE_MODEL": "scripted"}
    if base_url:
        env["QCODE_BASE_URL"] = base_url
    async with (
        spawn_agent_process(
            editor,  # type: ignore[arg-type]
            COMMAND[0],
            *COMMAND[1:],
            "acp",
            *arguments,
            env=env,
            cwd=cwd,
        ) as (agent, process)
    ):
        files = FileSystemCapabilities(read_text_file=fs, write_text_file=fs)
        await agent.initialize(PROTOCOL_VERSION, ClientCapabilities(fs=files))
        yield agent, process
