"""What an editor hands over, in a real session: by the command, and told to the model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_server import ScriptedServer, call, text
from terminal import CTRL_D, ENTER, ROOT, Screened, conversation, options


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "app.py").write_text("one\ntwo\nthree\n")
    return folder


def bridge(work: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "qcode", "bridge", *arguments],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=given,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_selection_is_handed_over_and_pointed_at(work: Path) -> None:
    script = [
        call("edit", file_path="app.py", old_string="two", new_string="2"),
        text("It was two."),
        text("Sent by itself."),
    ]
    with ScriptedServer(script) as server, Screened(work, *options(server), "-y") as qcode:
        qcode.ready()
        listed = json.loads(bridge(work, "status", "--json").stdout)["sessions"]
        assert [(one["cwd"], one["is_here"]) for one in listed] == [(str(work), True)]
        watching = subprocess.Popen(
            [sys.executable, "-P", "-m", "qcode", "bridge", "watch"],
            cwd=work,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        qcode.shows("watch")

        lines = ("send", "--file", "app.py", "--lines", "2-3", "--as", "hx")
        sent = bridge(work, *lines, "make it a digit @selection")
        assert (sent.returncode, sent.stderr) == (0, "")
        qcode.shows("hx: app.py:2-3")
        qcode.shows("> make it a digit @selection")
        qcode.type(" @diagnostics" + ENTER)
        qcode.expect("`@diagnostics` is not given: the editor handed over no diagnostics")
        qcode.expect("It was two.")
        asked = conversation(server.requests[0].json)[-1][1]
        assert 'of="app.py lines 2-3, selected in the editor">\ntwo\nthree\n' in asked

        with watching:
            assert watching.stdout is not None
            told = json.loads(watching.stdout.readline())
            assert told == {"type": "changed", "files": [str(work / "app.py")]}
            qcode.say("/open app.py:2")
            told = json.loads(watching.stdout.readline())
            assert told == {"type": "open", "file": str(work / "app.py"), "line": 2, "column": 0}
            qcode.say("/diff --editor")
            told = json.loads(watching.stdout.readline())
            ((path, before, after),) = [tuple(one.values()) for one in told["files"]]
            assert (path, after) == ("app.py", str(work / "app.py"))
            assert Path(before).read_text() == "one\ntwo\nthree\n"
            qcode.shows("1 file is compared in")
            watching.kill()

        refused = bridge(work, "send", "--submit", "/mode plan")
        assert refused.returncode == 1
        assert "it begins like a command" in refused.stderr
        qcode.shows("> /mode plan")
        qcode.type("\x15")
        whole = bridge(work, "send", "--submit", "--file", "app.py", "--selection", "-C", ".", "hm")
        assert whole.returncode == 0, whole.stderr
        qcode.expect("> hm")
        qcode.expect("Sent by itself.")
        qcode.ready()
        qcode.type(CTRL_D)
        assert qcode.wait() == 0

    assert not Path(before).exists()
    gone = bridge(work, "send", "hello?")
    assert gone.returncode == 1
    assert "no session is open in" in gone.stderr
