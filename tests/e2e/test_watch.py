"""`qcode watch` as a process: comments that are saved are taken up, once."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from program import Program, repository
from scripted_server import ScriptedServer, call, text
from terminal import CTRL_C, ENTER, Screened, options


@contextmanager
def started(program: Program, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with program.start(*words) as process:
        try:
            yield process
        finally:
            process.kill()


def line_with(process: subprocess.Popen[bytes], wanted: str) -> str:
    """Read what it prints up to a line with a text in it; return all of that."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or wanted not in lines[-1]:
        line = process.stdout.readline().decode()
        assert line, "".join(lines)
        lines.append(line)
    return "".join(lines)


def test_comments_are_taken_up_when_they_are_saved(tmp_path: Path) -> None:
    work = repository(
        tmp_path, {"app.py": "x = 1\n", "old.py": "# qcode: not this!\n", "b.py": "y = 1\n"}
    )
    script = [
        call("edit", file_path="app.py", old_string="x = 1", new_string="x = 2"),
        call("write_file", file_path="made.py", content="# qcode: my own trigger!\n"),
        text("It is 2 now."),
        text("Because."),
    ]
    with (
        ScriptedServer(script) as server,
        started(Program(work, server.base_url, kind=""), "watch", "-y") as process,
    ):
        line_with(process, "watching")
        (work / "b.py").write_text("y = 1  # qcode: as in the others\n")
        (work / "app.py").write_text("x = 1\n# qcode: make it 2!\n")
        told = line_with(process, "took the comments out of app.py, b.py")
        assert "> app.py:2: make it 2\n" in told
        assert "It is 2 now." in told
        assert (work / "app.py").read_text() == "x = 2\n"
        (work / "old.py").write_text("# qcode: not this!\ny = 2\n")
        # On a slow machine the turn before may still be ending, which takes a save for its own.
        for _ in range(8):
            (work / "b.py").write_text("y = 1\n")
            time.sleep(1)  # so that it is seen to be gone before it is there again
            (work / "b.py").write_text("y = 1\n# why so, qcode?\n")
            assert process.stdout is not None
            if select.select([process.stdout], [], [], 10)[0]:
                break
        told = line_with(process, "tokens in")
        assert "> b.py:2: why so\n" in told
        assert "Because." in told

        (work / "b.py").write_text("y = 3\n# why so, qcode?\n")
        subprocess.run(["git", "stash", "-q"], cwd=work, check=True)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[0].decode()

        assert process.returncode == 130
        assert "is saved; `qcode resume" in rest
        assert len(server.requests) == 4
        asked = server.requests[0].json["messages"][-1]["content"]
        assert "app.py:2: make it 2\n    1 x = 1\n    2 # qcode: make it 2!" in asked
        assert "b.py:1: as in the others" in asked
        # What the model wrote, and what was there before, is nobody's word.
        assert "own trigger" not in str(server.requests[3].json["messages"][-1])
        assert (work / "made.py").exists()


def test_one_that_ends_after_the_first_says_how_it_went(tmp_path: Path) -> None:
    work = repository(tmp_path, {"app.py": "# qcode: make it 2!\nx = 1\n"})
    script = [
        call("edit", file_path="app.py", old_string="x = 1", new_string="x = 2"),
        text("It is not allowed."),
    ]
    with ScriptedServer(script) as server:
        ended = Program(work, server.base_url, kind="").run("watch", "--present", "--once")

    assert ended.code == 0
    assert "not allowed" in ended.out
    # Nothing was done, so the comment stays.
    assert (work / "app.py").read_text() == "# qcode: make it 2!\nx = 1\n"
    failed = Program(work, f"http://127.0.0.1:{closed_port()}/v1").run(
        "watch", "--present", "--once", "--max-time", "20"
    )
    assert failed.code in (3, 4)


def closed_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def test_on_a_terminal_the_person_is_asked(tmp_path: Path) -> None:
    work = repository(tmp_path, {"app.js": "let x = 1;\n"})
    edit = call("edit", file_path="app.js", old_string="x = 1", new_string="x = 2")
    with (
        ScriptedServer([edit, text("Done so.")]) as server,
        Screened(work, "watch", *options(server)) as qcode,
    ):
        qcode.shows("Ctrl-C ends")
        (work / "app.js").write_text("let x = 1; // qcode: make it 2!\n")
        qcode.shows("Allow edit app.js")
        qcode.shows("instead:")
        qcode.type("y" + ENTER)
        qcode.shows("took the comments out of app.js")
        qcode.type(CTRL_C)

        assert qcode.wait() == 130
        assert "is saved; `qcode resume" in qcode.page
    assert (work / "app.js").read_text() == "let x = 2;\n"


def test_nothing_is_left_of_a_session_in_which_nothing_was_said(tmp_path: Path) -> None:
    work = repository(tmp_path, {"app.py": "x = 1\n"})
    with started(Program(work, "http://127.0.0.1:9/v1"), "watch") as process:
        line_with(process, "watching")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 143
    assert not list((Path(os.environ["XDG_STATE_HOME"]) / "qcode/sessions").glob("*.jsonl"))
