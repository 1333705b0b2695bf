"""qcode as an agent that is tried: what it is told, and what is read out of its runs."""

from __future__ import annotations

import asyncio
import json
import os
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import git, repository
from trying import task

from qcode.evals.agents import Endpoint, Limits, Outcome, Work
from qcode.evals.agents.qcode import Qcode, _environment, not_judged, settings_of
from qcode.evals.agents.surroundings import variables_of
from qcode.evals.agents.telling import conduct_of, effort_of, read_stream
from qcode.evals.harness.trial import Conduct, Effort
from qcode.record import replace


def worked(
    top: Path, script: Any, limits: Limits | None = None, **fields: Any
) -> tuple[Outcome, list[Any]]:
    """Return what came of a run against a scripted server, and the requests it saw."""
    repository(top / "repo", {"a.py": "x = 1\n"})
    (top / "home").mkdir()
    (top / "kept").mkdir()
    with scripted.ScriptedServer(script) as server:
        endpoint = Endpoint("scripted", server.base_url, temperature=0.5, seed=7)
        work = Work(
            task(), "do it", top / "repo", top / "home", top / "kept",
            fields.pop("endpoint", None) or endpoint, limits or Limits(60.0), 0,
        )  # fmt: skip
        outcome = asyncio.run(Qcode().work(work, {**os.environ, **fields}))
        return outcome, [seen.json for seen in server.requests if seen.method == "POST"]


def test_a_run_is_counted(tmp_path: Path) -> None:
    outcome, requests = worked(
        tmp_path,
        [
            scripted.call("edit", file_path="a.py", old_string="y", new_string="z"),
            scripted.calls(
                ("edit", '{"file_path": "a.py", "old_string": "x = 1", "new_string": "x = 2",}'),
                ("run_shell_command", '{"command": "echo x > /etc/none"}'),
            ),
            scripted.call("run_shell_command", command="git reset --hard"),
            scripted.text("It is 2."),
        ],
    )

    assert (outcome.exit_code, outcome.answer, outcome.ended, outcome.error) == (
        0, "It is 2.", "success", "",
    )  # fmt: skip
    assert outcome.conduct == Conduct(
        calls=4, failed_calls=3, unread_calls=0, repaired_calls=1, edits=2, failed_edits=1,
        loops=0, blocked=1, denied=1,
    )  # fmt: skip
    used = outcome.effort
    assert (used.steps, used.read_tokens, used.cached_tokens, used.written_tokens) == (
        4, 4000, 0, 80,
    )  # fmt: skip
    assert 0 < (used.model_s or 0) < used.wall_s
    assert (requests[0]["seed"], requests[0]["temperature"]) == (7, 0.5)
    assert (tmp_path / "kept/journal.jsonl").read_text().startswith('{"type":"session"')


def test_going_in_circles_is_told(tmp_path: Path) -> None:
    outcome, _ = worked(tmp_path, lambda _seen: scripted.call("read_file", file_path="none.py"))

    assert (outcome.exit_code, outcome.conduct.loops, outcome.error) == (1, 1, "")


def test_a_provider_that_fails_is_not_the_agents_fault(tmp_path: Path) -> None:
    outcome, _ = worked(tmp_path, [scripted.fault(401, "bad key")])

    assert outcome.exit_code == 3
    assert outcome.error.startswith("the provider failed: ")
    assert "bad key" in outcome.error


@pytest.mark.parametrize(
    "limits, ended",
    [
        (Limits(60.0, steps=2), "error_max_turns"),
        (Limits(60.0, tokens=1500), "error_budget"),
        (Limits(2.0), "error_budget"),
    ],
)
def test_limits_end_a_run_and_it_is_judged(limits: Limits, ended: str, tmp_path: Path) -> None:
    wait = "sleep 30" if limits.steps is None and limits.tokens is None else "date +%N"

    begun = time.monotonic()
    outcome, _ = worked(
        tmp_path, lambda _seen: scripted.call("run_shell_command", command=wait), limits
    )

    assert (outcome.exit_code, outcome.ended, outcome.error) == (4, ended, "")
    assert time.monotonic() - begun < 30


