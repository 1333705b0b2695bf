"""The Python API against a real server on loopback, with real files, git and processes."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from scripted_server import Reply, ScriptedServer, Seen, Stream, call, fault, stall, text

import qcode.api
from qcode import Agent, events, tool
from qcode.api import (
    ApprovalRequest,
    Budget,
    Decision,
    Effect,
    Event,
    Heard,
    Options,
    QcodeError,
    TextDelta,
    ToolFinished,
    ToolOutput,
    ToolStarted,
    TurnEnd,
    TurnError,
    TurnFinished,
    UsageError,
    UserMessage,
    run_sync,
)
from qcode.record import Record
from qcode.sandbox import house
from qcode.sandbox.plain import Plain
from qcode.sandbox.sandbox import Sandbox


async def read(agent: Agent, said: str) -> list[Event]:
    async with aclosing(agent.run(said)) as stream:
        return [event async for event in stream]


async def test_a_turn_is_read_as_events_and_the_session_goes_on(project: Path) -> None:
    before = (Path.cwd(), dict(os.environ))
    script = [call("read_file", file_path="a.txt"), text("it says alpha"), text("yes"), text("so")]
    with ScriptedServer(script) as server:
        async with Agent(project, base_url=server.base_url, model="m") as agent:
            happened = await read(agent, "what is in a.txt?")
            result = await agent.ask("are you sure?")
            session_id = agent.session_id
        async with Agent(project, base_url=server.base_url, model="m", resume=session_id) as again:
            await again.ask("go on")
            said = [m.text for m in again.messages if isinstance(m, UserMessage)]
            assert again.usage.input_tokens == 4000

        assert isinstance(happened[-1], TurnFinished)
        assert "".join(e.text for e in happened if isinstance(e, TextDelta)) == "it says alpha"
        assert [e.call.name for e in happened if isinstance(e, ToolStarted)] == ["read_file"]
        assert (result.text, result.end, result.steps) == ("yes", TurnEnd.ANSWERED, 1)
        assert (result.usage.input_tokens, result.changed, result.diff) == (1000, (), "")
        assert said == ["what is in a.txt?", "are you sure?", "go on"]
        assert len(server.requests[3].json["messages"]) > len(server.requests[2].json["messages"])
    assert (Path.cwd(), dict(os.environ)) == before


async def test_what_a_turn_changed_is_told_and_can_be_taken_back(project: Path) -> None:
    script = [
        call("write_file", file_path="first.txt", content="one\n"),
        text("made"),
        call("edit", file_path="a.txt", old_string="alpha", new_string="beta"),
        text("changed"),
        text("seen"),
    ]
    with ScriptedServer(script) as server:
        async with Agent(
            project, base_url=server.base_url, model="m", approve="auto-edit"
        ) as agent:
            first = await agent.ask("make first.txt")
            second = await agent.ask("change a.txt")

            assert (first.changed, second.changed) == (("first.txt",), ("a.txt",))
            assert "+beta" in second.diff
            assert "first.txt" not in second.diff

            assert await agent.undo() == ("a.txt",)
            assert (project / "a.txt").read_text() == "alpha\n"
            assert await agent.redo() == ("a.txt",)
            assert await agent.undo(1) == ("a.txt", "first.txt")
            assert not (project / "first.txt").exists()
            with pytest.raises(UsageError, match="nothing to undo"):
                await agent.undo()
            await agent.ask("look")
        assert "first.txt" in str(server.requests[-1].json["messages"][-1])


async def test_a_function_decides_about_calls(project: Path) -> None:
    asked: list[ApprovalRequest] = []
    threads: set[threading.Thread] = set()

    def decide(request: ApprovalRequest) -> bool | str | Decision:
        asked.append(request)
        threads.add(threading.current_thread())
        return "leave that file alone" if "a.txt" in request.summary else True

    script = [
        call("write_file", file_path="new.txt", content="x\n"),
        call("edit", file_path="a.txt", old_string="alpha", new_string="beta"),
        text("done"),
        call("write_file", file_path="other.txt", content="x\n"),
        text("done"),
    ]
    with ScriptedServer(script) as server:
        options = Options(base_url=server.base_url, model="m")
        deciding = Options(base_url=server.base_url, model="m", approve=decide)
        async with Agent(project, **deciding) as agent:
            result = await agent.ask("go")
        async with Agent(project, **options) as nobody:
            refused = await nobody.ask("go")

        told = [m for m in server.requests[2].json["messages"] if m["role"] == "tool"]
        assert "leave that file alone" in told[-1]["content"]
    assert [request.call.name for request in asked] == ["write_file", "edit"]
    assert asked[0].files
    assert threading.main_thread() not in threads
    assert result.changed == ("new.txt",)
    assert (refused.changed, (project / "a.txt").read_text()) == ((), "alpha\n")


async def test_a_function_changes_a_call_before_it_is_run(project: Path) -> None:
    asked: list[ApprovalRequest] = []

    def decide(request: ApprovalRequest) -> Decision:
        asked.append(request)
        changed = {"file_path": "b.txt"} if "bad" in request.call.arguments else {
            **json.loads(request.call.arguments), "content": "changed\n",
        }  # fmt: skip
        return Decision(allowed=True, arguments=json.dumps(changed))

    script = [
        call("write_file", file_path="b.txt", content="x\n"),
        call("write_file", file_path="b.txt", content="bad\n"),
        text("done"),
    ]
    with ScriptedServer(script) as server:
        async with Agent(project, base_url=server.base_url, model="m", approve=decide) as agent:
            result = await agent.ask("go")
        last = server.requests[2].json["messages"][-1]["content"]

    assert (project / "b.txt").read_text() == "changed\n"
    assert [request.is_changed for request in asked] == [False, True, False, False]
    assert "`content` is missing" in last
    assert result.changed == ("b.txt",)


async def test_what_a_callback_raises_comes_out_and_the_session_can_go_on(project: Path) -> None:
    async def decide(_request: ApprovalRequest) -> bool:
        raise LookupError("no such rule")

    script = [call("write_file", file_path="b", content=""), text("fine")]
    with ScriptedServer(script) as server:
        async with Agent(project, base_url=server.base_url, model="m", approve=decide) as agent:
            with pytest.raises(LookupError, match="no such rule"):
                await agent.ask("go")
            assert (await agent.ask("again")).text == "fine"
    assert [m["role"] for m in server.requests[1].json["messages"]][-2:] == ["tool", "user"]


async def test_failures_are_errors_with_all_there_is(project: Path) -> None:
    script: list[Reply] = [call("read_file", file_path="a.txt"), fault(401, "bad key")]
    with ScriptedServer(script) as server:
        async with Agent(project, base_url=server.base_url, model="m") as agent:
            with pytest.raises(QcodeError, match="not open"):
                await Agent(project).ask("x")
            with pytest.raises(TurnError) as caught:
                await agent.ask("go")
            assert caught.value.exit_code == 3
            assert caught.value.result.end is TurnEnd.PROVIDER
            with pytest.raises(QcodeError, match="no turn is under way"):
                agent.steer("x")
    with pytest.raises(UsageError, match="is not a directory"):
        await Agent(project / "nowhere", base_url="http://127.0.0.1:9/v1", model="m").open()
    with pytest.raises(UsageError, match="no option `modle`"):
        await Agent(project, modle="m").open()  # type: ignore[call-arg]
    with pytest.raises(QcodeError, match="event loop runs"):
        run_sync("x", project)


def test_all_events_are_part_of_the_api() -> None:
    defined = {name for name, each in vars(events).items() if isinstance(each, type)
               and issubclass(each, Record) and each is not Record}  # fmt: skip
    defined = {name for name in defined if vars(events)[name].__module__ == "qcode.events"}

    assert "TurnFinished" in defined
    assert defined - set(qcode.api.__all__) == set()
    assert [name for name in qcode.api.__all__ if not hasattr(qcode.api, name)] == []


async def test_a_turn_is_steered_interrupted_and_closed(project: Path) -> None:
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def silence(_seen: Seen) -> Reply:
        loop.call_soon_threadsafe(asked.set)
        return stall(text("never"))

    script: list[Reply | Callable[[Seen], Reply]] = [
        call("read_file", file_path="a.txt"),
        text("heard"),
        silence,
        call("run_shell_command", command="echo begun; sleep 300.0417", description="sleep"),
    ]
    with ScriptedServer(script) as server:
        agent = Agent(project, base_url=server.base_url, model="m", approve="yolo")
        await agent.open()
        heard = []
        async with aclosing(agent.run("go")) as stream:
            async for event in stream:
                if isinstance(event, ToolStarted):
                    agent.steer("and be quick, not as in @a.txt")
                    with pytest.raises(QcodeError, match="a turn is under way"):
                        await read(agent, "x")
                heard += [event] if isinstance(event, Heard) else []
        assert [event.text for event in heard] == ["and be quick, not as in @a.txt"]
        assert "alpha" not in str(server.requests[1].json["messages"][-1])

        asking = asyncio.ensure_future(agent.ask("wait", check=False))
        await asked.wait()
        agent.interrupt()
        assert (await asking).end is TurnEnd.INTERRUPTED

        async for event in agent.run("sleep"):
            if isinstance(event, ToolOutput):
                assert "begun" in event.text
                assert commands("sleep 300.0417")
                await agent.close()
                await agent.close()
    assert commands("sleep 300.0417") == []


async def test_a_turn_that_nobody_waits_for_any_more_is_no_hindrance(project: Path) -> None:
    script = [call("read_file", file_path="a.txt"), stall(text("x")), stall(text("x")), text("so")]
    with ScriptedServer(script) as server:
        async with Agent(project, base_url=server.base_url, model="m") as agent:
            async for event in agent.run("go"):
                if isinstance(event, ToolFinished):
                    break  # without closing the generator
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await agent.ask("again")
            assert (await agent.ask("and now?")).text == "so"
            with pytest.raises(UsageError, match="nothing to say"):
                await agent.ask("  ")


async def test_each_agent_has_its_own_launcher_for_git(project: Path, other: Path) -> None:
    met, seen = asyncio.Barrier(2), {}

    @tool(effect=Effect.READ)
    async def look(name: str) -> None:
        """Look."""
        await met.wait()
        seen[name] = house.launcher(), await asyncio.to_thread(house.launcher)

    def script(name: str) -> list[Reply]:
        return [call("look", name=name), text("done")]

    async def work(folder: Path) -> None:
        with ScriptedServer(script(folder.name)) as server:
            async with Agent(folder, base_url=server.base_url, model="m", tools=[look]) as agent:
                await agent.ask("go")

    await asyncio.gather(work(project), work(other))

    (first, in_thread), (second, _) = seen["project"], seen["other"]
    assert first is in_thread
    assert first is not second
    assert isinstance(first, Sandbox)
    assert isinstance(house.launcher(), Plain)


def commands(wanted: str) -> list[str]:
    """Return the processes with that command line, whoever has started them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
        except OSError:
            continue
        found += [folder.name] if line == wanted else []
    return found


