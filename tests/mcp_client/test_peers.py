"""Servers that others wrote, from npm and PyPI, as a session uses them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from offering import free_port
from program import Program, repository
from scripted_server import call, text

from qcode.mcp.connection import Connection
from qcode.mcp.servers import server
from qcode.mcp.transports import Surroundings
from qcode.sandbox.plain import Plain

PEERS = Path(__file__).resolve().parents[2] / ".peers/node_modules/@modelcontextprotocol"


def configured(work: Path, servers: dict[str, list[str]]) -> Program:
    lines = []
    for name, words in servers.items():
        lines += [f"[mcp_servers.{name}]", f"command = {json.dumps(words[0])}", "trust = true"]
        lines.append(f"args = {json.dumps(words[1:])}")
    config = Path.home() / ".config/qcode/config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("\n".join(lines))
    return Program(work, None, kind="mcp")


def answers(work: Path, *replies: Any) -> list[str]:
    with scripted.ScriptedServer([*replies, text("Done.")]) as server:
        ended = Program(work, server.base_url, kind="mcp").run("run", "go on")
    assert ended.code == 0, ended.err
    last = [seen.json for seen in server.requests if "chat" in seen.path][-1]
    return [m["content"] for m in last["messages"] if m["role"] == "tool"]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.py": "def f():\n    return 1\n"})


needs_peers = pytest.mark.skipif(
    shutil.which("node") is None or not PEERS.exists(),
    reason="`make peers` installs them, where there is npm",
)


@needs_peers
def test_servers_from_npm_are_used(work: Path) -> None:
    def script(name: str) -> list[str]:
        return ["node", str(PEERS / name / "dist/index.js")]

    memory = ["env", f"MEMORY_FILE_PATH={work.parent / 'memory.json'}", *script("server-memory")]
    program = configured(
        work,
        {
            "files": [*script("server-filesystem"), str(work)],
            "every": script("server-everything"),
            "memory": memory,
        },
    )
    tested = {row["name"]: row for row in program.run("mcp", "test", "--json").json()}
    assert all(row["ok"] for row in tested.values()), tested
    assert "simple-prompt" in tested["every"]["prompts"]
    entity = {"name": "Ada", "entityType": "person", "observations": ["counts"]}
    listed, written, known, sum_, image, long, env = answers(
        work,
        call("mcp__files__list_directory", path=str(work)),
        call(
            "use_tool",
            tool="files:write_file",
            arguments={"path": str(work / "new.txt"), "content": "hello\n"},
        ),
        call("use_tool", tool="memory:create_entities", arguments={"entities": [entity]}),
        call("mcp__every__get-sum", a=2, b=3),
        call("mcp__every__get-tiny-image"),
        call("mcp__every__trigger-long-running-operation", duration=1, steps=2),
        call("mcp__every__get-env"),
    )
    assert "a.py" in listed
    assert (work / "new.txt").read_text() == "hello\n", written
    assert "Ada" in known
    assert "5" in sum_
    assert "[image, image/png" in image
    assert "complete" in long.lower()
    assert "QCODE_BASE_URL" not in env
    # What a server did to files is taken back as well.
    undone = Program(work, None, kind="mcp").run("undo", "-y")
    assert undone.code == 0, undone.err
    assert not (work / "new.txt").exists()


def test_the_git_server_from_pypi_is_used(work: Path) -> None:
    configured(work, {"git": [sys.executable, "-m", "mcp_server_git"]})
    manual, status = answers(
        work,
        call("use_tool", tool="git:git_status"),
        call("use_tool", tool="git:git_status", arguments={"repo_path": str(work)}),
    )
    assert "repo_path" in manual
    assert "nothing to commit" in status


@contextmanager
def everything(transport: str, port: int) -> Iterator[None]:
    """Run the reference server of everything on a port until it answers."""
    script = str(PEERS / "server-everything/dist/index.js")
    env = {**os.environ, "PORT": str(port)}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(["node", script, transport], env=env, stdout=quiet, stderr=quiet) as node:
        try:
            for _ in range(600):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield
        finally:
            node.kill()


@needs_peers
@pytest.mark.parametrize("transport, path", [("streamableHttp", "mcp"), ("sse", "sse")])
def test_a_server_in_typescript_is_found_again_after_it_was_started_anew(
    tmp_path: Path, transport: str, path: str
) -> None:
    port = free_port()
    far = server("far", {"url": f"http://127.0.0.1:{port}/{path}"}, {})
    outside = Plain(dict(os.environ))
    around = Surroundings(cwd=tmp_path, outside=outside, inside=outside, tokens=tmp_path)
    connection = Connection(far, around)
    progress = []

    async def echo(client: Any, _alive: Any) -> Any:
        return await client.call_tool("echo", {"message": "hello"})

    async def long(client: Any, _alive: Any) -> Any:
        async def on(done: float, total: float | None, _message: str | None) -> None:
            progress.append((done, total))

        arguments = {"duration": 0.2, "steps": 2}
        name = "trigger-long-running-operation"
        return await client.call_tool(name, arguments, progress_callback=on)

    async def do() -> None:
        with everything(transport, port):
            assert "hello" in (await connection.ask(echo)).content[0].text
            assert {"echo", "get-sum"} <= {t.name for t in (await connection.listing()).tools}
            await connection.ask(long)
        with everything(transport, port):
            while transport == "sse" and connection.is_connected:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # the stream of events breaks in its own time
            assert "hello" in (await connection.ask(echo)).content[0].text
            await connection.close()

    asyncio.run(do())
    assert progress == [(1, 2), (2, 2)]
