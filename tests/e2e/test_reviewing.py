"""A session's change in a diff editor: what is edited there is taken over."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import scripted_server as scripted
from program import Program, repository
from terminal import CTRL_D, Screened, conversation, options

from qcode.cli.reviewing import diff_editor
from qcode.errors import UsageError

FILES = {"a.txt": "one\n", "b.sh": "two\n", "gone.txt": "x\n", "same.txt": "s\n"}
SCRIPT = [
    scripted.call("edit", file_path="a.txt", old_string="one", new_string="1"),
    scripted.call("run_shell_command", command="echo 2 > b.sh; rm gone.txt; printf '\\0' > n.bin"),
    scripted.text("Done."),
]


def editor(folder: Path, body: str) -> str:
    """Return a diff editor that does something with the old side, `$1`, and the new one, `$2`."""
    file = folder / "editor"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return str(file)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    repository(folder, FILES)
    (folder / "b.sh").chmod(0o755)
    return folder


def changed(work: Path) -> Program:
    with scripted.ScriptedServer(SCRIPT) as server:
        program = Program(work, server.base_url)
        ended = program.run("run", "-y", "do it")
        assert ended.code == 0, ended.err
    return program


def test_what_is_edited_is_taken_over_and_can_be_undone(work: Path, tmp_path: Path) -> None:
    program = changed(work)
    seen = tmp_path / "seen"
    note = f'echo "$(basename $2) $(stat -c %a $1) $(cat $1)→$(cat $2)" >> {seen}'
    tool = editor(tmp_path, f"{note}; echo mine >> $2")
    program.environ["QCODE_DIFF_EDITOR"] = f"{tool} {{before}} {{after}}"

    ended = program.run("diff", "--editor")

    assert ended.code == 0, ended.err
    assert seen.read_text() == "a.txt 400 one→1\nb.sh 400 two→2\ngone.txt 400 x→\n"
    assert [(work / name).read_text() for name in ("a.txt", "b.sh", "gone.txt")] == [
        "1\nmine\n", "2\nmine\n", "mine\n",
    ]  # fmt: skip
    assert stat.S_IMODE((work / "b.sh").stat().st_mode) == 0o755
    assert "took over what you edited in a.txt (`undo 3` takes it back)" in ended.out
    assert "1 not shown: binary" in ended.out
    assert program.run("undo", "3", "-y").code == 0
    assert (work / "a.txt").read_text() == "1\n"
    assert not (work / "gone.txt").exists()


def test_an_editor_that_fails_or_comes_too_late_changes_nothing(work: Path, tmp_path: Path) -> None:
    program = changed(work)
    program.environ["QCODE_DIFF_EDITOR"] = editor(tmp_path, "echo mine > $2; exit 1")
    ended = program.run("diff", "--editor")
    assert ended.code == 0
    assert "ended with 1: nothing of a.txt is taken over" in ended.out
    assert "b.sh" not in ended.out

    meanwhile = f"echo theirs > {work}/$(basename $2); echo mine > $2"
    program.environ["QCODE_DIFF_EDITOR"] = editor(tmp_path, meanwhile)
    ended = program.run("diff", "--editor")
    assert "! a.txt changed meanwhile; what you edited is in " in ended.out
    assert (work / "a.txt").read_text() == "theirs\n"
    kept = ended.out.split("what you edited is in ")[1].split("\n")[0]
    assert Path(kept).read_text() == "mine\n"

    program.environ["QCODE_DIFF_EDITOR"] = editor(tmp_path, "echo old > $2")
    ended = program.run("diff", "--editor", "1", "--only")
    assert "is not taken over" in ended.out
    assert (work / "a.txt").read_text() == "theirs\n"
    program.environ["QCODE_DIFF_EDITOR"] = "no-such-editor"
    ended = program.run("diff", "--editor")
    assert ended.code == 2
    assert "the editor `no-such-editor` cannot be started" in ended.error


def test_in_a_session_the_model_is_told(work: Path, tmp_path: Path) -> None:
    script = [SCRIPT[0], scripted.text("Done."), scripted.text("I see.")]
    tool = editor(tmp_path, 'echo "1 and more" > $2')
    with (
        scripted.ScriptedServer(script) as server,
        Screened(work, *options(server), "-y", "go", QCODE_DIFF_EDITOR=tool) as qcode,
    ):
        qcode.shows("Done.")
        qcode.say("/diff --editor")
        qcode.shows("you edited a.txt; `/undo` takes it back")
        qcode.say("well?")
        qcode.shows("I see.")
        told = conversation(server.requests[-1].json)[-1][1]
        qcode.ready()
        qcode.type(CTRL_D)
        assert qcode.wait() == 0
    assert "edited these files themselves: a.txt" in told
    assert (work / "a.txt").read_text() == "1 and more\n"


def test_the_diff_editor_is_the_one_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    vscode = {"TERM_PROGRAM": "vscode"}
    assert diff_editor({}, "") == []
    assert diff_editor(vscode, "meld --x '{before}' {after}") == [
        "meld",
        "--x",
        "{before}",
        "{after}",
    ]
    assert diff_editor({"QCODE_DIFF_EDITOR": "a b"}, "meld") == ["a", "b"]
    for name in ("code", "cursor", "idea", "vimdiff"):
        (tmp_path / name).symlink_to("/bin/true")
    assert diff_editor({}, "") == ["vimdiff"]
    assert diff_editor({}, "", on_terminal=False) == ["idea", "diff"]
    assert diff_editor(vscode, "") == ["code", "--wait", "--diff"]
    fork = {**vscode, "VSCODE_GIT_ASKPASS_NODE": "/opt/Cursor/cursor"}
    assert diff_editor(fork, "") == ["cursor", "--wait", "--diff"]
    assert diff_editor({"TERMINAL_EMULATOR": "JetBrains-JediTerm"}, "") == ["idea", "diff"]
    with pytest.raises(UsageError, match="`diff_editor` cannot be read"):
        diff_editor({}, "'")
