"""What the model is told besides what a person says, by the whole program."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import scripted_server as scripted
from program import Program, repository


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"AGENTS.md": "Use tabs.\n", "a.py": "one = 1\n"})


def said(server: scripted.ScriptedServer, request: int = 0) -> str:
    content = server.requests[request].json["messages"][1]["content"]
    assert isinstance(content, str)
    return content


def test_instructions_stand_before_the_first_message_alone(work: Path) -> None:
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "qcode"
    own.mkdir(parents=True)
    (own / "AGENTS.md").write_text("Answer in French.\n")
    with scripted.ScriptedServer([scripted.text("oui"), scripted.text("non")]) as server:
        program = Program(work, server.base_url)
        assert program.run("run", "hello").code == 0
        assert program.run("run", "-c", "again").code == 0

    told = said(server)
    assert told.endswith("</instructions>\n\nhello")
    assert told.index("Answer in French.") < told.index("Use tabs.")
    assert said(server, 1) == told
    assert server.requests[1].json["messages"][-1]["content"] == "again"


def test_instructions_can_be_left_out_or_chosen(work: Path) -> None:
    (work / "HOUSE.md").write_text("Use blanks.\n")
    (work / "chosen.toml").write_text('memory_files = ["HOUSE.md"]\n')
    with scripted.ScriptedServer([scripted.text("fine")] * 2) as server:
        program = Program(work, server.base_url)
        program.run("run", "--no-memory", "hello")
        program.run("run", "--config", "chosen.toml", "hello")

    assert said(server) == "hello"
    assert "Use blanks." in said(server, 1)
    assert "Use tabs." not in said(server, 1)


def test_a_name_that_leads_elsewhere_is_refused(work: Path) -> None:
    (work / "chosen.toml").write_text('memory_files = ["../AGENTS.md"]\n')

    ended = Program(work, "http://127.0.0.1:1").run("run", "--config", "chosen.toml", "hello")

    assert ended.code == 2
    assert "`../AGENTS.md`, which is no name of a file" in ended.error


def test_secrets_in_instructions_are_masked(work: Path) -> None:
    (work / "AGENTS.md").write_text("The token is hunter2hunter2.\n")
    with scripted.ScriptedServer([scripted.text("fine")]) as server:
        Program(work, server.base_url, environ={"DEPLOY_TOKEN": "hunter2hunter2"}).run("run", "hi")

    assert "hunter2hunter2" not in said(server)
    assert "The token is" in said(server)


def test_surroundings_stand_behind_the_first_message_alone(work: Path) -> None:
    (work / "Makefile").write_text("test:\n")
    (work / "a.py").write_text("one = 2\n")
    with scripted.ScriptedServer([scripted.text("fine")] * 2) as server:
        program = Program(work, server.base_url, environ={"QCODE_SURROUNDINGS": "1"})
        program.run("run", "--no-memory", "hello")
        program.run("run", "--no-memory", "-c", "again")

    told = said(server)
    assert told.startswith("hello\n\nWhere this takes place:\n- directory: ")
    assert "changes not staged in a.py" in told
    assert "test: `make test`" in told
    assert server.requests[1].json["messages"][-1]["content"] == "again"
