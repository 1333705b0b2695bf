"""Names of files as links, in a real pseudo-terminal."""

from __future__ import annotations

import os
from pathlib import Path

from scripted_server import ScriptedServer, call, text
from terminal import CTRL_D, Screened, options


def test_files_that_are_named_can_be_opened(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "app.py").write_text("one\n")
    (work / "my notes").write_text("one\n")
    script = [
        call("edit", file_path="app.py", old_string="one", new_string="two"),
        call("read_file", file_path="my notes"),
        text("I changed app.py:1 and not gone.py:1."),
    ]
    around = {**os.environ, "TERM_PROGRAM": "WezTerm"}
    with (
        ScriptedServer(script) as server,
        Screened(work, *options(server), "-y", "go", around=around, NO_COLOR="") as qcode,
    ):
        page = qcode.shows("60 out")
        qcode.ready()
        qcode.type(CTRL_D)
        assert qcode.wait() == 0

    assert "● edit app.py\n" in page
    assert "I changed app.py:1 and not gone.py:1.\n" in page
    uri = f"file://{os.uname().nodename}{work}/app.py"
    assert qcode.raw.count(f"\x1b]8;;{uri}\x1b\\app.py".encode()) >= 2
    assert f"\x1b]8;;{uri}\x1b\\app.py:1\x1b]8;;\x1b\\".encode() in qcode.raw
    assert f"{work}/my%20notes\x1b\\my notes\x1b]8;;".encode() in qcode.raw
    assert b"gone.py\x1b]8" not in qcode.raw
