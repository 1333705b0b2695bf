"""`qcode acp` as an editor finds it: the official library's client, a real process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from acp import RequestError, image_block, resource_link_block, text_block
from acp.helpers import audio_block, embedded_text_resource, resource_block
from acp.schema import EnvVariable, McpServerStdio
from acp_editor import Editor, connected
from program import COMMAND, repository
from scripted_server import Reply, Seen, call, text

EDIT = call("edit", file_path="a.py", old_string="return 1", new_string="return 2")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.py": "def f():\n    return 1\n", "b c.md": "one\ntwo\nthree\n"})


def bodies(server: scripted.ScriptedServer) -> list[Any]:
    return [seen.json for seen in server.requests if "chat" in seen.path]


def test_a_turn_is_shown_asked_about_and_taken_back(work: Path) -> None:
    async def hold() -> None:
        todos = [{"content": "mend f", "status": "in_progress"}]
        replies = [
            call("read_file", file_path="a.py", offset=1),
            EDIT,
            call("run_shell_command", command="echo hi"),
            call("todo_write", todos=todos),
            text("All done."),
        ]
        with scripted.ScriptedServer(replies) as server:
            editor = Editor()
            async with connected(editor, server.base_url) as (agent, _):
                opened = await agent.new_session(cwd=str(work), mcp_servers=[])
                session = opened.session_id
                assert opened.modes.current_mode_id == "default"
                done = await agent.prompt(session_id=session, prompt=[text_block("mend it")])
                assert done.stop_reason == "end_turn"
                assert done.usage.input_tokens > 0
                check_shown(editor, work)
                assert (work / "a.py").read_text() == "def f():\n    return 2\n"
                commands = editor.of("available_commands_update")[0].available_commands
                assert {"undo", "context", "compact"} <= {one.name for one in commands}
                await agent.prompt(session_id=session, prompt=[text_block("/undo")])
                assert (work / "a.py").read_text() == "def f():\n    return 1\n"
                await agent.prompt(session_id=session, prompt=[text_block("/context")])
                assert "instructions" in editor.said()
                with pytest.raises(RequestError, match="unknown command"):
                    await agent.prompt(session_id=session, prompt=[text_block("/undoo")])
                listed = await agent.list_sessions(cwd=str(work))
                assert [one.session_id for one in listed.sessions] == [session]
                assert listed.sessions[0].title == "mend it"

    asyncio.run(hold())


def check_shown(editor: Editor, work: Path) -> None:
    starts = editor.of("tool_call")
    assert [one.kind for one in starts] == ["read", "edit", "execute", "think"]
    assert starts[0].locations[0].path == str(work / "a.py")
    assert starts[0].locations[0].line == 2
    assert starts[2].title == "echo hi"
    finished = [one for one in editor.of("tool_call_update") if one.status == "completed"]
    assert len(finished) == 4
    (diff,) = finished[1].content
    assert (diff.type, diff.path) == ("diff", str(work / "a.py"))
    assert (diff.old_text, diff.new_text) == (
        "def f():\n    return 1\n",
        "def f():\n    return 2\n",
    )
    assert "hi" in finished[2].content[0].content.text
    assert editor.of("plan")[-1].entries[0].content == "mend f"
    assert editor.said() == "All done."
    (edit, options), *_ = editor.asked
    assert edit.content[0].new_text == "def f():\n    return 2\n"
    kinds = [one.kind for one in options]
    assert kinds[0] == "allow_once"
    assert kinds[-1] == "reject_once"


def test_modes_and_answers_decide_what_is_asked(work: Path) -> None:
    async def hold() -> None:
        shell = call("run_shell_command", command="touch x")
        with scripted.ScriptedServer([EDIT, text("1"), shell, text("2"), shell, text("3")]) as s:
            editor = Editor("no")
            async with connected(editor, s.base_url) as (agent, _):
                session = (await agent.new_session(cwd=str(work), mcp_servers=[])).session_id
                await agent.set_session_mode(session_id=session, mode_id="auto-edit")
                await agent.prompt(session_id=session, prompt=[text_block("one")])
                assert editor.asked == []
                (diff,) = editor.of("tool_call_update")[-1].content
                assert diff.new_text == "def f():\n    return 2\n"
                await agent.prompt(session_id=session, prompt=[text_block("two")])
                assert not (work / "x").exists()
                assert "said no" in bodies(s)[-1]["messages"][-1]["content"]
                editor.answer = "session"
                await agent.prompt(session_id=session, prompt=[text_block("three")])
                assert (work / "x").exists()
                with pytest.raises(RequestError, match="no mode"):
                    await agent.set_session_mode(session_id=session, mode_id="wild")

    asyncio.run(hold())


def test_what_an_editor_sends_along_reaches_the_model(work: Path) -> None:
    async def hold() -> None:
        with scripted.ScriptedServer([text("Seen."), text("Seen.")]) as server:
            async with connected(Editor(), server.base_url) as (agent, _):
                session = (await agent.new_session(cwd=str(work), mcp_servers=[])).session_id
                uri = (work / "a.py").as_uri()
                link = resource_link_block("b c.md", f"{(work / 'b c.md').as_uri()}#L2-3")
                unsaved = resource_block(embedded_text_resource(uri, "def g():\x1b[2J\n    pass\n"))
                await agent.prompt(
                    session_id=session, prompt=[text_block("look at"), unsaved, link]
                )
                said = bodies(server)[0]["messages"][-1]["content"]
                assert "look at `a.py` @" in said
                assert "def g():\n    pass" in said
                assert "two\nthree" in said
                assert "one" not in said.split("b c.md")[-1]
                for block, why in (
                    (image_block("aGk=", "image/png"), "not known to see pictures"),
                    (audio_block("aGk=", "audio/wav"), "takes no audio"),
                ):
                    with pytest.raises(RequestError, match=why):
                        await agent.prompt(session_id=session, prompt=[text_block("x"), block])

    asyncio.run(hold())


def test_a_picture_reaches_a_model_that_sees(work: Path) -> None:
    config = work.parent / "config.toml"
    config.write_text("vision = true\n")

    async def hold() -> None:
        with scripted.ScriptedServer([text("A cat.")]) as server:
            asked = ("--config", str(config))
            async with connected(Editor(), server.base_url, *asked) as (agent, _):
                session = (await agent.new_session(cwd=str(work), mcp_servers=[])).session_id
                picture = image_block("aGk=", "image/png")
                await agent.prompt(session_id=session, prompt=[text_block("what is it?"), picture])
                with pytest.raises(RequestError, match="image/tiff cannot be shown"):
                    await agent.prompt(
                        session_id=session, prompt=[image_block("aGk=", "image/tiff")]
                    )
            said = bodies(server)[0]["messages"][-1]["content"]
        assert [part["type"] for part in said] == ["text", "image_url"]
        assert said[1]["image_url"]["url"] == "data:image/png;base64,aGk="

    asyncio.run(hold())


def test_unsaved_text_is_read_and_saved_before_it_is_edited(work: Path) -> None:
    async def hold() -> None:
        edit = call("edit", file_path="a.py", old_string="typed", new_string="mended")
        replies = [call("read_file", file_path="a.py"), edit, text("Done."), edit, text("No.")]
        with scripted.ScriptedServer(replies) as server:
            editor = Editor()
            path = str(work / "a.py")
            editor.buffers[path] = "def f():\n    return 1  # typed\n"
            async with connected(editor, server.base_url, fs=True) as (agent, _):
                session = (await agent.new_session(cwd=str(work), mcp_servers=[])).session_id
                await agent.prompt(session_id=session, prompt=[text_block("mend")])
                assert "# typed" in bodies(server)[1]["messages"][-1]["content"]
                assert editor.saved == [path]
                assert Path(path).read_text() == "def f():\n    return 1  # mended\n"
                shown = editor.asked[0][0].content[0]
                assert shown.old_text == "def f():\n    return 1  # typed\n"
                await agent.prompt(session_id=session, prompt=[text_block("/undo")])
                assert Path(path).read_text() == "def f():\n    return 1  # typed\n"
                # An editor that cannot save keeps what was typed.
                editor.buffers[path] = "def f():\n    return 9  # typed\n"
                editor.can_save = False
                await agent.prompt(session_id=session, prompt=[text_block("again")])
                assert "not saved" in bodies(server)[-1]["messages"][-1]["content"]
                assert Path(path).read_text() == "def f():\n    return 1  # typed\n"

    asyncio.run(hold())


def test_cancelling_ends_a_question_and_a_command(work: Path) -> None:
    async def hold() -> None:
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        sleeps = call("run_shell_command", command="echo begun; sleep 60")
        with scripted.ScriptedServer([EDIT, sleeps, text("Go on.")]) as server:
            editor = Editor(lambda _call: never)
            async with connected(editor, server.base_url) as (agent, _):
                session = (await agent.new_session(cwd=str(work), mcp_servers=[])).session_id

                def begin(words: str) -> asyncio.Task[Any]:
                    return asyncio.ensure_future(
                        agent.prompt(session_id=session, prompt=[text_block(words)])
                    )

                turn = begin("one")
                await editor.is_asked.wait()
                with pytest.raises(RequestError, match="under way"):
                    await agent.prompt(session_id=session, prompt=[text_block("two")])
                await agent.cancel(session_id=session)
                assert (await turn).stop_reason == "cancelled"
                assert "return 1" in (work / "a.py").read_text()
                await agent.set_session_mode(session_id=session, mode_id="yolo")
                turn = begin("three")
                await editor.until(lambda: "begun" in str(editor.of("tool_call_update")[-1:]))
                await agent.cancel(session_id=session)
                assert (await turn).stop_reason == "cancelled"
                assert (await begin("four")).stop_reason == "end_turn"
                assert editor.said() == "Go on."

    asyncio.run(hold())


def test_sessions_in_two_places_go_on_at_once(work: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    repository(other, {"a.py": "def f():\n    return 1\n"})

    async def hold() -> None:
        def reply(seen: scripted.Seen) -> Any:
            said = json.dumps(seen.json["messages"])
            return text("Ended.") if "Edited" in said else EDIT

        with scripted.ScriptedServer(reply) as server:
            editor = Editor()
            async with connected(editor, server.base_url, "-y") as (agent, _):
                opened = [
                    (await agent.new_session(cwd=str(place), mcp_servers=[])).session_id
                    for place in (work, other)
                ]
                turns = [
                    agent.prompt(session_id=session, prompt=[text_block("mend")])
                    for session in opened
                ]
                for done in await asyncio.gather(*turns):
                    assert done.stop_reason == "end_turn"
                for place in (work, other):
                    assert "return 2" in (place / "a.py").read_text()
                for session in opened:
                    assert editor.said(session) == "Ended."
                    await agent.prompt(session_id=session, prompt=[text_block("/undo")])
                for place in (work, other):
                    assert "return 1" in (place / "a.py").read_text()

    asyncio.run(hold())


def test_a_killed_agent_loses_nothing_that_was_shown(work: Path) -> None:
    async def hold() -> None:
        replies: list[Any] = [EDIT, scripted.stall(text("Nearly"), 2), text("On.")]
        with scripted.ScriptedServer(replies) as s:
            editor = Editor()
            async with connected(editor, s.base_url, "-y") as (agent, process):
                session = (await agent.new_session(cwd=str(work), mcp_servers=[])).session_id
                turn = asyncio.ensure_future(
                    agent.prompt(session_id=session, prompt=[text_block("mend")])
                )
                await editor.until(lambda: editor.said() != "")
                os.kill(process.pid, signal.SIGKILL)
                with pytest.raises((ConnectionError, RequestError)):
                    await turn
            again = Editor()
            async with connected(again, s.base_url) as (agent, _):
                loaded = await agent.load_session(cwd=str(work), session_id=session, mcp_servers=[])
                assert loaded.modes is not None
                assert again.of("user_message_chunk")[0].content.text == "mend"
                assert again.of("tool_call")[0].title == "edit a.py"
                assert again.said() == editor.said()
                done = await agent.prompt(session_id=session, prompt=[text_block("go on")])
                assert done.stop_reason == "end_turn"
                with pytest.raises(RequestError, match="nope"):
                    await agent.load_session(cwd=str(work), session_id="nope", mcp_servers=[])

    asyncio.run(hold())


def test_bad_requests_are_answered_and_the_agent_goes_on(work: Path) -> None:
    async def hold() -> None:
        replies: list[Any] = [scripted.fault(401, "bad key"), text("\x1b]0;x\x07Fine.")]
        with scripted.ScriptedServer(replies) as server:
            editor = Editor()
            async with connected(editor, server.base_url) as (agent, process):
                for cwd in ("relative", "/nowhere/at/all"):
                    with pytest.raises(RequestError, match="no directory"):
                        await agent.new_session(cwd=cwd, mcp_servers=[])
                with pytest.raises(RequestError, match="no session"):
                    await agent.prompt(session_id="x", prompt=[text_block("x")])
                session = (await agent.new_session(cwd=str(work), mcp_servers=[])).session_id
                with pytest.raises(RequestError, match="bad key"):
                    await agent.prompt(session_id=session, prompt=[text_block("x")])
                assert process.stdin is not None
                process.stdin.write(b"{broken\n[]\n\xff\xfe\n" + b"x" * 100_000 + b"\n")
                done = await agent.prompt(session_id=session, prompt=[text_block("x")])
                assert done.stop_reason == "end_turn"

    asyncio.run(hold())


def test_an_editor_that_goes_away_leaves_no_process_and_a_whole_session(work: Path) -> None:
    async def hold() -> None:
        sleeps = call("run_shell_command", command="echo $PPID > pid; sleep 300")
        with scripted.ScriptedServer([sleeps]) as server:
            editor = Editor()
            async with connected(editor, server.base_url, "-y") as (agent, process):
                session = (await agent.new_session(cwd=str(work), mcp_servers=[])).session_id
                turn = asyncio.ensure_future(
                    agent.prompt(session_id=session, prompt=[text_block("sleep")])
                )
                await editor.until(lambda: bool(editor.of("tool_call")))
                process.stdin.close()
                async with asyncio.timeout(15):
                    assert await process.wait() == 0, (await process.stderr.read()).decode()
                turn.cancel()
            async with connected(Editor(), server.base_url) as (agent, _):
                await agent.load_session(cwd=str(work), session_id=session, mcp_servers=[])

    asyncio.run(hold())


def test_an_interrupted_agent_says_so_by_its_exit_code(work: Path) -> None:
    async def hold() -> None:
        async with connected(Editor(), "http://127.0.0.1:1/v1") as (agent, process):
            await agent.new_session(cwd=str(work), mcp_servers=[])
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(15):
                assert await process.wait() == 130

    asyncio.run(hold())


def test_servers_of_the_editor_are_used(work: Path) -> None:
    async def hold() -> None:
        def reply(seen: Seen) -> Reply:
            if "UTC" in str(seen.json["messages"][-1]["content"]):
                return text("Late.")
            if "clock" not in json.dumps(seen.json):
                return text("There is no clock yet.")  # a slow machine still starts it
            return call("mcp__clock__get_current_time", timezone="UTC")

        with scripted.ScriptedServer(reply) as server:
            editor = Editor()
            clock = McpServerStdio(
                name="clock",
                command=sys.executable,
                args=["-m", "mcp_server_time", "--local-timezone", "UTC"],
                env=[EnvVariable(name="A", value="b")],
            )
            async with connected(editor, server.base_url) as (agent, _):
                session = (await agent.new_session(cwd=str(work), mcp_servers=[clock])).session_id
                for _ in range(6):
                    await agent.prompt(session_id=session, prompt=[text_block("how late is it?")])
                    if editor.asked:
                        break
                assert "outside the sandbox" in str(editor.asked[0][0].content)
                assert "UTC" in bodies(server)[-1]["messages"][-1]["content"]

    asyncio.run(hold())


def test_without_a_model_the_editor_is_told_what_to_do(work: Path) -> None:
    async def hold() -> None:
        async with connected(Editor(), "http://127.0.0.1:1/v1", "--no-config") as (agent, _):
            session = (await agent.new_session(cwd=str(work), mcp_servers=[])).session_id
            with pytest.raises(RequestError, match="127.0.0.1:1"):
                await agent.prompt(session_id=session, prompt=[text_block("x")])

    asyncio.run(hold())
    assert COMMAND
