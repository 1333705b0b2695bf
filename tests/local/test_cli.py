from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from local_doubles import FakeServer

from qcode.cli.local import TerminalProgress, configure, main
from qcode.errors import UsageError


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    configure(parser)
    return main(parser.parse_args(words))


def test_up_prints_the_base_url_alone(
    fake_server: Callable[..., FakeServer],
    make_gguf: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_server()

    assert run("up", str(make_gguf()), "--context", "2048") == 0
    up = capsys.readouterr()
    assert run("status") == 0
    status = capsys.readouterr()
    assert run("status", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert run("down") == 0
    down = capsys.readouterr()
    assert run("status") == 1
    gone = capsys.readouterr()

    assert up.out == f"{facts['base_url']}\n"
    assert "serving tiny, 2048 tokens of context" in up.err
    assert {line.split("  ")[0] for line in status.out.splitlines()} == {
        *("pid", "model", "base url", "context", "memory", "health", "log")
    }
    assert facts["health"] == "ok"
    assert (down.out, down.err) == ("", "stopped tiny\n")
    assert (gone.out, gone.err) == ("", "not running; `qcode local up` starts it\n")


def test_up_of_a_model_without_weights_says_so() -> None:
    with pytest.raises(UsageError, match="the weights of `claude-opus-4.6` are not published"):
        run("up", "claude-opus-4.6")


def test_down_without_a_server_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("down") == 0
    assert capsys.readouterr().err == "nothing was running\n"


def test_status_as_json_says_no_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", "--json") == 1
    assert json.loads(capsys.readouterr().out) == {"running": False}


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_one_line_that_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()

    with TerminalProgress(screen) as progress:
        progress.update("downloading the model", 5_000_000, 20_000_000)
        progress.update("downloading the model", 20_000_000, 20_000_000)
        progress.note("done")

    lines = screen.getvalue().split("\n")
    assert [line.rstrip() for line in lines[0].split("\r")] == [
        "",
        "downloading the model  [#####...............] 5 of 20 MB",
        "downloading the model  [####################] 20 of 20 MB",
    ]
    assert lines[1:] == ["done", ""]


def test_elsewhere_progress_is_a_line_now_and_then() -> None:
    stream = io.StringIO()

    with TerminalProgress(stream) as progress:
        for done in range(0, 1000, 10):
            progress.update("downloading the server", done * 1_000_000, None)

    assert stream.getvalue() == "downloading the server  0 MB\n"


def test_describing_the_command_loads_nothing_heavy() -> None:
    code = (
        "import argparse, sys; from qcode.cli.local import configure; "
        "configure(argparse.ArgumentParser()); "
        "print(*{'http.client', 'subprocess', 'rich', 'qcode.local'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert done.stdout == "\n"
