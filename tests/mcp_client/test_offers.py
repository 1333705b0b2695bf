"""What servers offer besides tools, by each transport; logging in; how qcode serves its own."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import COMMAND, Program, repository
from scripted_server import call, text

OFFERING = str(Path(scripted.__file__).with_name("offering_server.py"))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "home").mkdir(exist_ok=True)
    return repository(folder, {"a.py": "def f():\n    return 1\n", "secret.txt": "no\n"})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def listening(kind: str) -> Iterator[int]:
    """Run the server; yield its port once it answers."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, OFFERING, kind, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def bodies_of(server: scripted.ScriptedServer) -> list[Any]:
    return [seen.json for seen in server.requests if "chat" in seen.path]


def test_prompts_resources_and_tools_of_a_server_are_used(work: Path) -> None:
    added = Program(work, None).run(
        "mcp", "add", "offer", "--trust", "--", sys.executable, OFFERING, "stdio"
    )
    assert added.code == 0, added.err
    tested = Program(work, None).run("mcp", "test", "--json")
    (row,) = tested.json()
    assert (row["tools"], row["prompts"]) == (["add"], ["greet"])
    assert row["resources"] == ["note://today"]
    with scripted.ScriptedServer([text("Hi."), call("mcp__offer__add", a=2, b=3), text("5")]) as s:
        program = Program(work, s.base_url)
        first = program.run("run", "/offer:greet Ada tone=formal")
        second = program.run("run", "see @offer:note://today and add")
    assert (first.code, second.code) == (0, 0), first.err + second.err
    greeting, noted, answered = (body["messages"] for body in bodies_of(s))
    said = greeting[-1]["content"]
    assert "Say hello to Ada, in a formal way, and mention @secret.txt." in said
    assert "secret.txt (" not in said  # a server's words point at nothing
    assert "Water the plants." in noted[-1]["content"]
    assert answered[-1]["content"] == "5"
    with scripted.ScriptedServer([text("No.")]) as s:
        wrong = Program(work, s.base_url).run("run", "/offer:greet")
    assert wrong.code != 0
    assert "`/offer:greet` needs name=…" in wrong.err
    assert bodies_of(s) == []


@pytest.mark.parametrize("kind", ["http", "sse"])
def test_servers_are_reached_over_the_network_of_this_machine(work: Path, kind: str) -> None:
    with listening(kind) as port:
        path = "sse" if kind == "sse" else "mcp"
        program = Program(work, None)
        program.run("mcp", "add", "far", f"http://127.0.0.1:{port}/{path}", "--trust")
        with scripted.ScriptedServer([call("mcp__far__add", a=20, b=3), text("Done.")]) as s:
            ended = Program(work, s.base_url).run("run", "add")
        assert ended.code == 0, ended.err
        assert bodies_of(s)[-1]["messages"][-1]["content"] == "23"
    gone = Program(work, None).run("mcp", "test", "far")
    assert gone.code != 0
    assert "the MCP server `far` cannot be used" in gone.out


def test_a_login_brings_tokens_that_later_runs_use(work: Path, tmp_path: Path) -> None:
    with listening("oauth") as port:
        program = Program(work, None)
        program.run("mcp", "add", "locked", f"http://127.0.0.1:{port}/mcp", "--trust")
        before = program.run("mcp", "test", "locked")
        assert before.code != 0
        assert "`qcode mcp login locked`" in before.out
        process = program.start("mcp", "login", "locked")
        assert process.stdout is not None
        assert b"to log in" in process.stdout.readline()
        address = process.stdout.readline().decode().strip()
        assert address.startswith(f"http://127.0.0.1:{port}/authorize?")
        with urllib.request.urlopen(address) as page:  # as the browser follows the redirect
            assert b"this page can be closed" in page.read()
        ended = program.end(process)
        assert ended.code == 0, ended.err
        with scripted.ScriptedServer([call("mcp__locked__add", a=1, b=1), text("2")]) as s:
            ran = Program(work, s.base_url).run("run", "add")
        assert ran.code == 0, ran.err
        assert bodies_of(s)[-1]["messages"][-1]["content"] == "2"
        (kept,) = Path.home().glob(".local/state/qcode/mcp/*.json")
        assert kept.stat().st_mode & 0o777 == 0o600
        token = json.loads(kept.read_text())["tokens"]["access_token"]
        assert token not in ran.out + ran.err + json.dumps(bodies_of(s))
        assert "forgotten" in program.run("mcp", "logout", "locked").out
        assert program.run("mcp", "test", "locked").code != 0


def test_qcode_serves_its_tools_in_the_bounds_of_its_own_model(work: Path) -> None:
    from mcp import Client, StdioServerParameters

    def parameters(*more: str) -> StdioServerParameters:
        env = Program(work, None).environment()
        return StdioServerParameters(
            command=COMMAND[0], args=[*COMMAND[1:], "mcp", "serve", *more], cwd=work, env=env
        )

    def said(result: Any) -> str:
        return str(result.content[0].text)

    async def asked() -> None:
        async with Client(parameters()) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert {"read_file", "edit", "run_shell_command", "find_symbol"} <= set(names)
            assert "return 1" in said(await client.call_tool("read_file", {"file_path": "a.py"}))
            edit = {"file_path": "a.py", "old_string": "return 1", "new_string": "return 2"}
            refused = await client.call_tool("edit", edit)
            assert refused.is_error
            assert "nobody is there to ask" in said(refused)
            outside = await client.call_tool("read_file", {"file_path": "/etc/passwd"})
            assert "outside the workspace" in said(outside)
            assert "is missing" in said(await client.call_tool("read_file", {}))
            assert "There is no tool" in said(await client.call_tool("reed", {}))
        async with Client(parameters("-y")) as client:
            await client.call_tool("read_file", {"file_path": "a.py"})
            assert not (await client.call_tool("edit", edit)).is_error
        async with Client(parameters("--read-only", "--tools", "edit,glob")) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["glob"]

    asyncio.run(asked())
    assert "return 2" in (work / "a.py").read_text()
    undone = Program(work, None).run("undo", "-y")
    assert undone.code == 0, undone.err
    assert "return 1" in (work / "a.py").read_text()
