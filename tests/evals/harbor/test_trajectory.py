from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripted_server import ScriptedServer, calls, text

from qcode.evals.harbor import command
from qcode.evals.harbor.trajectory import Spent, events_in, spent, trajectory

USED = {"input_tokens": 100, "output_tokens": 7, "cache_read_input_tokens": 60}
CALL = {"type": "tool_use", "id": "c1", "name": "read_file", "input": {"file_path": "a"}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "text", "is_error": False}
EVENTS: list[dict[str, Any]] = [
    {"type": "system", "subtype": "init", "session_id": "s", "model": "m"},
    {
        "type": "assistant",
        "session_id": "s",
        "message": {
            "content": [
                {"type": "thinking", "thinking": "hmm"},
                {"type": "text", "text": "I look."},
                CALL,
            ],
            "usage": USED,
        },
    },
    {"type": "user", "message": {"role": "user", "content": [RESULT]}},
    {
        "type": "assistant",
        "message": {"content": [{"type": "text", "text": "Done."}], "usage": USED},
    },
    {
        "type": "result",
        "subtype": "success",
        "usage": {**USED, "input_tokens": 201},
        "total_cost_usd": 0.5,
    },
]


def made(events: list[dict[str, Any]]) -> dict[str, Any]:
    return trajectory(events, instruction="Mend it.", version="1.2", model="given")


def test_a_run_is_one_trajectory() -> None:
    metrics = {"prompt_tokens": 100, "completion_tokens": 7, "cached_tokens": 60}

    assert made(EVENTS) == {
        "schema_version": "ATIF-v1.7",
        "session_id": "s",
        "agent": {"name": "qcode", "version": "1.2", "model_name": "m"},
        "steps": [
            {"step_id": 1, "source": "user", "message": "Mend it."},
            {
                "step_id": 2,
                "source": "agent",
                "message": "I look.",
                "llm_call_count": 1,
                "model_name": "m",
                "reasoning_content": "hmm",
                "tool_calls": [
                    {
                        "tool_call_id": "c1",
                        "function_name": "read_file",
                        "arguments": {"file_path": "a"},
                    }
                ],
                "metrics": metrics,
                "observation": {"results": [{"source_call_id": "c1", "content": "text"}]},
            },
            {
                "step_id": 3,
                "source": "agent",
                "message": "Done.",
                "llm_call_count": 1,
                "model_name": "m",
                "metrics": metrics,
            },
        ],
        "final_metrics": {
            "total_prompt_tokens": 201,
            "total_completion_tokens": 7,
            "total_cached_tokens": 60,
            "total_cost_usd": 0.5,
            "total_steps": 3,
        },
    }


def test_tokens_are_the_results_or_else_added_up() -> None:
    assert spent(EVENTS) == Spent(201, 60, 7, 0.5)
    assert spent(EVENTS[:-1]) == Spent(200, 120, 14, None)
    assert spent([]) == Spent()


def test_a_line_that_was_cut_off_is_left_out() -> None:
    lines = [json.dumps(event) for event in EVENTS]

    assert list(events_in("\n".join([*lines[:2], lines[2][:30]]))) == EVENTS[:2]


def test_what_a_subagent_said_is_not_the_sessions() -> None:
    other = {**EVENTS[1], "parent_tool_use_id": "c1"}

    assert made([EVENTS[0], other])["steps"] == made([EVENTS[0]])["steps"]
    assert spent([other]) == Spent()


def test_the_real_stream_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text\n")
    first = calls(("read_file", {"file_path": "a"}), content="I look.")

    with ScriptedServer([first, text("Done.")]) as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "qcode", "run", "-y", "-o", "stream-json"),
                *("-m", "scripted", "--base-url", server.base_url, "look"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    told = made(list(events_in(done.stdout)))
    steps = told["steps"]
    assert [step["message"] for step in steps] == ["Mend it.", "I look.", "Done."]
    assert steps[1]["observation"]["results"][0]["content"] == "text"
    assert told["final_metrics"] == {
        "total_prompt_tokens": 2000,
        "total_completion_tokens": 40,
        "total_cached_tokens": 0,
        "total_cost_usd": 0.0,
        "total_steps": 3,
    }


def container(tmp_path: Path, code: int) -> subprocess.CompletedProcess[str]:
    """Run the line that a container is given, with a `qcode` that notes how it was called."""
    program = tmp_path / ".local/bin/qcode"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho "$@"\ncat\necho why >&2\nexit {code}\n')
    program.chmod(0o755)
    (tmp_path / "in").write_text("$HOME; 'mend' it")
    files = command.Files(*(str(tmp_path / name) for name in ("in", "out", "err")))
    line = command.run(files, {"max-steps": 5, "max-cost": None})
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    return subprocess.run(["sh", "-c", line], env=environ, capture_output=True, text=True)


def test_qcode_gets_the_instruction_as_it_is(tmp_path: Path) -> None:
    done = container(tmp_path, 0)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "out").read_text() == (
        "run -y --sandbox external -o stream-json --max-steps 5 -\n$HOME; 'mend' it"
    )


def test_a_run_that_failed_at_its_task_is_to_be_judged(tmp_path: Path) -> None:
    assert container(tmp_path, 4).returncode == 0


def test_a_run_that_never_came_to_work_is_a_failure_with_its_cause(tmp_path: Path) -> None:
    done = container(tmp_path, 3)

    assert (done.returncode, done.stderr) == (3, "why\n")


def test_the_install_script_is_one_for_sh() -> None:
    for version in ("", "1.2.3"):
        done = subprocess.run(["sh", "-n"], input=command.install(version), text=True)
        assert done.returncode == 0
    assert "qcode-agent==1.2.3" in command.install("1.2.3")


def test_openai_stands_for_any_endpoint() -> None:
    assert command.model_variables("openai/org/model") == {"QCODE_MODEL": "org/model"}
    assert command.model_variables("anthropic/claude") == {"QCODE_MODEL": "anthropic/claude"}
    assert command.model_variables(None) == {}
