"""`qcode sandbox`, and `qcode run` where there is none."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from program import Program
from scripted_server import ScriptedServer, call, text

from qcode.cli import run_command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tiers of Linux")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def works(work: Path) -> Program:
    program = Program(work)
    if program.run("sandbox", "verify").code:
        pytest.skip("no sandbox works here")
    return program


@pytest.fixture
def nothing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qcode.sandbox.choose.LINUX", ())


def test_what_holds_is_said(works: Program) -> None:
    done = works.run("sandbox", "verify")

    assert (done.code, done.err) == (0, "")
    assert "✓" in done.out
    assert f"  {works.folder}" in done.out.splitlines()


def test_what_holds_is_said_to_programs(works: Program) -> None:
    done = works.run("sandbox", "verify", "--json")

    found = done.json()
    assert (done.code, found["ok"], found["problem"]) == (0, True, "")
    assert all(probe["ok"] for probe in found["probes"])
    assert str(works.folder) in found["writable"]
    assert (found["level"], found["network"]) == ("workspace-write", "off")


@pytest.mark.usefixtures("work", "nothing_works")
def test_where_nothing_works_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["sandbox", "verify"]) == 5
    assert "no sandbox works here" in capsys.readouterr().err

    assert run_command(["sandbox", "verify", "--json"]) == 5
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["tier"]) == (False, "none")

    assert run_command(["sandbox", "run", "--", "touch", "made"]) == 5
    assert not Path("made").exists()


@pytest.mark.parametrize("level", ["off", "external"])
def test_what_confines_nothing_cannot_be_tried(level: str, work: Path) -> None:
    assert run_command(["sandbox", "--sandbox", level, "verify"]) == 2
    assert list(work.iterdir()) == []


@pytest.mark.parametrize(
    "script, code", [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
)
def test_the_exit_code_is_that_of_the_command(script: str, code: int, works: Program) -> None:
    assert works.run("sandbox", "run", "--", "sh", "-c", script).code == code


def test_streams_are_those_of_qcode(works: Program) -> None:
    script = "cat; echo err >&2"
    done = works.run("sandbox", "run", "--", "sh", "-c", script, stdin=b"given")

    assert (done.code, done.out, done.err) == (0, "given", "err\n")


def test_a_command_is_confined(works: Program, tmp_path: Path) -> None:
    script = "echo x >made; echo x >../beside; echo $SOME_API_KEY"
    works.environ["SOME_API_KEY"] = "very-secret"
    done = works.run("sandbox", "run", "--", "sh", "-c", script)

    assert (works.folder / "made").exists()
    assert not (tmp_path / "beside").exists()
    assert "very-secret" not in done.out


def test_what_is_no_program_is_said(works: Program) -> None:
    done = works.run("sandbox", "run", "--", "no-such-program")

    assert done.code == 2
    assert "no-such-program" in done.error


@pytest.mark.usefixtures("nothing_works")
def test_a_run_without_a_sandbox_ends_at_once(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer([text("done")]) as server:
        code = run_command(["run", "--base-url", server.base_url, "-m", "scripted", "hello"])

        assert server.requests == []
    told = capsys.readouterr()
    assert (code, told.out) == (5, "")
    assert len(told.err.splitlines()) == 1
    assert "no sandbox works here" in told.err
    assert "--sandbox off" in told.err
    assert list(work.iterdir()) == []


@pytest.mark.usefixtures("nothing_works")
@pytest.mark.parametrize("level", ["off", "external"])
def test_a_run_goes_on_where_a_person_wants_none(level: str, work: Path) -> None:
    script = [call("run_shell_command", command="echo x >made"), text("done")]
    with ScriptedServer(script) as server:
        model = ("--base-url", server.base_url, "-m", "scripted")
        assert run_command(["run", *model, "--sandbox", level, "--yolo", "hello"]) == 0

    assert (work / "made").exists()