def reviews(seen: Seen) -> Stream:
    last = seen.json["messages"][-1]
    if last["role"] == "tool":
        return text(f"ran: {last['content'].split()[0]}")
    if "run" in last["content"]:
        return call("run_shell_command", command="pwd", description="where")
    return text(f"read: {last['content'].split()[-1]}")


async def test_agents_work_side_by_side_in_one_loop_and_in_threads(
    project: Path, other: Path
) -> None:
    with ScriptedServer(reviews) as server:
        budget = Budget(max_tokens=2500)

        async def review(folder: Path, name: str) -> str:
            async with Agent(folder, base_url=server.base_url, model="m", budget=budget) as agent:
                return (await agent.ask(f"review {name}", check=False)).text

        names = ["one", "two", "three"]
        folders = [project, other, project]
        found = await asyncio.gather(*map(review, folders, names))
        assert found == ["read: one", "read: two", "read: three"]
        assert budget.tokens == 3060
        assert await review(project, "four") == ""  # the budget is used up

        def in_thread(folder: Path) -> str:
            return run_sync("run it", folder, base_url=server.base_url, model="m").text

        said = await asyncio.gather(*(asyncio.to_thread(in_thread, each) for each in folders[:2]))
        assert said == [f"ran: {project}", f"ran: {other}"]
