"""A session on a scripted model server, and its turns from start to end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import scripted_server as scripted

from qcode.agent import Agent
from qcode.approvals import Approver, Nobody
from qcode.budget import Budget
from qcode.events import Event, TurnEnd, TurnFinished
from qcode.journal.writing import Journal, new_id
from qcode.permissions import Mode
from qcode.providers import ToolSpec
from qcode.providers.chat import ChatProvider
from qcode.sandbox.plain import Plain
from qcode.session import JournalledHistory, Session
from qcode.tools import default_tools
from qcode.tools.base import Context, Tool
from qcode.tools.jobs import Jobs
from qcode.tools.schema import schema
from qcode.workspace import Workspace


def make_session(
    tmp_path: Path,
    server: scripted.ScriptedServer,
    *more: Tool[Any],
    mode: Mode = Mode.YOLO,
    approver: Approver | None = None,
    budget: Budget | None = None,
) -> Session:
    root = tmp_path / "work"
    root.mkdir(exist_ok=True)
    tools = {tool.name: tool for tool in (*default_tools(), *more)}
    numbers = itertools.count(1)
    agent = Agent(
        provider=ChatProvider(base_url=server.base_url, model="scripted"),
        system="be good",
        tools=tools,
        specs=tuple(ToolSpec(t.name, t.description, schema(t.params)) for t in tools.values()),
        context=Context(
            workspace=Workspace.at(root),
            seen={},
            spill_dir=tmp_path / "spill",
            jobs=Jobs(),
            launcher=Plain({"PATH": "/usr/bin:/bin"}),
        ),
        approver=approver or Nobody(),
        mode=mode,
        max_output_tokens=500,
        new_call_id=lambda: f"id_{next(numbers)}",
    )
    session_id = new_id()
    journal = Journal.create(tmp_path / "sessions", {"id": session_id, "cwd": str(root)})
    return Session(session_id, agent, JournalledHistory(journal), budget or Budget())


async def collect(stream: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in stream]


def play(session: Session, *texts: str) -> list[Event]:
    async def turns() -> list[Event]:
        seen: list[Event] = []
        try:
            for text in texts:
                seen += await collect(session.send(text))
        finally:
            await session.close()
        return seen

    return asyncio.run(turns())


def end_of(seen: Sequence[Event]) -> TurnEnd:
    assert isinstance(seen[-1], TurnFinished)
    return seen[-1].end
