"""`qcode diff --editor`: a change side by side in the person's editor, who may change it."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import Ended, Program, repository
from scripted_server import call, text

from qcode.cli import diff_editor
from qcode.errors import UsageError

EDIT = call("edit", file_path="a.py", old_string="return 1", new_string="return 2")
EDITOR = """
import sys
before, after = sys.argv[1:]
assert open(before).read() == "def f():\\n    return 1\\n"
now = open(after).read()
open(after, "w").write(now.replace("return 2", "return 3"))
"""


def in_terminal(program: Program, *arguments: str) -> Ended:
    """Run it with a terminal for stdin and stdout, as an editor needs one."""
    ours, theirs = pty.openpty()
    try:
        process = program.start(*arguments, stdin=theirs, stdout=theirs)
        os.close(theirs)
        _, err = process.communicate(timeout=60)
        out = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
    return Ended(process.returncode, out, err.decode())


def test_what_is_changed_in_the_editor_is_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    repository(work, {"a.py": "def f():\n    return 1\n"})
    editor = tmp_path / "editor.py"
    editor.write_text(EDITOR)
    monkeypatch.setenv("QCODE_DIFF_EDITOR", f"{sys.executable} {editor}")
    with scripted.ScriptedServer([EDIT, text("Done.")]) as server:
        assert Program(work, server.base_url).run("run", "-y", "mend").code == 0
    program = Program(work, None)
    without = program.run("diff", "--editor")
    assert without.code == 2
    assert "an editor needs a terminal" in without.err
    ended = in_terminal(program, "diff", "--editor")
    assert ended.code == 0, ended.err
    assert "what you changed is step 2" in ended.out
    assert "return 3" in (work / "a.py").read_text()
    assert program.run("undo", "-y", "2").code == 0
    assert "return 2" in (work / "a.py").read_text()


@pytest.mark.parametrize(
    "environ, words",
    [
        ({"EDITOR": "nvim"}, ["nvim", "-d"]),
        ({"VISUAL": "code --wait"}, ["code", "--wait", "--diff"]),
        ({"EDITOR": "nano", "TERM_PROGRAM": "vscode"}, ["code", "--diff", "--wait"]),
        ({"EDITOR": "vim", "QCODE_DIFF_EDITOR": "difft --x"}, ["difft", "--x"]),
        ({"EDITOR": "nano"}, None),
        ({"QCODE_DIFF_EDITOR": "'"}, None),
    ],
)
def test_the_editor_is_one_that_shows_two_files(
    environ: dict[str, str], words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QCODE_DIFF_EDITOR", "VISUAL", "EDITOR", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if words is None:
        with pytest.raises(UsageError):
            diff_editor.words()
    else:
        assert diff_editor.words() == words
