"""Whole runs offline: what is refused at the start, and what programs reach."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_doubles import Web
from program import Ended, Program, repository
from scripted_server import ScriptedServer, call, text

from qcode.config import load
from qcode.errors import SandboxError
from qcode.sandbox.policy import Grant, Level, Network, Policy
from qcode.sandbox.sandbox import Places, Sandbox


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.py": "def f():\n    return 1\n"})


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of the machine's own loopback: what a sandbox without network does not reach."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found.getsockname()[1]


def configure(text: str) -> None:
    file = Path.home() / ".config/qcode/config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def reaching(port: int, file: Path) -> str:
    """Return a command that notes in a file whether it reached a port."""
    code = (
        "import socket,sys\n"
        "try: socket.create_connection(('127.0.0.1',int(sys.argv[1])),3); said='reached'\n"
        "except OSError: said='kept'\n"
        "open(sys.argv[2],'w').write(said)"
    )
    script = file.with_suffix(".py")
    script.write_text(code)
    return f"{sys.executable} {script} {port} {file}"


def run(work: Path, *arguments: str, replies: Any = None, **environ: str) -> tuple[Ended, Any]:
    with ScriptedServer(replies or [text("done")]) as server:
        ended = Program(work, server.base_url, environ=environ).run("run", *arguments, "mend f")
    return ended, server.requests


# What is settled at the start.


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "gpt-5", "openai/gpt-5"])
def test_a_hosted_model_is_an_error_at_once(work: Path, model: str) -> None:
    environ = {"OPENAI_API_KEY": "k" * 20, "ANTHROPIC_API_KEY": "k" * 20}

    ended = Program(work, model=None, environ=environ).run("run", "--offline", "-m", model, "x")

    assert ended.code == 3
    assert ended.err.count("\n") == 1
    assert "is not " in ended.error
    assert "offline, and " in ended.error
    assert "`base_url` or --base-url" in ended.error


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com/v1", "http://192.168.1.2:8000/v1", "http://0.0.0.0:8000/v1"],
)
@pytest.mark.parametrize("command", [["run", "x"], ["doctor"]])
def test_a_server_elsewhere_is_an_error_at_once(work: Path, url: str, command: list[str]) -> None:
    ended = Program(work, url, environ={"QCODE_OFFLINE": "1"}).run(*command)

    assert ended.code == 3
    assert ended.error.startswith("qcode: offline, and the base URL `")
    assert "(QCODE_BASE_URL is set)" in ended.error


def test_without_a_model_named_a_server_elsewhere_is_not_even_asked_for_one(work: Path) -> None:
    program = Program(work, "https://api.example.com/v1", model=None)

    ended = program.run("run", "--offline", "x")

    assert (ended.code, "offline, and the base URL" in ended.error) == (3, True)


def test_a_server_here_is_used(work: Path) -> None:
    ended, requests = run(work, "--offline", HTTP_PROXY="http://proxy.invalid:1")

    assert (ended.code, ended.out.strip(), len(requests)) == (0, "done", 1)


@pytest.mark.parametrize(
    "options", [["--allow-network"], ["--allow-host", "pypi.org"], ["--sandbox", "off"]]
)
def test_options_that_would_let_something_out_are_wrong_usage(
    work: Path, options: list[str]
) -> None:
    ended, requests = run(work, "--offline", *options)

    assert (ended.code, requests) == (2, [])
    assert "offline" in ended.error
    assert "leave out" in ended.error


def test_nothing_is_fetched(work: Path) -> None:
    ended = Program(work, model=None, environ={"QCODE_OFFLINE": "1"}).run("local", "up", "0.5b")

    assert ended.code == 3
    assert ended.error.startswith("qcode: offline: the package index (download) is not this")
    assert "run `qcode local up` once without offline" in ended.error


def test_a_collector_elsewhere_is_an_error_at_the_start(work: Path) -> None:
    environ = {"QCODE_TRACING": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.invalid"}

    ended, requests = run(work, "--offline", **environ)

    assert (ended.code, requests) == (3, [])
    assert "otel.invalid (telemetry)" in ended.error
    assert "turn `tracing` off" in ended.error


# Who may turn it on and off.


def settings(tmp_path: Path, own: str, project: str, **environ: str) -> Any:
    (tmp_path / ".qcode").mkdir()
    (tmp_path / ".qcode/config.toml").write_text(project)
    (tmp_path / "own.toml").write_text(own)
    return load(
        user_file=tmp_path / "own.toml",
        project=tmp_path,
        environ=environ,
        trusts=lambda _folder, _wishes: True,
    )


def test_a_project_may_turn_it_on(tmp_path: Path) -> None:
    assert settings(tmp_path, "", "offline = true").offline


def test_a_project_never_turns_it_off_even_if_it_is_trusted(tmp_path: Path) -> None:
    found = settings(tmp_path, "offline = true", "offline = false")

    assert found.offline
    assert "a project may only turn it on" in found.warnings[0]


@pytest.mark.parametrize("value, is_on", [("1", True), ("yes", True), ("0", False), ("", False)])
def test_the_variable_turns_it_on(tmp_path: Path, value: str, is_on: bool) -> None:
    assert settings(tmp_path, "", "", QCODE_OFFLINE=value).offline is is_on


def test_the_variable_turns_nothing_off(tmp_path: Path) -> None:
    assert settings(tmp_path, "offline = true", "", QCODE_OFFLINE="0").offline


def test_a_project_turns_a_run_offline(work: Path) -> None:
    (work / ".qcode").mkdir()
    (work / ".qcode/config.toml").write_text("offline = true")

    ended = Program(work, "https://api.example.com/v1").run("run", "x")

    assert (ended.code, "offline, and the base URL" in ended.error) == (3, True)


# What programs reach.


@pytest.mark.parametrize("is_offline", [False, True])
def test_commands_reach_nothing_whatever_is_set(
    work: Path, listener: int, is_offline: bool
) -> None:
    configure('network = "on"')
    seen = work / "seen"
    command = call("run_shell_command", command=reaching(listener, seen))

    run(work, "-y", *(["--offline"] if is_offline else []), replies=[command, text("done")])

    assert seen.read_text() == ("kept" if is_offline else "reached")


@pytest.mark.parametrize("is_offline", [False, True])
def test_the_model_is_not_told_to_ask_for_what_nobody_can_allow(
    work: Path, is_offline: bool
) -> None:
    command = call("run_shell_command", command="echo 'connect: Network is unreachable'; false")

    _, requests = run(
        work, "-y", *(["--offline"] if is_offline else []), replies=[command, text("done")]
    )

    result = requests[1].json["messages"][-1]["content"]
    assert "[blocked by the sandbox: connecting (the network is closed)" in result
    assert ('access="network"' in result) == (not is_offline)


def test_nobody_can_allow_a_command_the_network(work: Path) -> None:
    command = call("run_shell_command", command="true", access="network")

    _, requests = run(work, "-y", "--offline", replies=[command, text("done")])

    result = requests[1].json["messages"][-1]
    assert result["role"] == "tool"
    assert "this session is offline, and stays so" in result["content"]


@pytest.mark.parametrize("is_offline", [False, True])
def test_hooks_of_a_person_reach_nothing(work: Path, listener: int, is_offline: bool) -> None:
    seen = work / "seen"
    configure(
        "[[hooks.UserPromptSubmit]]\n" + f"command = {json.dumps(reaching(listener, seen))}\n"
    )

    run(work, "-y", *(["--offline"] if is_offline else []))

    assert seen.read_text() == ("kept" if is_offline else "reached")


@pytest.mark.slow
@pytest.mark.parametrize("is_offline", [False, True])
def test_servers_that_are_programs_reach_nothing_and_are_used(
    work: Path, listener: int, is_offline: bool
) -> None:
    seen = work / "seen"
    start = f"{reaching(listener, seen)}; exec {sys.executable} -m mcp_server_time"
    arguments = json.dumps(["-c", start])
    configure(f'[mcp_servers.time]\ncommand = "/bin/sh"\nargs = {arguments}\ntrust = true\n')
    use = call(
        "mcp__time__convert_time",
        source_timezone="UTC",
        time="12:00",
        target_timezone="Asia/Tokyo",
    )

    _, requests = run(
        work, "-y", *(["--offline"] if is_offline else []), replies=[use, text("done")]
    )

    assert seen.read_text() == ("kept" if is_offline else "reached")
    assert "21:00" in requests[1].json["messages"][-1]["content"]


def test_a_server_of_tools_elsewhere_is_left_out_with_a_line(work: Path) -> None:
    configure('[mcp_servers.far]\nurl = "https://mcp.invalid/mcp"\n')

    ended, requests = run(work, "--offline")

    assert (ended.code, len(requests)) == (0, 1)
    assert (
        "qcode: the MCP server `far` cannot be used: offline: mcp.invalid (mcp:far) is not this "
        "machine" in ended.err
    )


def test_a_server_of_tools_here_that_redirects_elsewhere_is_refused(work: Path) -> None:
    web = Web(lambda _handler, _body: (307, {"Location": "http://mcp.invalid/mcp"}, b""))
    try:
        configure(f'[mcp_servers.near]\nurl = "{web.url}/mcp"\n')
        ended = Program(work, environ={"QCODE_OFFLINE": "1"}).run("mcp", "test", "near")
    finally:
        web.close()

    assert ended.code == 1
    assert "the MCP server `near` cannot be used: " in ended.out
    assert "http://mcp.invalid/mcp" in ended.out


def test_no_page_is_fetched_where_nobody_is_there(work: Path) -> None:
    with ScriptedServer([text("done")]) as server:
        ended = Program(work, server.base_url).run("run", "--offline", "read @http://page.invalid/")

    assert ended.code == 0
    assert "offline, so no page is fetched" in ended.err


@pytest.mark.parametrize("level", [Level.OFF, Level.EXTERNAL])
def test_where_nothing_confines_no_program_is_started(tmp_path: Path, level: Level) -> None:
    policy = Policy(level, (tmp_path,), tmp_path, is_offline=True)
    sandbox = Sandbox(policy, Places(tmp_path, tmp_path, tmp_path), os.environ)

    with pytest.raises(SandboxError, match="nothing here keeps a program from the network"):
        sandbox.start(["true"], cwd=tmp_path)


def test_no_grant_gives_the_network(work: Path, tmp_path: Path) -> None:
    policy = Policy(
        Level.WORKSPACE_WRITE, (work,), Path.home(), network=Network.OFF, is_offline=True
    )
    places = Places(tmp_path / "config", tmp_path / "state", tmp_path / "cache")
    sandbox = Sandbox(policy, places, os.environ)
    try:
        with pytest.raises(SandboxError, match="no program gets the network"):
            sandbox.start(["true"], cwd=work, grant=Grant(network=True))
    finally:
        sandbox.close()


BESIDE = """
import os, sys
from pathlib import Path
from qcode.errors import SandboxError
from qcode.network import guard
from qcode.sandbox.policy import Level, Network, Policy
from qcode.sandbox.sandbox import Places, Sandbox