def test_nothing_of_the_persons_reaches_a_run(tmp_path: Path) -> None:
    config = Path(os.environ["HOME"]) / ".config/qcode"
    config.mkdir(parents=True)
    (config / "AGENTS.md").write_text("SAY-PERSONAL-THINGS\n")
    (config / "config.toml").write_text('model = "other"\n')

    _, requests = worked(
        tmp_path, [scripted.text("done")], QCODE_MODEL="another", QCODE_MAP="1", SOME_API_KEY="k"
    )

    assert requests[0]["model"] == "scripted"
    assert "SAY-PERSONAL-THINGS" not in json.dumps(requests)
    settings = tomllib.loads((tmp_path / "home/.config/qcode/config.toml").read_text())
    assert settings["extra_body"] == {"seed": 7, "temperature": 0.5}
    assert git(tmp_path / "repo", "status", "--porcelain") == ""


def test_a_tasks_own_variables_reach_its_commands_and_do_not_steer_qcode(tmp_path: Path) -> None:
    variables = {
        "MODE": "a b",
        "SIGNING_KEY": "of the task",
        "PYTHONPATH": "/app",
        "QCODE_MAP": "1",
    }
    made = replace(task(), more={"environ": variables, "env": {"vars": {"ZONE": "1"}}})
    work = Work(
        made, "do it", tmp_path / "repo", tmp_path / "home", tmp_path, Endpoint("m", ""),
        Limits(60.0), 0,
    )  # fmt: skip

    given = _environment(work, {"PATH": "/bin", "MY_KEY": "the person's"})

    assert (given["MODE"], given["SIGNING_KEY"], given["ZONE"]) == ("a b", "of the task", "1")
    assert given.keys() & {"PYTHONPATH", "QCODE_MAP", "MY_KEY"} == set()
    assert variables_of(made) == {**variables, "ZONE": "1"}


def test_a_key_is_handed_on_by_its_variable_and_is_written_nowhere(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    repository(tmp_path / "x/repo", {"a.py": "x = 1\n"})
    endpoint = Endpoint("scripted", "http://127.0.0.1:9/v1", api_key_env="MY_KEY")

    settings = settings_of(endpoint)

    assert settings == {
        "model": "scripted", "base_url": "http://127.0.0.1:9/v1", "extra_body": {"seed": 0},
        "api_key_env": "MY_KEY",
    }  # fmt: skip


def test_a_hosted_model_is_sent_no_fields_that_its_interface_refuses() -> None:
    endpoint = Endpoint("anthropic/some", "", context_window=9, temperature=0.1, seed=3)

    assert settings_of(endpoint) == {"model": "anthropic/some", "context_window": 9}


def test_a_run_that_was_killed_is_counted_by_its_journal(tmp_path: Path) -> None:
    stream, journal = tmp_path / "stream", tmp_path / "journal"
    stream.write_text('{"type":"system"}\n{"type":"assistant","mess')
    usage = {"type": "usage", "input": 100, "output": 5, "cached": 60, "seconds": 1.5}
    lines = [usage, {**usage, "purpose": "summary"}, {"type": "repair", "call_id": "c"}]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))

    told = read_stream(stream)

    assert effort_of(told, journal, 9.0) == Effort(1, 80, 120, 10, None, 9.0, 3.0)
    assert replace(conduct_of(told, journal), calls=None) == Conduct(
        failed_calls=0, unread_calls=0, repaired_calls=1, edits=0, failed_edits=0, loops=0
    )


def test_breaking_down_in_mid_session_is_its_own_fault(tmp_path: Path) -> None:
    out, err, journal = (tmp_path / name for name in ("out", "err", "journal.jsonl"))
    out.write_text("")
    err.write_text("Traceback (most recent call last):\nIndexError: out of range\n")
    told = read_stream(out)

    assert not_judged(1, told, err, journal) == ""
    assert not_judged(1, told, err, None) == "qcode ended with 1: IndexError: out of range"
    assert not_judged(3, told, err, journal).startswith("the provider failed")
    assert not_judged(None, told, err, None) == ""  # it was ended


def test_a_prompt_that_is_too_long_for_a_command_line_arrives(tmp_path: Path) -> None:
    repository(tmp_path / "repo", {"a.py": "x = 1\n"})
    for name in ("home", "kept"):
        (tmp_path / name).mkdir()
    prompt = "look at it. " + "y" * 140_000 + " the end"
    with scripted.ScriptedServer([scripted.text("ok")]) as server:
        endpoint = Endpoint("scripted", server.base_url, context_window=200_000)
        work = Work(
            task(), prompt, tmp_path / "repo", tmp_path / "home", tmp_path / "kept", endpoint,
            Limits(60.0), 0,
        )  # fmt: skip
        outcome = asyncio.run(Qcode().work(work, os.environ))

    assert (outcome.exit_code, outcome.answer, outcome.error) == (0, "ok", "")
    assert prompt in json.dumps(server.requests[-1].json)
