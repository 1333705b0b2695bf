"""Where in a turn the files' states are kept, with the real checkpoints on real files."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path

import scripted_server as scripted

from qcode import events
from qcode.agent import Agent, Checkpoints
from qcode.approvals import Nobody
from qcode.checkpoints.in_session import SessionCheckpoints
from qcode.errors import QcodeError
from qcode.events import Event, TurnEnd, TurnFinished
from qcode.journal.writing import Journal, new_id
from qcode.messages import ToolMessage
from qcode.permissions import Mode
from qcode.providers import ToolSpec
from qcode.providers.chat import ChatProvider
from qcode.sandbox.plain import Plain
from qcode.session import JournalledHistory, Session
from qcode.tools import default_tools
from qcode.tools.base import Context
from qcode.tools.jobs import Jobs
from qcode.tools.schema import schema
from qcode.workspace import Workspace


def session_in(
    tmp_path: Path,
    server: scripted.ScriptedServer,
    checkpoints: Checkpoints | None = None,
    mode: Mode = Mode.YOLO,
) -> Session:
    root = tmp_path / "work"
    root.mkdir(exist_ok=True)
    tools = {tool.name: tool for tool in default_tools()}
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
        approver=Nobody(),
        mode=mode,
        max_output_tokens=500,
        new_call_id=lambda: f"id_{next(numbers)}",
        checkpoints=checkpoints
        or SessionCheckpoints(root, "s1", tmp_path / "state", lambda _text: None),
    )
    journal = Journal.create(tmp_path / "sessions", {"id": new_id(), "cwd": str(root)})
    return Session("s1", agent, JournalledHistory(journal))


async def play(session: Session, text: str = "do it") -> list[Event]:
    try:
        return [event async for event in session.send(text)]
    finally:
        await session.close()


def names(seen: Sequence[Event]) -> list[str]:
    wanted = (events.ToolStarted, events.CheckpointMade, events.ToolFinished)
    return [type(event).__name__ for event in seen if isinstance(event, wanted)]


def test_each_call_that_changes_files_is_a_step(tmp_path: Path) -> None:
    script = [
        scripted.call("write_file", file_path="a.txt", content="a\n"),
        scripted.call("run_shell_command", command="true"),
        scripted.call("read_file", file_path="a.txt"),
        scripted.call("run_shell_command", command="rm a.txt"),
        scripted.text("Done."),
    ]
    with scripted.ScriptedServer(script) as server:
        seen = asyncio.run(play(session_in(tmp_path, server)))
    group = ["ToolStarted", "CheckpointMade", "ToolFinished"]
    assert names(seen) == [*group, *group[::2], *group[::2], *group]
    steps = [event.step for event in seen if isinstance(event, events.CheckpointMade)]
    assert steps == [1, 2]


def test_reading_and_what_is_refused_keeps_nothing(tmp_path: Path) -> None:
    script = [
        scripted.call("list_directory", path="."),
        scripted.call("write_file", file_path="a.txt", content="a\n"),
        scripted.text("Done."),
    ]
    with scripted.ScriptedServer(script) as server:
        session = session_in(tmp_path, server, mode=Mode.PLAN)
        kept = session.agent.checkpoints
        assert isinstance(kept, SessionCheckpoints)
        asyncio.run(play(session))
    assert not (tmp_path / "work/a.txt").exists()
    assert not (tmp_path / "state").exists()


class Broken:
    """Checkpoints on a full disk."""

    def __init__(self, *, before: bool) -> None:
        self.fails_before = before

    async def before(self, title: str, call_id: str, paths: Sequence[str]) -> None:
        if self.fails_before:
            raise QcodeError("no space left", hint="free some")

    async def after(self) -> tuple[int, str] | None:
        raise QcodeError("no space left", hint="free some")

    async def close(self) -> None:
        pass


def test_nothing_is_run_that_could_not_be_taken_back(tmp_path: Path) -> None:
    script = [
        scripted.call("write_file", file_path="a.txt", content="a\n"),
        scripted.text("I could not."),
    ]
    with scripted.ScriptedServer(script) as server:
        session = session_in(tmp_path, server, Broken(before=True))
        seen = asyncio.run(play(session))
    assert not (tmp_path / "work/a.txt").exists()
    (answer,) = [m for m in session.history.items if isinstance(m, ToolMessage)]
    assert answer.is_error
    assert answer.text.startswith(
        "Not run, since the files as they are could not be kept: no space"
    )
    assert isinstance(seen[-1], TurnFinished)
    assert seen[-1].end is TurnEnd.ANSWERED


def test_a_result_says_what_could_not_be_kept(tmp_path: Path) -> None:
    script = [
        scripted.call("write_file", file_path="a.txt", content="a\n"),
        scripted.text("Done."),
    ]
    with scripted.ScriptedServer(script) as server:
        session = session_in(tmp_path, server, Broken(before=False))
        asyncio.run(play(session))
    (answer,) = [m for m in session.history.items if isinstance(m, ToolMessage)]
    assert "Created a.txt" in answer.text
    assert "could not be kept: no space left" in answer.text


def test_an_interrupted_command_is_a_step_as_well(tmp_path: Path) -> None:
    script = [scripted.call("run_shell_command", command="echo half > a.txt; exec sleep 60")]

    async def interrupt(session: Session) -> list[Event]:
        seen = []
        try:
            async for event in session.send("do it"):
                seen.append(event)
                if isinstance(event, events.ToolStarted):
                    asyncio.get_running_loop().call_later(0.7, session.interrupt)
            kept = session.agent.checkpoints
            assert isinstance(kept, SessionCheckpoints)

            def take_back(its: object) -> None:
                from qcode.checkpoints.keeper import Checkpoints as Keeper

                assert isinstance(its, Keeper)
                its.look()
                its.go(its.undo_plan())

            assert (tmp_path / "work/a.txt").read_text() == "half\n"
            await kept.use(take_back)
        finally:
            await session.close()
        return seen

    with scripted.ScriptedServer(script) as server:
        seen = asyncio.run(interrupt(session_in(tmp_path, server)))
    assert isinstance(seen[-1], TurnFinished)
    assert seen[-1].end is TurnEnd.INTERRUPTED
    assert not (tmp_path / "work/a.txt").exists()
