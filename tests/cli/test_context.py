"""`qcode context`, as a person and a script use it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import scripted_server as scripted
from program import Program, repository, sessions


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "qcode"
    own.mkdir(parents=True)
    (own / "AGENTS.md").write_text("Answer in French.\n")
    return repository(
        folder, {"AGENTS.md": "Use tabs.\n" * 40, "sub/QWEN.md": "Be brief.\n", "a.py": "a = 1\n"}
    )


def parts(data: dict[str, list[dict[str, object]]]) -> list[tuple[object, object]]:
    return [(part["kind"], part["name"]) for part in data["parts"]]


def test_a_first_request_is_what_a_session_then_sends(work: Path) -> None:
    (work / "config.toml").write_text("context_window = 8192\n")
    with scripted.ScriptedServer([scripted.text("oui")]) as server:
        program = Program(work / "sub", server.base_url, environ={"QCODE_SURROUNDINGS": "1"})
        program.run("facts", "add", "test", "make check")
        ended = program.run("context", "--json", "--config", "../config.toml")
        assert (server.requests, server.others) == ([], [])
        program.run("run", "--config", "../config.toml", "hello")

    assert ended.code == 0, ended.err
    data = ended.json()
    body = server.requests[0].json
    told = [tool["function"]["name"] for tool in body["tools"]]
    assert parts(data) == [
        ("instructions", None),
        *(("tool", name) for name in told),
        ("memory", "~/.config/qcode/AGENTS.md"),
        ("memory", "../AGENTS.md"),
        ("memory", "QWEN.md"),
        ("told besides", None),
        ("surroundings", None),
        ("facts", None),
    ]
    assert (data["session"], data["model"], data["tier"]) == (None, "scripted", "8k")
    assert (data["window"], data["reserve"]) == (8192, 1024)
    assert data["free"] == 8192 - 1024 - data["total"]
    characters = len(json.dumps(body["messages"])) + len(json.dumps(body["tools"]))
    assert 0.8 < data["total"] * 3.2 / characters < 1.1
    assert len(sessions()) == 1  # of `run`


def test_no_model_and_no_key_is_needed(work: Path) -> None:
    program = Program(work, None, None)
    ended = program.run("context", "--no-memory")

    assert ended.code == 0, ended.err
    assert ended.out.startswith("a first request here, no model is configured, by estimate\n")
    assert "the window is not known" in ended.out
    assert "  run_shell_command " in ended.out
    assert "memory" not in ended.out
    named = program.run("context", "--json", "-m", "gpt-5")  # has no key
    assert (named.code, named.json()["model"]) == (0, "gpt-5")


def test_a_recorded_session_is_shown_from_its_journal(work: Path) -> None:
    usage = {
        "prompt_tokens": 900,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 800},
    }
    script = [scripted.call("read_file", file_path="a.py"), scripted.text("One.", usage=usage)]
    with scripted.ScriptedServer(script) as server:
        Program(work, server.base_url).run("run", "what is a?")
    program = Program(work, None, "another")  # only what was used counts
    (path,) = sessions()

    ended = program.run("context", "--session", path.stem[-6:], "--json")
    shown = program.run("context", "-c")

    data = ended.json()
    assert (data["session"], data["model"]) == (path.stem, "scripted")
    assert parts(data)[-6:] == [
        ("memory", "AGENTS.md"),
        ("told besides", None),
        ("request", None),
        ("answer", None),
        ("call", None),
        ("result", "read_file"),
    ]
    assert [each["reused_tokens"] for each in data["requests"]] == [0, 800]
    assert [each["read_anew_tokens"] for each in data["requests"]] == [1000, 100]
    # By what the server counted of the last request, and the answer to it.
    assert 850 < data["total"] < 950
    assert "     2.       900 tokens: 800 reused, 100 read anew; 7 written" in shown.out
    assert len(sessions()) == 1


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--session", "x", "-c"], "exclude each other"),
        (["--session", "nothing"], "no session `nothing`"),
        (["-c"], "no session was held"),
    ],
)
def test_what_cannot_be_shown_is_one_line(work: Path, arguments: list[str], said: str) -> None:
    ended = Program(work).run("context", *arguments)

    assert ended.code == 2
    assert said in ended.error
    assert ended.out == ""
