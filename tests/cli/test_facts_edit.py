"""`qcode facts edit`, in a terminal with an editor and without."""

from __future__ import annotations

import json
import os
import pty
import signal
import sys
from pathlib import Path

import pytest
from program import Ended, Program

from qcode.cli.composer import store_of

MEND = """
import json, pathlib, sys
file = pathlib.Path(sys.argv[-1])
data = json.loads(file.read_text())
data["facts"].append({"purpose": "lint", "command": "make lint", "kept": True})
file.write_text(json.dumps(data))
"""


class Desk:
    """A workspace with one fact, and a terminal with an editor that runs some Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.script = folder / "an editor.py"
        self.program = Program(
            self.folder,
            None,
            None,
            environ={"EDITOR": f"'{sys.executable}' '{self.script}' --wait"},
        )
        self.program.run("facts", "add", "test", "make check")
        self.store = store_of(self.folder.resolve())

    def edit(self, source: str, *, terminal: bool = True) -> Ended:
        self.script.write_text(source)
        if not terminal:
            return self.program.run("facts", "edit")
        master, slave = pty.openpty()
        process = self.program.start("facts", "edit", stdin=slave, stdout=slave)
        os.close(slave)
        _, err = process.communicate(timeout=60)
        out = b""
        try:
            while part := os.read(master, 4096):
                out += part
        except OSError:  # the last of it was read
            pass
        os.close(master)
        return Ended(process.returncode, out.decode().replace("\r\n", "\n"), err.decode())

    @property
    def commands(self) -> list[str]:
        return [fact.command for fact in self.store.load()]

    @property
    def copies(self) -> list[Path]:
        return [path for path in self.store.file.parent.iterdir() if ".edited-" in path.name]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_what_an_editor_leaves_is_taken(desk: Desk) -> None:
    ended = desk.edit(MEND)

    assert (ended.code, ended.out) == (0, "2 facts kept\n"), ended.err
    assert desk.commands == ["make check", "make lint"]
    assert desk.copies == []


def test_visual_goes_before_editor(desk: Desk) -> None:
    desk.program.environ["VISUAL"] = desk.program.environ["EDITOR"]
    desk.program.environ["EDITOR"] = "false"

    assert desk.edit(MEND).code == 0


def test_the_first_fact_can_be_written_by_hand(desk: Desk) -> None:
    desk.store.file.unlink()

    assert desk.edit(MEND).out == "1 fact kept\n"
    assert desk.commands == ["make lint"]


@pytest.mark.parametrize(
    "written, why",
    [
        ("{", "Expecting property name"),
        ("[]", "no list `facts`"),
        ('{"facts": [{"purpose": "dance", "command": "x"}]}', "`purpose` must be one of"),
        ('{"workspace": "/elsewhere", "facts": []}', "another workspace: /elsewhere"),
        ("\\xff", "can't decode"),
    ],
)
def test_a_broken_text_is_refused_and_kept_aside(desk: Desk, written: str, why: str) -> None:
    before = desk.store.file.read_bytes()

    ended = desk.edit(
        f"import sys; open(sys.argv[-1], 'w', encoding='latin-1').write({written!r})"
        if written != "\\xff"
        else "import sys; open(sys.argv[-1], 'wb').write(b'\\xff')"
    )

    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert why in ended.error
    assert desk.store.file.read_bytes() == before
    (kept,) = desk.copies
    assert f"what you wrote is in `{kept}`" in ended.error
    assert kept.read_bytes() == (b"\xff" if written == "\\xff" else written.encode())
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_can_be_mended(desk: Desk) -> None:
    desk.store.file.write_text("{")

    ended = desk.edit(
        "import sys; f = open(sys.argv[-1]); assert f.read() == '{';"
        "open(sys.argv[-1], 'w').write('{\"facts\": []}')"
    )

    assert ended.out == "0 facts kept\n", ended.err
    assert desk.commands == []


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(desk: Desk) -> None:
    other = json.dumps({"facts": [{"purpose": "build", "command": "make all"}]})
    ended = desk.edit(f"{MEND}\npathlib.Path({str(desk.store.file)!r}).write_text({other!r})")

    assert ended.code == 1
    assert "changed by somebody else meanwhile" in ended.error
    assert desk.commands == ["make all"]
    assert "make lint" in desk.copies[0].read_text()


@pytest.mark.parametrize(
    "source, code, said",
    [
        ("", 0, "nothing was changed"),
        ("raise SystemExit(3)", 1, "ended with 3"),
        (f"import os; os.kill(os.getpid(), {signal.SIGKILL:d})", 1, "ended by signal 9"),
        # Ctrl-C in the editor goes to all programs of the terminal.
        (f"import os; os.kill(os.getppid(), {signal.SIGINT:d})", 0, "nothing was changed"),
    ],
)
def test_an_editor_that_changes_nothing_leaves_nothing(
    desk: Desk, source: str, code: int, said: str
) -> None:
    ended = desk.edit(source)

    assert ended.code == code
    assert said in ended.out + ended.err
    assert desk.commands == ["make check"]
    assert desk.copies == []


def test_what_was_written_stays_if_the_editor_dies(desk: Desk) -> None:
    ended = desk.edit(f"{MEND}\nsys.exit(5)")

    assert ended.code == 1
    assert "ended with 5" in ended.error
    assert desk.commands == ["make check"]
    assert "make lint" in desk.copies[0].read_text()


@pytest.mark.parametrize("editor", ["", "  "])
def test_without_a_terminal_or_an_editor_the_path_is_printed(desk: Desk, editor: str) -> None:
    path = f"{desk.store.file}\n"
    assert desk.edit(MEND, terminal=False).out == path
    desk.program.environ["EDITOR"] = editor
    assert desk.edit(MEND).out == path
    assert desk.commands == ["make check"]


def test_an_editor_that_is_not_there_is_one_line(desk: Desk) -> None:
    desk.program.environ["EDITOR"] = "no-such-editor-here"

    ended = desk.edit(MEND)

    assert ended.code == 2
    assert "`no-such-editor-here` cannot be started" in ended.error
    assert desk.copies == []
