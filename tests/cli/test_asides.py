"""Slash commands that ask a session something, or change a small thing about it."""

from __future__ import annotations

import asyncio
import base64
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from held import held, said
from scripted_server import Reply, ScriptedServer, Stall, call, raw, text
from terminal import CTRL_C, CTRL_D, Screened, options

from qcode import remembered
from qcode.cli import asides, slash
from qcode.cli.copying import MOST_BYTES, blocks_of, copy, osc52, put
from qcode.errors import UsageError
from qcode.session import Session

Ask = Callable[..., str]


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def ask(runner: asyncio.Runner) -> Ask:
    return lambda session, name, words="": runner.run(asides.answer(session, name, words))


def rules_file() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "qcode/rules.toml"


def test_each_is_a_command_with_help() -> None:
    assert set(asides.NAMES) <= set(slash.COMMANDS)


@pytest.mark.parametrize("name", ["cost", "jobs", "permissions", "copy"])
def test_what_is_not_understood_is_said(tmp_path: Path, ask: Ask, name: str) -> None:
    with held(tmp_path) as session, pytest.raises(UsageError):
        ask(session, name, "nonsense")


def test_cost_is_told_as_a_whole_and_by_step(
    tmp_path: Path, runner: asyncio.Runner, ask: Ask
) -> None:
    (tmp_path / "a.txt").write_text("alpha\n")
    script = [call("read_file", file_path="a.txt"), text("Done.")]
    with (
        ScriptedServer(script) as server,
        held(tmp_path, base_url=server.base_url, runner=runner) as session,
    ):
        assert ask(session, "cost") == ask(session, "cost", "steps") == "no request was made yet"
        runner.run(said(session, "go"))

        whole, steps = ask(session, "cost"), ask(session, "cost", "steps")
        elsewhere = ask(session, "cost", "on claude-opus-4.6")

    rows = [line.split() for line in whole.splitlines()]
    assert ["this", "session", "2", "2,000", "0", "40", "free"] in rows
    assert ["today,", "everywhere", "2", "2,000", "0", "40", "free"] in rows
    assert ["this", "directory", "2", "2,000", "0", "40", "free"] in rows
    assert any(row[:1] == ["prompt"] for row in rows)
    # Requests of less than 1,024 tokens are not cached: 2,000 read at $5, 40 written at $25.
    assert elsewhere.splitlines()[1].split()[:4] == ["Claude", "Opus", "4.6", "$0.0110"]
    assert [line.split() for line in steps.splitlines()] == [
        ["step", "requests", "new", "cached", "out", "cost"],
        ["1", "1", "1,000", "0", "20", "free"],
        ["2", "1", "1,000", "0", "20", "free"],
    ]


def test_the_plan_is_the_last_one_that_was_kept(
    tmp_path: Path, runner: asyncio.Runner, ask: Ask
) -> None:
    first = [
        {"content": "look", "status": "completed"},
        {"content": "fix\nit", "status": "pending"},
    ]
    second = [{**first[0]}, {**first[1], "status": "in_progress"}]
    script = [
        call("todo_write", todos=first),
        call("todo_write", todos=second),
        call("todo_write", todos=[{"content": "", "status": "pending"}]),  # is refused
        text("Done."),
    ]
    with (
        ScriptedServer(script) as server,
        held(tmp_path, base_url=server.base_url, runner=runner) as session,
    ):
        assert ask(session, "todo").startswith("there is no plan")
        runner.run(said(session, "go"))
        now = ask(session, "todo")
        session.agent.context.todos.clear()  # as in a session that is reopened
        again = ask(session, "todo")

    assert now == "1 of 2 done\n  ✓ look  (completed)\n  ▸ fix it  (in progress)"
    assert again == now


