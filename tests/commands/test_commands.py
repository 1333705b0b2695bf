"""Custom commands: the files they are written in, and what becomes of one in a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import scripted_server as scripted
from extended import command, own, place, skill, trust, written
from program import Program, repository

from qcode.commands.command import commands_in


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.py": "one = 1\n", "notes.md": "the notes\n"})


def last_said(server: scripted.ScriptedServer, request: int = 0) -> str:
    content = server.requests[request].json["messages"][-1]["content"]
    assert isinstance(content, str)
    return content


def test_files_are_commands_by_their_place(tmp_path: Path) -> None:
    command(tmp_path, "review", "# Review it\n\nAll of it.")
    command(tmp_path, "git/tidy", "Tidy up.", "description: tidies\nargument-hint: '[branch]'\n")
    toml = 'description = "plans"\nprompt = """\nPlan {{args}}.\n"""\n'
    written(tmp_path / "commands/plan.toml", toml)
    written(tmp_path / "commands/README.md", "about these")
    problems: list[str] = []
    found = commands_in([place(tmp_path)], problems)
    assert [(one.name, one.about, one.hint) for one in found.values()] == [
        ("git:tidy", "tidies", "[branch]"),
        ("plan", "plans", ""),
        ("review", "Review it", ""),
    ]
    assert found["plan"].body == "Plan {{args}}."
    assert problems == []


def test_what_is_wrong_with_a_file_is_told_and_the_others_are_there(tmp_path: Path) -> None:
    project = tmp_path / "p/.qcode"
    folder = project / "commands"
    written(tmp_path / "secret.md", "the secret")
    command(project, "good", "Do good.")
    command(project, "empty", "", "description: nothing\n")
    command(project, "broken", "x", "description: [a\n  b: }\n")
    command(project, "two words", "x")
    (folder / "binary.md").write_bytes(b"\x00\xff\xfe")
    (folder / "huge.md").write_bytes(b"x" * 300_000)
    written(folder / "bad.toml", "prompt = 3")
    written(folder / "worse.toml", "prompt = ")
    (folder / "away.md").symlink_to(tmp_path / "secret.md")
    (folder / "gone.md").symlink_to(tmp_path / "nowhere.md")
    (folder / "dir.md").mkdir()
    problems: list[str] = []
    found = commands_in([place(project, is_project=True)], problems)
    assert list(found) == ["good"]
    told = {line.split("`")[1].rpartition("/")[2]: line for line in problems}
    assert sorted(told) == [
        *("away.md", "bad.toml", "binary.md", "broken.md", "empty.md"),
        *("gone.md", "huge.md", "two words.md", "worse.toml"),
    ]
    assert "leads out of the project" in told["away.md"]
    assert "not text" in told["binary.md"]
    assert "larger than" in told["huge.md"]
    assert "other signs than letters" in told["two words.md"]
    assert all("\n" not in line for line in problems)


def test_the_project_counts_before_the_person(tmp_path: Path) -> None:
    ours, mine = tmp_path / "ours", tmp_path / "mine"
    command(ours, "same", "of the project")
    command(mine, "same", "of the person")
    found = commands_in([place(ours, is_project=True), place(mine)], [])
    assert found["same"].body == "of the project"


def test_a_command_is_sent_with_its_files_arguments_and_what_it_runs(work: Path) -> None:
    body = "Look at $1 and @notes.md.\n\nNow: !`cat a.py`\nKinds: !{echo {{args}}}"
    command(own(), "look", body, "allowed-tools: Bash(echo:*)\n")
    with scripted.ScriptedServer([scripted.text("fine")]) as server:
        ended = Program(work, server.base_url).run("run", "--no-memory", "/look a.py 'b c'")
    assert (ended.code, ended.out) == (0, "fine\n")
    text = last_said(server)
    assert text.startswith("Look at a.py and @notes.md.\n\nNow: one = 1\nKinds: a.py 'b c'")
    assert "the notes" in text


def test_what_is_not_allowed_sends_nothing_and_allowed_tools_end_with_the_turn(work: Path) -> None:
    command(own(), "deploy", "Say: !`touch deployed`")
    head = "allowed-tools: Bash(touch made)\n"
    command(own("claude"), "make", "Do it: !`touch made`", head)
    script = [
        scripted.call("run_shell_command", command="touch made"),
        scripted.text("made"),
        scripted.call("run_shell_command", command="touch made"),
        scripted.text("not made"),
    ]
    with scripted.ScriptedServer(script) as server:
        program = Program(work, server.base_url)
        denied = program.run("run", "/deploy")
        assert denied.code == 1
        assert "`/deploy` was not sent, since its `touch deployed` may not be run" in denied.error
        assert server.requests == []
        lines = "\n".join(
            json.dumps({"type": "user", "message": {"role": "user", "content": said}})
            for said in ("/make", "and again")
        )
        driven = ("run", "--input-format", "stream-json", "-o", "stream-json")
        ended = program.run(*driven, stdin=f"{lines}\n".encode())
    assert ended.code == 0, ended.err
    results = [m["content"] for r in server.requests for m in r.json["messages"][-1:]]
    assert "Not allowed" not in results[1]
    assert "Not allowed" in results[3]
    assert not (work / "deployed").exists()
    assert (work / "made").exists()


def test_commands_of_a_project_wait_for_trust_and_a_pipe_is_no_command(work: Path) -> None:
    command(work / ".claude", "hello", "Greet the world.")
    with scripted.ScriptedServer(then=scripted.text("hi")) as server:
        program = Program(work, server.base_url)
        before = program.run("run", "/hello")
        assert "1 command in this folder: ignored" in before.err
        assert last_said(server).endswith("/hello")
        trust(work)
        program.run("run", "/hello")
        assert last_said(server, 1).endswith("Greet the world.")
        program.run("run", "/hello", stdin=b"more")
        assert last_said(server, 2).endswith("Greet the world.\n\nmore")
        program.run("run", "-", stdin=b"/hello")
        assert last_said(server, 3).endswith("/hello")
        unknown = program.run("run", "/helo x")
        assert "there is no command `/helo` here" in unknown.err


def test_a_skill_goes_before_a_command_and_qcodes_own_before_both(work: Path) -> None:
    skill(own(), "pdf", text="Take pages from ${CLAUDE_SKILL_DIR}/pages.")
    command(own(), "pdf", "the command")
    command(own(), "help", "mine")
    with scripted.ScriptedServer([scripted.text("fine")]) as server:
        ended = Program(work, server.base_url).run("run", "--no-memory", "/pdf a.pdf")
    text = last_said(server)
    folder = own() / "skills/pdf"
    assert f'<skill name="pdf" folder="{folder}">' in text
    assert f"Take pages from {folder}/pages.\n\na.pdf\n</skill>" in text
    assert "`/help` is a command of qcode; give it another name" in ended.err


def test_a_command_can_name_the_model_of_its_turn(work: Path) -> None:
    command(own(), "deep", "Think.", "model: deeper\n")
    command(own(), "usual", "Think.", "model: sonnet\n")
    with scripted.ScriptedServer(then=scripted.text("ok"), models=["deeper", "scripted"]) as server:
        lines = "\n".join(
            json.dumps({"type": "user", "message": {"role": "user", "content": said}})
            for said in ("/deep", "on", "/usual")
        )
        driven = ("run", "--input-format", "stream-json", "-o", "stream-json")
        ended = Program(work, server.base_url).run(*driven, stdin=f"{lines}\n".encode())
    assert ended.code == 0, ended.err
    assert [one.json["model"] for one in server.requests] == ["deeper", "scripted", "scripted"]
