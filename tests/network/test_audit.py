"""What is written down of real connections, and `qcode audit`."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import anthropic_server as anthropic
import pytest
import responses_server as responses
from local_doubles import Web
from offering import listening
from program import Ended, Program, repository
from scripted_server import ScriptedServer, call, text

SECRET = "sk-thisisthekey-0123456789"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.py": "def f():\n    return 1\n"})


def folder() -> Path:
    return Path.home() / ".local/state/qcode/audit"


def written() -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for file in sorted(folder().glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]


def audit(work: Path, *arguments: str) -> Ended:
    return Program(work, model=None).run("audit", *arguments)


def by_purpose() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in written():
        found.setdefault(line["purpose"], []).append(line)
    return found


# Whole sessions.


def test_a_whole_session_connects_to_its_server_alone(work: Path) -> None:
    replies = [
        call("read_file", file_path="a.py"),
        call("edit", file_path="a.py", old_string="return 1", new_string="return 2"),
        call("run_shell_command", command="git status; python3 -c 'print(1)'"),
        text("done"),
    ]
    with ScriptedServer(replies) as server:
        ended = Program(work, server.base_url).run("run", "-y", "--verify", "true", "mend f")
    port = int(server.origin.rpartition(":")[2])

    assert ended.code == 0
    assert {(line["host"], line["port"]) for line in written()} == {("127.0.0.1", port)}
    found = audit(work, "--json").json()
    assert (found["nothing_left"], found["left"]) == (True, [])
    [row] = found["this_machine"]
    assert (row["purpose"], row["requests"]) == ("model", len(server.requests))
    assert row["sent"] > sum(len(json.dumps(seen.json)) for seen in server.requests) * 0.8
    assert audit(work).out.endswith("nothing left this machine\n")


def test_what_was_said_is_not_in_it(work: Path) -> None:
    environ = {"QCODE_API_KEY": SECRET}
    with ScriptedServer([call("read_file", file_path="a.py"), text("an answer")]) as server:
        Program(work, server.base_url, environ=environ).run("run", "a question of mine")

    [file] = folder().iterdir()
    said = file.read_text()
    for word in ("question", "answer", SECRET, "completions", "/v1", "a.py", "scripted", "Bearer"):
        assert word not in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder().stat().st_mode) == 0o700
    assert {*json.loads(said.splitlines()[0])} == {
        *("at", "session", "host", "port", "purpose", "requests", "connects"),
        *("sent", "received", "loopback"),
    }


def test_lines_name_the_session(work: Path) -> None:
    with ScriptedServer([text("one"), text("two")]) as server:
        program = Program(work, server.base_url)
        ids = [program.run("run", "-o", "json", "x").json()["session_id"] for _ in range(2)]

    assert {line["session"] for line in written() if line["requests"]} == {*ids}
    found = audit(work, "--session", ids[0], "--json").json()
    assert [row["requests"] for row in found["this_machine"]] == [1]


def test_a_run_that_never_got_through_is_written_down(work: Path) -> None:
    Program(work, "http://127.0.0.1:9/v1").run("run", "x")

    assert [(line["port"], line["requests"], line["sent"]) for line in written()] == [(9, 0, None)]


# What each thing that connects is written down as.


@pytest.mark.slow
def test_requests_by_litellm_are_measured(work: Path) -> None:
    with anthropic.AnthropicServer([anthropic.answer(anthropic.text("Hello."))]) as server:
        environ = {"ANTHROPIC_API_KEY": SECRET, "ANTHROPIC_API_BASE": server.origin}
        program = Program(work, model="anthropic/claude-sonnet-4-5", environ=environ)
        ended = program.run("run", "x")

    assert ended.code == 0, ended.err
    counted = [line for line in by_purpose()["model"] if line["requests"]]
    assert sum(line["sent"] for line in counted) > len(json.dumps(server.requests[0].json)) * 0.8
    assert sum(line["received"] for line in counted) > 300


@pytest.mark.slow
def test_requests_by_openai_are_counted(work: Path) -> None:
    code = """
