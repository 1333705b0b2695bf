"""undo, redo, checkpoints, diff, --commit and --patch, run as a person does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import scripted_server as scripted
from program import Program, git, repository

from qcode.journal.loading import load
from qcode.messages import UserMessage

SHELL = "printf new > new.txt; rm b.txt; chmod 600 c.txt"
SCRIPT = [
    scripted.call("edit", file_path="a.txt", old_string="one", new_string="two"),
    scripted.call("run_shell_command", command=SHELL),
    scripted.call("read_file", file_path="new.txt"),
    scripted.text("Done."),
]
FILES = {"a.txt": "one\n", "b.txt": "b\n", "c.txt": "c\n"}


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.name: (path.stat().st_mode, path.read_bytes())
        for path in folder.iterdir()
        if path.is_file()
    }


@pytest.fixture(params=["repository", "plain folder"])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    if request.param == "repository":
        return repository(folder, FILES)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def run(work: Path, *args: str, script: list[scripted.Stream] = SCRIPT) -> Program:
    with scripted.ScriptedServer(script) as server:
        program = Program(work, server.base_url)
        ended = program.run("run", "-y", *args, "do it")
    assert ended.code == 0, ended.err
    return program


def test_a_commands_effects_are_undone_and_made_anew(work: Path) -> None:
    before = tree(work)
    program = run(work)
    after = tree(work)
    assert sorted(after) == ["a.txt", "c.txt", "new.txt"]

    shown = program.run("undo", "-n")
    assert shown.code == 0
    assert "takes back 2: run_shell_command" in shown.out
    assert "  A b.txt  +1" in shown.out
    assert "  D new.txt  −1" in shown.out
    assert tree(work) == after

    assert program.run("undo", "-y").code == 0
    assert tree(work)["b.txt"] == before["b.txt"]
    assert program.run("undo", "-y").code == 0
    assert tree(work) == before
    ended = program.run("undo", "-y")
    assert (ended.code, ended.error) == (2, "qcode: there is nothing to undo")

    assert program.run("redo", "-y", "2").code == 0
    assert tree(work) == after
    assert program.run("undo", "1", "-y").code == 0
    assert tree(work) == before


def test_without_a_terminal_nothing_is_done_unasked(work: Path) -> None:
    program = run(work)
    after = tree(work)
    ended = program.run("undo")
    assert ended.code == 2
    assert "takes back 2" in ended.out
    assert "-y" in ended.error
    assert tree(work) == after


def test_the_list_for_people_and_programs(work: Path) -> None:
    program = run(work)
    program.run("undo", "-y")
    lines = program.run("checkpoints").out.splitlines()
    assert "do it" in lines[0]
    assert [line.split()[0:2] for line in lines[1:]][1][0] == "▸"
    assert lines[3].endswith("(taken back)")
    data = json.loads(program.run("checkpoints", "--json").out)
    assert [point["kind"] for point in data["points"]] == ["start", "call", "call", "move"]
    assert data["points"][2]["files"] == ["b.txt", "c.txt", "new.txt"]
    assert [point["in_place"] for point in data["points"]][:3] == [True, True, False]


def test_the_diff_applies(work: Path, tmp_path: Path) -> None:
    program = run(work)
    assert "-one" in program.run("diff").out
    assert "-one" not in program.run("diff", "2").out
    assert program.run("diff", "--stat", "1", "--only").out == "  M a.txt  +1 −1\n"
    places = "a.txt:1: +two\nb.txt:1: deleted (−1)\nc.txt:1: mode 644 → 600\n"
    assert program.run("diff", "--quickfix").out == f"{places}new.txt:1: added (+1)\n"
    other = tmp_path / "other"
    other.mkdir()
    repository(other, FILES)
    patch = program.run("diff").out
    subprocess.run(["git", "apply", "-"], cwd=other, input=patch.encode(), check=True)
    assert sorted(path.name for path in other.iterdir()) == [".git", "a.txt", "c.txt", "new.txt"]


def test_a_persons_edit_is_not_overwritten_in_silence(work: Path) -> None:
    program = run(work)
    (work / "a.txt").write_text("two\nmine\n")
    ended = program.run("undo", "1", "-y")
    assert ended.code == 1
    assert "! a.txt was changed since (step 1)" in ended.out
    assert "--merge" in ended.error
    assert (work / "a.txt").read_text() == "two\nmine\n"
    forced = program.run("undo", "1", "-y", "--force")
    assert "as step 3; `undo` brings all of it back" in forced.out
    assert (work / "a.txt").read_text() == "one\n"
    assert program.run("undo", "-y").code == 0
    assert (work / "a.txt").read_text() == "two\nmine\n"


def test_parts_by_number(work: Path) -> None:
    program = run(work)
    shown = program.run("undo", "1", "-n", "--pick").out
    assert "1  a.txt" in shown
    assert program.run("undo", "1", "--hunks", "1").code == 0
    assert (work / "a.txt").read_text() == "one\n"
    assert (work / "new.txt").exists()
    for wrong in ("9", "x", "0", "-1"):
        assert program.run("undo", "1", f"--hunks={wrong}").code == 2
        assert program.run("undo", "1", "-n", f"--hunks={wrong}").code == 2
    assert program.run("undo", "0", "-y").code == 2


def test_from_below_and_in_any_coding(work: Path) -> None:
    (work / "sub").mkdir()
    run(work)
    below = Program(work / "sub", environ={"PYTHONIOENCODING": "ascii"})
    ended = below.run("undo", "-n")
    assert (ended.code, ended.err) == (0, "")
    assert below.run("checkpoints").code == 0
    assert below.run("diff", "--stat").code == 0
    assert below.run("undo", "1", "-y").code == 0
    assert (work / "a.txt").read_text() == "one\n"


def test_the_model_is_told_when_the_session_goes_on(work: Path) -> None:
    program = run(work)
    program.run("undo", "1", "-y")
    with scripted.ScriptedServer([scripted.text("I see.")]) as server:
        ended = Program(work, server.base_url).run("run", "--continue", "go on")
        assert ended.code == 0, ended.err
        said = server.requests[0].json["messages"][-1]["content"]
    assert "took back" in said
    assert "a.txt" in said
    assert said.endswith("go on")


def test_the_conversation_can_go_along(work: Path) -> None:
    program = run(work)
    assert program.run("undo", "2", "-y", "--conversation").code == 0
    with scripted.ScriptedServer([scripted.text("I see.")]) as server:
        ended = Program(work, server.base_url).run("run", "--continue", "another way")
        assert ended.code == 0, ended.err
        roles = [message["role"] for message in server.requests[0].json["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "user"]


def test_conversation_back_and_forth(work: Path, tmp_path: Path) -> None:
    program = run(work)
    (path,) = (Path(p) for p in _journals(program))
    before = load(path).messages
    assert program.run("undo", "1", "-y", "--conversation").code == 0
    assert load(path).messages == []
    assert program.run("redo", "2", "-y", "--conversation").code == 0
    assert load(path).messages == before
    assert isinstance(before[0], UserMessage)


def _journals(program: Program) -> list[str]:
    return [entry["path"] for entry in program.run("sessions", "--json").json()]


def test_no_session_here(tmp_path: Path) -> None:
    for command in ("undo", "redo", "checkpoints", "diff"):
        ended = Program(tmp_path).run(command)
        assert ended.code == 2, command
        assert "no file states of a session" in ended.error


def test_old_states_are_dropped(work: Path) -> None:
    program = run(work)
    assert program.run("checkpoints", "prune").out == "dropped the states of 0 sessions\n"
    assert program.run("checkpoints", "prune", "--days", "0").out == (
        "dropped the states of 1 session\n"
    )
    assert program.run("undo", "-y").code == 2


def test_commit_takes_the_models_message(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    work = repository(folder, FILES)
    program = run(work, "--commit", script=[*SCRIPT, scripted.text("Make it two\n\nAs asked.")])
    assert git(work, "log", "-1", "--format=%B").strip() == "Make it two\n\nAs asked."
    assert git(work, "status", "--porcelain").strip() == ""
    assert sorted(git(work, "ls-files").split()) == ["a.txt", "c.txt", "new.txt"]
    assert program.run("undo", "-n").out.count("HEAD has moved") == 1


def test_commit_is_said_to_be_impossible_before_anything_is_asked(tmp_path: Path) -> None:
    with scripted.ScriptedServer([]) as server:
        ended = Program(tmp_path, server.base_url).run("run", "-y", "--commit", "do it")
        assert (ended.code, server.requests) == (2, [])
    assert "git repository" in ended.error


def test_the_patch_of_a_run(work: Path, tmp_path: Path) -> None:
    with scripted.ScriptedServer(SCRIPT) as server:
        ended = Program(work, server.base_url).run("run", "-y", "--patch", "-", "do it")
    assert ended.code == 0
    other = tmp_path / "other"
    other.mkdir()
    repository(other, FILES)
    subprocess.run(["git", "apply", "-"], cwd=other, input=ended.out.encode(), check=True)
    assert (other / "new.txt").read_text() == "new"
    assert "Done." in ended.err


def test_what_a_verification_writes_is_a_step(work: Path) -> None:
    program = run(work, "--verify", "grep -q two a.txt && echo x >> log.txt")
    shown = program.run("checkpoints").out
    assert "verify grep" in shown
    log = (work / "log.txt").read_text()
    assert program.run("undo", "-y").code == 0
    assert (work / "log.txt").read_text() == log.removesuffix(
        "x\nx\n"
    )  # it was run twice, to be sure
    assert program.run("undo", "1", "-y").code == 0
    assert (work / "a.txt").read_text() == "one\n"
    assert not (work / "log.txt").exists()


def test_without_checkpoints_nothing_is_kept(work: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("checkpoints = false\n")
    run(work, "--config", str(config))
    with scripted.ScriptedServer([]) as server:
        ended = Program(work, server.base_url).run(
            "run", "-y", "--config", str(config), "--patch", "x", "do"
        )
    assert ended.code == 2
    assert Program(work).run("undo").code == 2
