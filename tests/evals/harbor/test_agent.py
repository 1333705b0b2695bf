"""`harbor run` itself, with a folder for a container; `make harbor` installs and runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Reply, ScriptedServer, call, fault, text

pytest.importorskip("harbor", reason="`make harbor` runs these")

TASK = """\
schema_version = "1.3"

[verifier]
timeout_sec = 60.0

[agent]
timeout_sec = 60.0

[environment]
build_timeout_sec = 60.0
"""
JUDGE = """\
if grep -q "a + b" /app/calc.py; then echo 1; else echo 0; fi > /logs/verifier/reward.txt
"""
REPAIR = call("edit", file_path="calc.py", old_string="a - b", new_string="a + b")


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks/fix-add"
    for name, content in {
        "task.toml": TASK,
        "instruction.md": "add in calc.py subtracts; $HOME 'mend' it\n",
        "environment/Dockerfile": "FROM scratch\n",
        "environment/app/calc.py": "def add(a, b):\n    return a - b\n",
        "tests/test.sh": JUDGE,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


class Ran:
    """What a job left."""

    def __init__(self, folder: Path, said: str) -> None:
        results = [path for path in folder.rglob("result.json") if (path.parent / "agent").is_dir()]
        assert len(results) == 1, said
        self.trial = results[0].parent
        self.result: Any = json.loads(results[0].read_text())

    @property
    def trajectory(self) -> Any:
        return json.loads((self.trial / "agent/trajectory.json").read_text())

    @property
    def commands(self) -> list[str]:
        return (self.trial / "container/commands.txt").read_text().split("\n---\n")


def run(task: Path, script: list[Reply], *more: str) -> tuple[Ran, ScriptedServer]:
    with ScriptedServer(script) as server:
        done = subprocess.run(
            [
                *(Path(sys.executable).parent / "harbor", "run", "-p", task),
                *("-a", "qcode.evals.harbor.agent:QcodeAgent", "-m", "openai/scripted"),
                *("-e", "harbor_nearby:Nearby", "-o", task.parent.parent / "jobs", "-n", "1"),
                *("--ae", f"OPENAI_BASE_URL={server.base_url}", "--ae", "OPENAI_API_KEY=none"),
                *more,
            ],
            env={**os.environ, "HOME": str(task.parent.parent), "HARBOR_TELEMETRY": "off"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=110,
        )
    said = done.stdout + done.stderr
    return Ran(task.parent.parent / "jobs", said), server


@pytest.fixture(autouse=True)
def qcode_is_there() -> None:
    if "QCODE_PROGRAM" not in os.environ:
        pytest.skip("`make harbor` says which qcode")


def test_a_task_is_solved_judged_and_told_of(task: Path) -> None:
    ran, server = run(task, [REPAIR, text("It adds now.")])

    assert ran.result["verifier_result"]["rewards"] == {"reward": 1.0}, ran.result
    assert len(server.requests) == 2
    context = ran.result["agent_result"]
    assert (context["n_input_tokens"], context["n_output_tokens"]) == (2000, 40)
    assert (context["n_cache_tokens"], context["cost_usd"]) == (0, 0.0)
    steps = ran.trajectory["steps"]
    assert [step["source"] for step in steps] == ["user", "agent", "agent"]
    assert steps[0]["message"] == "add in calc.py subtracts; $HOME 'mend' it\n"
    assert steps[1]["tool_calls"][0]["function_name"] == "edit"
    assert "calc.py" in steps[1]["observation"]["results"][0]["content"]
    assert steps[2]["message"] == "It adds now."


def test_the_model_is_asked_what_the_task_says(task: Path) -> None:
    _, server = run(task, [text("I do not know.")])

    asked = server.requests[0].json
    assert asked["model"] == "scripted"
    assert "$HOME 'mend' it" in str(asked["messages"])


def test_it_is_installed_with_a_python_of_its_own(task: Path) -> None:
    ran, _ = run(task, [text("No.")], "--ak", "version=1.2.3")

    [install] = [one for one in ran.commands if "uv tool install" in one]
    assert "--python 3.12 qcode-agent==1.2.3" in install


def test_one_that_did_not_solve_it_is_judged_and_no_error(task: Path) -> None:
    ran, _ = run(task, [text("I do not know.")])

    assert ran.result["verifier_result"]["rewards"] == {"reward": 0.0}
    assert ran.result["exception_info"] is None


def test_a_limit_of_steps_is_no_error_either(task: Path) -> None:
    look = call("read_file", file_path="calc.py")

    ran, server = run(task, [look, look, look], "--ak", "max_steps=2")

    assert len(server.requests) == 2
    assert ran.result["exception_info"] is None
    assert ran.result["agent_result"]["n_input_tokens"] == 2000


def test_an_endpoint_that_refuses_the_key_is_an_error_of_the_set_up(task: Path) -> None:
    ran, _ = run(task, [fault(401, "Incorrect API key provided", code="invalid_api_key")])

    assert ran.result["exception_info"]["exception_type"] == "AgentAuthenticationError"
