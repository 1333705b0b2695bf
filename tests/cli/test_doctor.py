"""`qcode doctor`: as a person and a program run it."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
from pathlib import Path

import doctored
import pytest
from doctored import Model
from program import Program, repository
from scripted_server import ScriptedServer, Stall, Stream, cut, text

from qcode import profiles
from qcode.cli import run_command
from qcode.cli.doctor import Waiting


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    repository(folder, {"a.txt": "one\n"})
    monkeypatch.chdir(folder)
    return folder


def test_a_line_a_check_and_the_fix_beneath(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Model(timings=True)
    with ScriptedServer(model, routes=doctored.llama_cpp(12_288)) as server:
        code = run_command(["doctor", "--base-url", server.base_url, "-m", "scripted"])
        address = server.base_url

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[:7] == [
        f"scripted at {address}",
        "",
        f"ok    reachable            {address} answers",
        "ok    key                  none is set, and none is asked for",
        "ok    model                `scripted` is served",
        "ok    server               llama.cpp b1",
        (
            "WARN  context window       12,288 tokens (/props); "
            "the model could take 131,072: little for an agent"
        ),
    ]
    assert lines[7].startswith("      fix: start llama-server with -c 32768")
    assert lines[-1] == (
        "1 to look at; sessions with this model will use native tools and 12,288 tokens of context"
    )
    assert [line[:26].split() for line in lines if "sandbox " in line] == [["ok", "sandbox"]]
    assert any(line.startswith("ok    git ") for line in lines)


def test_json_is_one_object_with_the_profile(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(Model(), routes=doctored.vllm()) as server:
        code = run_command(["doctor", "--base-url", server.base_url, "--json"])
        address = server.base_url

    out = capsys.readouterr()
    found = json.loads(out.out)
    assert (code, out.err) == (0, "")
    assert (found["endpoint"], found["model"], found["exit_code"]) == (address, "scripted", 0)
    assert [set(check) for check in found["checks"]] == [
        {"name", "status", "finding", "fix", "figures"}
    ] * len(found["checks"])
    assert [check["name"] for check in found["checks"]][-2:] == ["git", "sandbox"]
    assert found["profile"]["context_window"] == 32_768


def test_what_was_found_is_kept(work: Path) -> None:
    model = Model(refuses_tools="scripted does not support tools")
    with ScriptedServer(model, routes=doctored.vllm()) as server:
        run_command(["doctor", "--base-url", server.base_url, "-m", "scripted", "--json"])

    kept = profiles.load(server.base_url, "scripted")
    assert kept is not None
    assert (kept.server, kept.protocol) == ("vLLM", "prompted")


def test_something_failed_is_1(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(Model(silent_about_tools=True), routes=doctored.vllm()) as server:
        code = run_command(["doctor", "--base-url", server.base_url, "-m", "scripted"])

    assert code == 1
    assert "FAIL  tool call" in capsys.readouterr().out


def test_an_endpoint_that_cannot_be_used_is_3(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer() as server:
        address = server.base_url
    code = run_command(["doctor", "--base-url", address])

    lines = capsys.readouterr().out.splitlines()
    assert code == 3
    assert lines[2].startswith("FAIL  reachable            cannot reach")
    assert lines[3] == "      fix: is a server running there?"
    assert lines[-1] == "the endpoint cannot be used (1 failed)"
    assert profiles.load(address, "") is None


def test_without_any_model_it_says_what_to_choose(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["doctor", "--base-url", "nonsense"]) == 2
    assert "base URL" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:99999/v1"])
def test_wrong_use_is_one_line_and_json_for_programs(
    work: Path, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    arguments = ["doctor", "--base-url", url, "-m", "scripted"]
    codes = run_command(arguments), run_command([*arguments, "--json"])

    out = capsys.readouterr()
    said, again = out.err.splitlines()
    assert codes == (2, 2)
    assert said == again
    # Without --json there is nothing on stdout, and no heading.
    assert json.loads(out.out) == {"error": said.removeprefix("qcode: "), "exit_code": 2}


def test_an_endpoint_of_which_every_answer_breaks_is_3_and_nothing_is_kept(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(lambda _: cut(text("a b c")), routes=doctored.vllm()) as server:
        code = run_command(["doctor", "--base-url", server.base_url, "-m", "scripted"])

    lines = capsys.readouterr().out.splitlines()
    assert code == 3
    assert lines[-1] == "the endpoint cannot be used (6 failed, 1 to look at)"
    assert profiles.load(server.base_url, "scripted") is None


def test_a_terminal_shows_what_is_waited_for(work: Path) -> None:
    master, slave = pty.openpty()
    try:
        with ScriptedServer([Stream((Stall(),))], routes=doctored.vllm()) as server:
            program = Program(work, server.base_url)
            process = program.start("doctor", stderr=slave)
            shown = b""
            while b"s (Ctrl-C stops)" not in shown:
                shown += os.read(master, 1 << 16)
            process.send_signal(signal.SIGINT)
            ended = program.end(process)
        shown += os.read(master, 1 << 16)
    finally:
        os.close(master)
        os.close(slave)

    assert ended.code == 130
    assert b"\r\x1b[Kwaiting for the first answer, 1 s (Ctrl-C stops)" in shown
    # The line is taken back before anything else is said.
    assert shown.endswith(b"\r\x1b[Kqcode: interrupted; nothing was kept\r\n")


def test_elsewhere_a_long_wait_gives_a_sign_of_life_now_and_then() -> None:
    stream = io.StringIO()
    now = 100.0
    waiting = Waiting(stream, clock=lambda: now)
    for what, waited_s in [("a list", 29), ("an answer", 0), ("an answer", 75), ("", 80)]:
        for second in range(waited_s + 1):
            now = 1000.0 * len(what) + second
            waiting.tick(what)

    assert stream.getvalue() == (
        "qcode: waiting for an answer, 30 s\nqcode: waiting for an answer, 60 s\n"
    )


def test_outside_of_a_repository_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with ScriptedServer(Model(), routes=doctored.vllm()) as server:
        code = run_command(["doctor", "--base-url", server.base_url, "-m", "scripted"])

    assert code == 0
    assert "WARN  git" in capsys.readouterr().out


def test_what_a_server_says_cannot_steer_the_terminal(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Model(refuses_tools="does not support tools \x1b[2J\nok    forged")
    with ScriptedServer(model, routes=doctored.vllm()) as server:
        run_command(["doctor", "--base-url", server.base_url, "-m", "scripted"])

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert not any(line.startswith("ok    forged") for line in out.splitlines())


def test_ctrl_c_ends_it_in_one_line(work: Path) -> None:
    with ScriptedServer([text("ready"), Stream((Stall(),))], routes=doctored.vllm()) as server:
        program = Program(work, server.base_url)
        process = program.start("doctor")
        server.wait_for(2)
        process.send_signal(signal.SIGINT)
        ended = program.end(process)

    assert ended.code == 130
    assert ended.err == "qcode: interrupted; nothing was kept\n"


def test_a_session_takes_the_window_from_the_profile(work: Path) -> None:
    with ScriptedServer([text("Hello."), text("Hello.")]) as server:
        program = Program(work, server.base_url)
        before = program.run("run", "hello")
        profiles.save(
            profiles.Profile(
                server.base_url, "scripted", "2026-01-02T03:04:05Z", context_window=16_384
            )
        )
        after = program.run("run", "hello")

    assert (before.code, after.code) == (0, 0)
    assert [seen.json["max_tokens"] for seen in server.requests] == [8192, 2048]