def test_jobs_are_listed_and_ended(tmp_path: Path, runner: asyncio.Runner, ask: Ask) -> None:
    script = [
        call("run_shell_command", command="echo on; sleep 4321.5", is_background=True),
        text("It runs."),
    ]
    with (
        ScriptedServer(script) as server,
        held(tmp_path, base_url=server.base_url, runner=runner) as session,
    ):
        assert "no command" in ask(session, "jobs")
        runner.run(said(session, "go"))
        assert "  1  echo on; sleep 4321.5  running; log: " in ask(session, "jobs")
        assert ask(session, "jobs", "kill %1").startswith("job 1 ended")
        assert "has ended before" in ask(session, "jobs", "kill 1")
        with pytest.raises(UsageError, match="there is no job 2"):
            ask(session, "jobs", "kill 2")
        assert session.agent.context.jobs.running() == []


def test_tools_that_are_told_come_before_those_understood_besides(tmp_path: Path, ask: Ask) -> None:
    with held(tmp_path, window=8192) as session:
        shown = ask(session, "tools").splitlines()

    assert shown[0] == "scripted is told of 6:"
    assert [line.split()[0] for line in shown[1:7]] == [
        *("read_file", "write_file", "edit", "glob", "grep_search", "run_shell_command"),
    ]
    assert "todo_write" in shown[7]
    assert shown[8] == "may change something: write_file, edit, run_shell_command"


def test_rules_are_shown_with_where_they_are_from(tmp_path: Path, ask: Ask) -> None:
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "qcode/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('allow = ["shell(make *)"]\n')
    (tmp_path / ".qcode").mkdir()
    (tmp_path / ".qcode/config.toml").write_text('deny = ["edit(a)"]\n')
    remembered.add(rules_file(), tmp_path, ["shell(pytest *)"])
    allow = ("shell(make *)", "read(/x)")
    with held(tmp_path, allow=allow, deny=("edit(a)",)) as session:
        shown = ask(session, "permissions").splitlines()

    assert shown == [
        "mode: yolo; deny wins over ask, ask over allow",
        "   1. deny   edit(a)  (.qcode/config.toml)",
        f"   2. allow  shell(make *)  ({config})",
        "   3. allow  read(/x)  (an option, or this session)",
        "   4. allow  shell(pytest *)  (remembered for this workspace)",
    ]


def test_rules_are_remembered_and_forgotten(tmp_path: Path, ask: Ask) -> None:
    with held(tmp_path, allow=("read(/x)",), deny=("edit(a)",)) as session:
        assert ask(session, "permissions", "allow shell(make *)").endswith("shell(make *)")
        ask(session, "permissions", "allow shell(make *)")
        assert list(tomllib.loads(rules_file().read_text())[str(tmp_path)]["allow"]) == [
            "shell(make *)"
        ]
        assert [rule.text for rule in session.agent.rules.allow] == ["read(/x)", "shell(make *)"]
        assert ask(session, "permissions", "remove 3") == "no longer allowed: shell(make *)"
        assert tomllib.loads(rules_file().read_text()) == {}
        ask(session, "permissions", "remove read(/x)")
        assert session.agent.rules.allow == ()
        for words, why in (
            ("remove 1", "there is no remembered rule"),
            ("remove 9", "there is no rule 9"),
            ("remove shell(x)", "there is no remembered rule"),
            ("allow shell(bash *)", "is ignored"),
            ("allow )x(", "is not a rule"),
        ):
            with pytest.raises(UsageError, match=why):
                ask(session, "permissions", words)
        assert [rule.text for rule in session.agent.rules.deny] == ["edit(a)"]


ANSWER = "First:\n\n```py\nx = 1\n```\nThen:\n~~~~\n```\nno end\n~~~\n~~~~\nAnd\n```sh\ncut"


def answered(
    tmp_path: Path, runner: asyncio.Runner, reply: str, use: Callable[[Session], object]
) -> None:
    with (
        ScriptedServer([text(reply)]) as server,
        held(tmp_path, base_url=server.base_url, runner=runner) as session,
    ):
        runner.run(said(session, "go"))
        use(session)


