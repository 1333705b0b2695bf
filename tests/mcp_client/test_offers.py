"""What servers offer besides tools, by each transport; logging in; how qcode serves its own."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from offering import OFFERING, listening
from program import Program, repository
from scripted_server import call, text


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "home").mkdir(exist_ok=True)
    return repository(folder, {"a.py": "def f():\n    return 1\n", "secret.txt": "no\n"})


def bodies_of(server: scripted.ScriptedServer) -> list[Any]:
    return [seen.json for seen in server.requests if "chat" in seen.path]


def test_prompts_resources_and_tools_of_a_server_are_used(work: Path) -> None:
    added = Program(work, None, kind="mcp").run(
        "mcp", "add", "offer", "--trust", "--", sys.executable, OFFERING, "stdio"
    )
    assert added.code == 0, added.err
    tested = Program(work, None, kind="mcp").run("mcp", "test", "--json")
    (row,) = tested.json()
    assert (row["tools"], row["prompts"]) == (["add"], ["greet"])
    assert row["resources"] == ["note://today"]
    with scripted.ScriptedServer([text("Hi."), call("mcp__offer__add", a=2, b=3), text("5")]) as s:
        program = Program(work, s.base_url, kind="mcp")
        first = program.run("run", "/offer:greet Ada tone=formal")
        second = program.run("run", "see @offer:note://today and add")
    assert (first.code, second.code) == (0, 0), first.err + second.err
    greeting, noted, answered = (body["messages"] for body in bodies_of(s))
    said = greeting[-1]["content"]
    assert "Say hello to Ada, in a formal way, and mention @secret.txt." in said
    assert "secret.txt (" not in said  # a server's words point at nothing
    assert "Water the plants." in noted[-1]["content"]
    assert answered[-1]["content"] == "5\n[The server offer says of itself: Add with `add`.]"
    with scripted.ScriptedServer([text("No.")]) as s:
        wrong = Program(work, s.base_url, kind="mcp").run("run", "/offer:greet")
    assert wrong.code != 0
    assert "`/offer:greet` needs name=…" in wrong.err
    assert bodies_of(s) == []


@pytest.mark.parametrize("kind", ["http", "sse"])
def test_servers_are_reached_over_the_network_of_this_machine(work: Path, kind: str) -> None:
    with listening(kind) as port:
        path = "sse" if kind == "sse" else "mcp"
        program = Program(work, None, kind="mcp")
        program.run("mcp", "add", "far", f"http://127.0.0.1:{port}/{path}", "--trust")
        with scripted.ScriptedServer([call("mcp__far__add", a=20, b=3), text("Done.")]) as s:
            ended = Program(work, s.base_url, kind="mcp").run("run", "add")
        assert ended.code == 0, ended.err
        assert bodies_of(s)[-1]["messages"][-1]["content"].split("\n")[0] == "23"
    gone = Program(work, None, kind="mcp").run("mcp", "test", "far")
    assert gone.code != 0
    assert "the MCP server `far` cannot be used" in gone.out


def test_a_login_brings_tokens_that_later_runs_use(work: Path, tmp_path: Path) -> None:
    with listening("oauth") as port:
        program = Program(work, None, kind="mcp")
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
            ran = Program(work, s.base_url, kind="mcp").run("run", "add")
        assert ran.code == 0, ran.err
        assert bodies_of(s)[-1]["messages"][-1]["content"].split("\n")[0] == "2"
        (kept,) = Path.home().glob(".local/state/qcode/mcp/*.json")
        assert kept.stat().st_mode & 0o777 == 0o600
        token = json.loads(kept.read_text())["tokens"]["access_token"]
        assert token not in ran.out + ran.err + json.dumps(bodies_of(s))
        data = json.loads(kept.read_text())
        data["tokens"] |= {"access_token": "gone", "refresh_token": "gone"}
        kept.write_text(json.dumps(data))
        gone = program.run("mcp", "test", "locked")
        assert "does not hold any more" in gone.out
        assert gone.err == ""
        assert "forgotten" in program.run("mcp", "logout", "locked").out
        assert not kept.exists()
