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


def test_surroundings_stand_before_the_first_message_alone(work: Path) -> None:
    (work / "Makefile").write_text("test:\n")
    (work / "a.py").write_text("one = 2\n")
    with scripted.ScriptedServer([scripted.text("fine")] * 2) as server:
        program = Program(work, server.base_url, environ={"QCODE_SURROUNDINGS": "1"})
        program.run("run", "--no-memory", "hello")
        program.run("run", "--no-memory", "-c", "again")

    told = said(server)
    assert told.startswith("Where this takes place:\n- directory: ")
    assert told.endswith("\n\nhello")
    assert "changes not staged in a.py" in told
    assert "test: `make test`" in told
    assert server.requests[1].json["messages"][-1]["content"] == "again"


def test_surroundings_suit_the_model_unless_they_are_asked_for(work: Path) -> None:
    with scripted.ScriptedServer([scripted.text("fine")] * 3) as server:
        plain = Program(work, server.base_url, environ={"QCODE_SURROUNDINGS": ""})
        plain.run("run", "--no-memory", "-m", "qwen2.5-coder-1.5b", "hello")
        plain.run("run", "--no-memory", "-m", "qwen3-coder-next", "hello")
        off = Program(work, server.base_url, environ={"QCODE_SURROUNDINGS": "0"})
        off.run("run", "--no-memory", "-m", "qwen3-coder-next", "hello")

    told = ["Where this takes place" in said(server, number) for number in range(3)]
    assert told == [False, True, False]


def test_a_map_for_the_request_stands_before_it_if_asked_for(work: Path) -> None:
    (work / "retry.py").write_text("def wait_longer(attempt):\n    return 2 ** attempt\n")
    with scripted.ScriptedServer([scripted.text("fine")] * 3) as server:
        program = Program(work, server.base_url, environ={"QCODE_MAP": "1"})
        program.run("run", "wait_longer waits too long")
        program.run("run", "-c", "again")
        Program(work, server.base_url).run("run", "--no-memory", "wait_longer waits too long")

    told = said(server)
    assert "</instructions>\n\nFiles of this repository" in told
    assert "retry.py:\n1: def wait_longer(attempt)\n" in told
    assert told.endswith("\n\nwait_longer waits too long")
    assert server.requests[1].json["messages"][-1]["content"] == "again"
    assert "def wait_longer" not in said(server, 2)


def test_a_hidden_file_is_not_on_the_map(work: Path) -> None:
    (work / "retry.py").write_text("def wait_longer(attempt):\n    return 2 ** attempt\n")
    (work / "chosen.toml").write_text('map = true\nhidden = ["retry.py"]\n')
    with scripted.ScriptedServer([scripted.text("fine")]) as server:
        Program(work, server.base_url).run("run", "--config", "chosen.toml", "wait_longer is slow")

    assert "def wait_longer" not in said(server)


def test_what_the_prompt_points_at_stands_behind_it(work: Path) -> None:
    script = [
        scripted.call("edit", file_path="a.py", old_string="one = 1", new_string="one = 2"),
        scripted.text("done"),
    ]
    with scripted.ScriptedServer(script) as server:
        ended = Program(work, server.base_url).run(
            "run", "--no-memory", "-y", "fix @a.py and @b.py"
        )

    assert ended.code == 0
    assert said(server).startswith("fix @a.py and @b.py\n\nThe person points at this")
    assert said(server).endswith('<content of="a.py">\none = 1\n</content>')
    assert "`@b.py` is not given: there is no such file; did you mean a.py?" in ended.err
    assert (work / "a.py").read_text() == "one = 2\n"


def test_only_what_a_person_typed_points_at_things(work: Path) -> None:
    (work / "check.sh").write_text("echo see @a.py @https://127.0.0.1:1/; exit 1\n")
    with scripted.ScriptedServer([scripted.text("done")] * 9) as server:
        program = Program(work, server.base_url)
        program.run("run", "--no-memory", "--verify", "sh check.sh", "fix it")
        program.run("run", "--no-memory", stdin=b"about @a.py")
        program.run("run", "--no-memory", "look", stdin=b"at @a.py")

    told = [str(message) for seen in server.requests for message in seen.json["messages"][1:]]
    assert any("see @a.py" in text for text in told)
    assert not any("one = 1" in text for text in told)


def test_without_a_person_a_page_needs_the_network_to_be_allowed(work: Path) -> None:
    with scripted.ScriptedServer([scripted.text("done")]) as server:
        ended = Program(work, server.base_url).run("run", "--no-memory", "@http://127.0.0.1:1/ ?")

    assert "`@http://127.0.0.1:1/` is not given: addresses in place of names" in ended.err
    assert said(server) == "@http://127.0.0.1:1/ ?"


def test_a_picture_is_shown_and_kept_in_the_session(work: Path) -> None:
    (work / "shot.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 8)
    (work / "seeing.toml").write_text("vision = true\nmemory = false\n")
    with scripted.ScriptedServer([scripted.text("a square")] * 2) as server:
        program = Program(work, server.base_url)
        program.run("run", "--config", "seeing.toml", "what is in @shot.png")
        program.run("run", "--config", "seeing.toml", "-c", "and now")

    kinds = [part["type"] for part in server.requests[1].json["messages"][1]["content"]]
    assert kinds == ["text", "image_url"]
    first, again = (seen.json["messages"][1] for seen in server.requests)
    assert first == again


def test_the_second_session_knows_how_the_first_one_tested(work: Path) -> None:
    (work / "Makefile").write_text("test:\n\t@true\n")
    script = [
        scripted.call("run_shell_command", command="make test"),
        *[scripted.text("done")] * 3,
    ]
    with scripted.ScriptedServer(script) as server:
        program = Program(work, server.base_url)
        program.run("run", "--no-memory", "-y", "--sandbox", "off", "test it")
        program.run("run", "--no-memory", "again")

        assert said(server, 0) == "test it"
        assert said(server, 2).startswith("Known of this project")
        assert "- test: `make test` (passed the last time" in said(server, 2)

        listed = program.run("facts").out
        assert listed.startswith("  1. test: make test  (1 passed, 0 failed;")
        assert program.run("facts", "add", "lint", "make lint").code == 0
        assert program.run("facts", "forget", "1").out == "forgotten: make test\n"
        assert program.run("facts", "list").out.startswith("  1. lint: make lint  (yours)")
        assert program.run("facts", "forget", "7").code == 2
        file = Path(program.run("facts", "edit").out.strip())
        file.write_text("{")
        damaged = program.run("run", "--no-memory", "once more")
        assert damaged.code == 0
        assert f"the facts in `{file}` are damaged" in damaged.err
        assert program.run("facts").code == 1
        assert program.run("facts", "forget", "all").code == 0
        assert program.run("facts").out.startswith("nothing is known yet")


def test_a_symbol_is_given_by_its_name_alone(work: Path) -> None:
    (work / "lib.py").write_text("x = 1\n\n\ndef helper(a):\n    return a\n\n\ny = helper(x)\n")
    with scripted.ScriptedServer([scripted.text("ok")] * 2) as server:
        program = Program(work, server.base_url)
        assert program.run("run", "explain @symbol:helper").code == 0
        assert program.run("run", "explain @helper to @nobody").code == 0

    for request in (0, 1):
        told = said(server, request)
        assert "def helper(a):\n    return a" in told
        assert "y = helper" not in told