def test_the_last_answer_or_a_block_of_it_is_copied(
    tmp_path: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    out: list[str] = []

    def use(session: Session) -> None:
        assert copy(session, "", out.append) == "copied the last answer, 14 lines, by the terminal"
        assert copy(session, "1", out.append) == "copied block 1, 1 line, by the terminal"
        copy(session, "2", out.append)
        copy(session, "3", out.append)
        with pytest.raises(UsageError, match="blocks of code 1 to 3"):
            copy(session, "4", out.append)
        monkeypatch.setenv("TERM", "dumb")
        with pytest.raises(UsageError, match="nothing here can be copied to"):
            copy(session, "", out.append)

    answered(tmp_path, runner, ANSWER, use)

    assert [base64.b64decode(one[7:-1]).decode() for one in out] == [
        *(ANSWER, "x = 1\n", "```\nno end\n~~~\n", "cut\n"),
    ]


def test_nothing_is_copied_that_was_not_seen(tmp_path: Path, runner: asyncio.Runner) -> None:
    out: list[str] = []

    answered(tmp_path, runner, "ls\x1b[201~\u202e", lambda s: copy(s, "", out.append))

    assert "\x1b" not in base64.b64decode(out[0][7:-1]).decode()


def test_the_systems_program_is_used_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin/xclip"
    tool.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat > {tmp_path}/copied\nsleep 60 &\n'
    )
    tool.chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    out: list[str] = []

    ways = put("grüße", {"PATH": path, "DISPLAY": ":0", "TERM": "xterm"}, out.append)

    assert ways == ["xclip", "the terminal"]
    assert (tmp_path / "copied").read_text() == "grüße"
    assert (tmp_path / "words").read_text() == "-selection clipboard\n"
    assert put("x", {"PATH": path, "TERM": "dumb"}, out.append) == []
    assert put("x", {"PATH": "bin", "DISPLAY": ":0"}, out.append) == []
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert put("x", {"PATH": path, "DISPLAY": ":0"}, out.append) == []


def test_what_is_too_much_for_a_terminal_is_not_sent_to_it() -> None:
    out: list[str] = []

    assert put("x" * (MOST_BYTES + 1), {"TERM": "xterm"}, out.append) == []
    assert put("x" * MOST_BYTES, {"TERM": "xterm"}, out.append) == ["the terminal"]
    assert len(out[0]) <= 100_000
    assert osc52(b"a", inside_tmux=True) == "\x1bPtmux;\x1b\x1b]52;c;YQ==\x07\x1b\\"
    assert blocks_of("no code") == []


# ------------------------------------------------------------------ in a terminal


def test_they_are_given_in_a_session(tmp_path: Path) -> None:
    script: list[Reply] = [text("Use `make`:\n\n```sh\nmake\n```\n")]
    with ScriptedServer(script) as server, Screened(tmp_path, *options(server)) as qcode:
        qcode.say("how?")
        qcode.expect("make")
        qcode.say("/copy 1")
        qcode.expect("copied block 1, 1 line, by the terminal")
        qcode.say("/cost")
        qcode.expect("this session")
        qcode.say("/tools")
        qcode.expect("scripted is told of ")
        qcode.say("/permissions allow shell(make)")
        qcode.expect("allowed here from now on: shell(make)")
        qcode.say("/config max_steps")
        qcode.expect("`max_steps` is not set")
        qcode.say("/jobs kill 3")
        qcode.expect("✗ there is no job 3")
        qcode.ready()
        qcode.type(CTRL_D)
        assert qcode.wait() == 0
        assert osc52(b"make\n").encode() in qcode.raw


def test_the_doctor_comes_inside_and_can_be_sent_away(tmp_path: Path) -> None:
    with (
        ScriptedServer(then=raw(Stall())) as server,
        Screened(tmp_path, *options(server)) as qcode,
    ):
        qcode.say("/doctor please")
        qcode.expect("`/doctor` does not know `please`")
        qcode.say("/doctor")
        qcode.expect("ok ")
        qcode.expect("\n")
        qcode.type(CTRL_C)
        qcode.expect("interrupted; nothing was kept")
        qcode.ready()
        qcode.type(CTRL_D)
        assert qcode.wait() == 0
