"""Terminal-Bench's base class with a shell of this machine for its container; see `make harbor`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scripted_server import Reply, ScriptedServer, call, fault, text

pytest.importorskip("terminal_bench", reason="`make harbor` runs these")

from qcode.evals.harbor import command
from qcode.evals.harbor.terminal_bench import QcodeAgent

INSTRUCTION = "add in calc.py subtracts; $HOME 'mend' it\n"
REPAIR = call("edit", file_path="calc.py", old_string="a - b", new_string="a + b")
_PLACES = re.compile(r"(?<![\w./-])/(?=(?:installed-agent|agent-logs)\b)")


class Session:
    """What the agent uses of a tmux session: one bash that goes on, in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("app", "agent-logs", "installed-agent", "home/.local/bin"):
            (root / name).mkdir(parents=True)
        (root / "app/calc.py").write_text("def add(a, b):\n    return a - b\n")
        (root / "home/.local/bin/qcode").symlink_to(os.environ["QCODE_PROGRAM"])
        self.container = SimpleNamespace(exec_run=lambda words: self._bash(words[2]))
        self.lines: list[str] = []

    def copy_to_container(self, paths: Path, container_dir: str, container_filename: str) -> None:
        target = self._near(f"{container_dir}/{container_filename}")
        shutil.copy(paths, target)
        if container_filename == "install-agent.sh":
            # Nothing is installed on this machine; that it would be is what counts.
            self.installs = target.read_text()
            target.write_text(f"({command.PATH}; qcode --version)")

    def send_keys(self, keys: list[str], **_: Any) -> None:
        self.lines.append(keys[0])
        self._said = self._bash("\n".join(self.lines[:2]))

    def send_command(self, given: Any) -> None:
        # In one shell with what was sourced before, and it has to outlive the command.
        self._said = self._bash("\n".join([*self.lines, given.command, "echo ALIVE"]))

    def capture_pane(self) -> str:
        return self._said

    def _bash(self, script: str) -> str:
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.root / "home")}
        done = subprocess.run(
            ["bash", "-c", _PLACES.sub(lambda _: f"{self.root}/", script)],
            cwd=self.root / "app",
            env={**environ, "QCODE_SURROUNDINGS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def _near(self, path: str) -> Path:
        return Path(_PLACES.sub(lambda _: f"{self.root}/", path))


def performed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: list[Reply], **options: Any
) -> tuple[Any, Session, ScriptedServer]:
    if "QCODE_PROGRAM" not in os.environ:
        pytest.skip("`make harbor` says which qcode")
    session = Session(tmp_path / "container")
    with ScriptedServer(script) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        agent: Any = QcodeAgent(model_name="openai/scripted", **options)
        result = agent.perform_task(INSTRUCTION, session, session.root / "agent-logs")
    return result, session, server


def test_it_works_and_tells_its_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, session, server = performed(tmp_path, monkeypatch, [REPAIR, text("It adds now.")])

    assert "a + b" in (session.root / "app/calc.py").read_text()
    assert (result.total_input_tokens, result.total_output_tokens) == (2000, 40)
    assert result.failure_mode.value == "none"
    assert "$HOME 'mend' it" in str(server.requests[0].json["messages"])
    told = json.loads((session.root / "agent-logs/trajectory.json").read_text())
    assert told["steps"][-1]["message"] == "It adds now."


def test_limits_are_handed_on_and_the_shell_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = call("read_file", file_path="calc.py")

    result, session, server = performed(tmp_path, monkeypatch, [look] * 3, max_steps=2)

    assert len(server.requests) == 2
    assert result.failure_mode.value == "none"
    assert "ALIVE" in session.capture_pane()


def test_without_a_model_it_is_an_error_of_the_agent_and_the_shell_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script: list[Reply] = [fault(401, "Incorrect API key provided", code="invalid_api_key")]

    result, session, _ = performed(tmp_path, monkeypatch, script)

    assert "ALIVE" in session.capture_pane()
    assert result.total_input_tokens == 0


def test_the_version_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, session, _ = performed(tmp_path, monkeypatch, [text("No.")], version="1.2.3")

    assert "uv tool install --quiet --python 3.12 qcode-agent==1.2.3" in session.installs