import asyncio, sys
from qcode.cli import reaching
from qcode.messages import UserMessage
from qcode.providers import Request
from qcode.providers.responses import ResponsesProvider
reaching.record()
async def main():
    provider = ResponsesProvider(model="gpt-5", api_key="k", session_key="s", base_url=sys.argv[1])
    async for delta in provider.stream(Request("s", [UserMessage("hello")], [], 100)): pass
    await provider.close()
asyncio.run(main())
"""
    with responses.ResponsesServer([responses.answer(responses.message("Hello."))]) as server:
        subprocess.run([sys.executable, "-P", "-c", code, server.base_url], check=True, timeout=100)

    [line] = [line for line in written() if line["requests"]]
    assert (line["purpose"], line["host"]) == ("model", "127.0.0.1")
    assert line["sent"] > len(json.dumps(server.requests[0].json)) * 0.8
    assert line["received"] > 300


@pytest.mark.slow
def test_servers_of_tools_are_counted_by_name(work: Path) -> None:
    with listening("http") as port:
        config = Path.home() / ".config/qcode/config.toml"
        config.parent.mkdir(parents=True)
        config.write_text(f'[mcp_servers.near]\nurl = "http://127.0.0.1:{port}/mcp"\n')
        ended = Program(work).run("mcp", "test", "near")

    assert ended.code == 0, ended.out
    counted = [line for line in by_purpose()["mcp:near"] if line["requests"]]
    assert {line["port"] for line in counted} == {port}
    assert len(counted) >= 2
    assert all(line["sent"] > 100 and line["received"] > 0 for line in counted)


def test_questions_of_the_doctor_are_told_apart(work: Path) -> None:
    with ScriptedServer([]) as server:
        Program(work, server.base_url).run("doctor")

    assert {*by_purpose()} == {"doctor"}


def test_what_nobody_counts_is_listed_all_the_same(work: Path) -> None:
    web = Web(lambda _handler, _body: (200, {}, b"hello"))
    code = (
        "import sys, urllib.request\nfrom qcode.cli import reaching\n"
        "from qcode.network import ledger\nreaching.record()\n"
        "urllib.request.urlopen(sys.argv[1]).read()\nledger.flush()"
    )
    try:
        subprocess.run([sys.executable, "-P", "-c", code, web.url], check=True, timeout=60)
    finally:
        web.close()

    [line] = written()
    assert (line["port"], line["purpose"], line["connects"]) == (web.port, "other", 1)
    assert line["sent"] is None
    assert "unknown" in audit(work, "--all").out


def test_connections_elsewhere_are_written_down_before_they_are_made(work: Path) -> None:
    # An address of nobody's (RFC 5737); the socket is not to block, so nothing is waited for.
    code = (
        "import os, socket\nfrom qcode.cli import reaching\nreaching.record()\n"
        "found = socket.socket(); found.setblocking(False)\n"
        "found.connect_ex(('192.0.2.1', 443)); os._exit(1)"
    )

    subprocess.run([sys.executable, "-P", "-c", code], timeout=60)

    [line] = written()
    assert (line["host"], line["loopback"], line["connects"]) == ("192.0.2.1", False, 1)
    assert "192.0.2.1:443" in audit(work).out


@pytest.mark.parametrize("option", ["--allow-network", "--sandbox=off"])
def test_commands_with_the_network_open_may_have_reached_anything(work: Path, option: str) -> None:
    with ScriptedServer([call("run_shell_command", command="true"), text("done")]) as server:
        Program(work, server.base_url).run("run", "-y", option, "x")

    [row] = audit(work, "--json").json()["left"]
    assert (row["host"], row["purpose"], row["sent"]) == ("any host", "command", None)


def test_what_a_command_reached_through_the_proxy_is_counted(work: Path) -> None:
    web = Web(lambda _handler, _body: (200, {}, b"x" * 5000))
    fetch = (
        "python3 -c \"import urllib.request,os; os.environ['no_proxy']=''; "
        f"print(len(urllib.request.urlopen('{web.url}').read()))\""
    )
    try:
        with ScriptedServer([call("run_shell_command", command=fetch), text("done")]) as server:
            Program(work, server.base_url).run(
                "run", "-y", "--allow-host", f"127.0.0.1:{web.port}", "x"
            )
    finally:
        web.close()

    shown = server.requests[1].json["messages"][-1]["content"]
    if "cannot" in shown:
        pytest.skip("no sandbox with a proxy here")
    [line] = [line for line in by_purpose()["command"] if line["requests"]]
    assert (line["host"], line["port"]) == ("127.0.0.1", web.port)
    assert line["received"] > 5000
    assert line["sent"] > 30
    assert line["session"]


# The table.


def lay(*lines: Any, month: str = "2026-11") -> None:
    usual = {
        "at": "2026-11-20T10:00:00Z", "session": "s1", "host": "api.example.com", "port": 443,
        "purpose": "model", "requests": 1, "connects": 0, "sent": 1000, "received": 50,
        "loopback": False,
    }  # fmt: skip
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / f"{month}.jsonl").open("a") as file:
        for line in lines:
            file.write(line if isinstance(line, str) else json.dumps({**usual, **line}) + "\n")


def test_the_table_adds_up_by_host_and_purpose(work: Path) -> None:
    lay(
        {},
        {"sent": 2500, "at": "2026-11-21T10:00:00Z"},
        {"purpose": "summary", "sent": 10},
        {"requests": 0, "connects": 4, "sent": None, "received": None, "purpose": "other"},
        {"host": "mcp.example.org", "purpose": "mcp:x", "received": None, "sent": None},
        {"host": "127.0.0.1", "port": 8080, "loopback": True, "sent": 7},
    )

    assert audit(work).out == (
        "host                 purpose  requests     sent  received  last\n"
        "api.example.com:443  model           2   3.5 kB     100 B  2026-11-21 10:00:00Z\n"
        "api.example.com:443  summary         1     10 B      50 B  2026-11-20 10:00:00Z\n"
        "mcp.example.org:443  mcp:x           1  unknown   unknown  2026-11-20 10:00:00Z\n"
        "this machine         all             1      7 B      50 B  2026-11-20 10:00:00Z\n"
    )
    assert "127.0.0.1:8080" in audit(work, "--all").out


def test_only_what_was_since_then_is_shown(work: Path) -> None:
    lay({"at": "2026-11-01T10:00:00Z"}, {"at": "2026-11-21T10:00:00Z", "sent": 5})

    assert [
        row["sent"] for row in audit(work, "--since", "2026-11-20", "--json").json()["left"]
    ] == [5]
    assert audit(work, "--since", "1h").out == (
        "nothing left this machine; nothing is written down\n"
    )


def test_lines_that_cannot_be_read_are_passed_over(work: Path) -> None:
    lay("{", '[]\n"x"\n\n{"at": 1}\n')
    lay({})

    assert audit(work, "--json").json()["left"][0]["requests"] == 1


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--since", "yesterday"], "--since `yesterday` is no point in time"),
        (["--session", "nope"], "nothing is written down of a session `nope`"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(work: Path, arguments: list[str], said: str) -> None:
    ended = audit(work, *arguments)

    assert (ended.code, ended.out) == (2, "")
    assert ended.error.startswith(f"qcode: {said}")


def test_files_of_more_than_a_year_ago_go_when_a_month_begins(work: Path) -> None:
    lay({}, month="2019-01")
    lay({}, month="2020-12")
    (folder() / "notes.jsonl").write_text("")

    with ScriptedServer([text("done")]) as server:
        Program(work, server.base_url).run("run", "x")

    names = sorted(file.name for file in folder().iterdir())
    assert names[-1] == "notes.jsonl"
    assert len(names) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_ledger_that_cannot_be_written_stops_no_run(work: Path) -> None:
    folder().mkdir(parents=True, mode=0o500)

    with ScriptedServer([text("done")]) as server:
        ended = Program(work, server.base_url).run("run", "x")

    assert ended.code == 0
