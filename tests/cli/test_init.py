"""What the model is asked by `/init`, and that the person decides on what it writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from held import held
from scripted_server import ScriptedServer, call, text
from terminal import CTRL_D, ENTER, Screened, conversation, options

from qcode.cli.composer import store_of
from qcode.cli.init import init_message
from qcode.context import estimate_tokens
from qcode.facts.store import Fact
from qcode.sandbox.policy import Level


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    (root / "src").mkdir(parents=True)
    (root / "src/store.py").write_text("class Store:\n    def put(self, key): ...\n")
    (root / "Makefile").write_text("test:\n\t@true\nlint:\n\t@true\n")
    (root / ".env").write_text("KEY=1")
    (root / "build").mkdir()
    (root / ".gitignore").write_text("build/\n")
    (root / "CLAUDE.md").write_text("Use tabs.\n")
    return root


def test_the_model_is_told_what_is_known(project: Path) -> None:
    store_of(project).change(lambda _: [Fact("test", "make test ARGS=-q", kept=True)])
    with held(project, sandbox=Level.WORKSPACE_WRITE) as session:
        asked = init_message(session)

    assert asked.startswith("Write the file AGENTS.md for this project.\n")
    for line in (
        "- at the top: .gitignore, CLAUDE.md, Makefile, src/\n",
        "- made with: Makefile\n",
        "- likely to test: `make test`\n",
        "- likely to lint: `make lint`\n",
        "- known to test: `make test ARGS=-q`\n",
        "- also read by agents, so do not repeat it: CLAUDE.md\n",
        "Write AGENTS.md in the top directory with write_file, and nothing else.",
    ):
        assert line in asked
    assert "class Store" in asked
    assert "KEY" not in asked


def test_a_present_file_is_made_better_and_the_person_adds_wishes(project: Path) -> None:
    (project / "AGENTS.md").write_text("Never touch src/old.\n")
    with held(project) as session:
        asked = init_message(session, "in German")

    assert asked.startswith("Make this project's AGENTS.md better.\n")
    assert "Keep their words" in asked
    assert "write_file" not in asked
    assert asked.endswith("\n\nThe person adds: in German")


def test_a_small_model_is_asked_in_few_words_and_without_a_map(project: Path) -> None:
    for number in range(100):
        (project / f"file_{number:03}.py").write_text("def some(): ...\n")
    with held(project, window=8192) as session:
        asked = init_message(session)

    assert "def some" not in asked
    assert "and 65 more" in asked
    assert "At most 25 short lines" in asked
    assert estimate_tokens(asked) < 700


def test_an_empty_folder_is_no_matter(tmp_path: Path) -> None:
    with held(tmp_path) as session:
        assert "- at the top: nothing yet\n" in init_message(session)


def test_the_person_sees_the_file_and_approves_it(project: Path) -> None:
    script = [
        call("write_file", file_path="AGENTS.md", content="# Store\n\nRun `make test`.\n"),
        text("It tells how to test."),
    ]
    with ScriptedServer(script) as server, Screened(project, *options(server)) as qcode:
        qcode.say("/init mention @src/store.py")
        qcode.expect("AGENTS.md")
        qcode.expect("instead:")
        qcode.type("y" + ENTER)
        qcode.expect("It tells how to test.")
        qcode.ready()
        qcode.type(CTRL_D)
        assert qcode.wait() == 0
        (_, said) = conversation(server.requests[0].json)[0]

    assert (project / "AGENTS.md").read_text() == "# Store\n\nRun `make test`.\n"
    assert "The person adds: mention @src/store.py" in said
    assert '<content of="src/store.py">' in said