folder = Path(sys.argv[1])
for level in (Level.WORKSPACE_WRITE, Level.EXTERNAL):
    policy = Policy(level, (folder / "work",), Path.home(), network=Network.ON)
    places = Places(folder / "config", folder / "state", folder / "cache")
    sandbox = Sandbox(policy, places, os.environ)
    guard.refuse_others()  # by another session, which was opened later
    try:
        sandbox.start(["true"], cwd=folder / "work")
        print("started")
    except SandboxError as error:
        print(error.message)
    sandbox.close()
"""


def test_a_session_that_was_there_before_loses_the_network_too(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    argv = [sys.executable, "-P", "-c", BESIDE, str(tmp_path)]

    done = subprocess.run(argv, capture_output=True, text=True, timeout=100)

    said = "another session of this process turned offline on, and this one's commands have the "
    assert done.stdout.splitlines() == [f"{said}network"] * 2, done.stderr


# Where else it is said.


@pytest.mark.parametrize("command", [[], ["resume"], ["run"], ["watch"], ["acp"], ["mcp", "serve"]])
def test_every_command_that_holds_a_session_takes_it(work: Path, command: list[str]) -> None:
    ended = Program(work, model=None).run(*command, "--help")

    assert "--offline" in ended.out


def test_tools_are_not_served_where_commands_would_not_be_kept_in(work: Path) -> None:
    ended = Program(work, model=None).run("mcp", "serve", "--offline", "--sandbox", "off")

    assert (ended.code, "offline, and the sandbox is `off`" in ended.error) == (2, True)


API = """
import asyncio, sys, urllib.request
from qcode import Agent
from qcode.api import OfflineError
async def ask(url):
    async with Agent(base_url=url, model="scripted", offline=True) as agent:
        return (await agent.ask("x")).text
def said(do):
    try:
        return do()
    except OSError as error:
        return f"{type(error).__name__} {error}"
print(said(lambda: asyncio.run(ask(sys.argv[1]))))
print(said(lambda: asyncio.run(ask("https://api.example.com/v1"))))
print(said(lambda: urllib.request.urlopen("http://name.invalid/")))
"""


def test_in_a_program_it_holds_for_the_whole_process(work: Path) -> None:
    with ScriptedServer([text("done")]) as server:
        done = subprocess.run(
            [sys.executable, "-P", "-c", API, server.base_url],
            cwd=work,
            capture_output=True,
            text=True,
            timeout=100,
        )

    answered, elsewhere, own = done.stdout.splitlines()
    assert answered == "done"
    assert elsewhere.startswith("OfflineError offline, and the base URL `api.example.com`")
    assert "offline: name.invalid:80" in own
