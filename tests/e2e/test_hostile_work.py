"""A model, files and commands that try to drive the terminal of the person who works with them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import termios
from pathlib import Path

import pytest
from hostile import BYTES, HOSTILE, obeyed
from program import COMMAND, Program, repository
from scripted_server import ScriptedServer, Stream, call, calls, text

EVERYTHING = "\n".join(value for name, value in HOSTILE.items() if "half" not in name)
NAMES = ["a\x1b]0;t\x07b.txt", "gpj.\u202eexe", "c\x1b[2J\nd\r.txt", "t\U000e0041\u200b.txt"]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    repository(folder, {"a.txt": "one\n", "plain.txt": "x\n"})
    for name in NAMES:
        (folder / name).write_text(EVERYTHING.replace("\0", ""))  # else it would be binary
    (folder / "raw.bin").write_bytes(b"\n".join(BYTES.values()))
    (folder / "look").write_text('cat raw.bin; for f in *; do echo two >> "$f"; done; ls\n')
    return folder


def script() -> list[Stream]:
    return [
        calls(
            ("list_directory", {"path": "."}),
            ("read_file", {"file_path": NAMES[0]}),
            ("grep_search", {"pattern": "e"}),
            content=EVERYTHING,
            reasoning=EVERYTHING,
            chunks=400,
        ),
        call("run_shell_command", command="sh look"),
        call("write_file", file_path=NAMES[0], content=f"{EVERYTHING}\nmore"),
        call("run_shell_command", command=f"true '{EVERYTHING}'"),
        call(EVERYTHING, a=EVERYTHING),
        text(EVERYTHING, chunks=700),
    ]


def on_terminal(work: Path, *arguments: str, base_url: str = "", keys: bytes = b"") -> bytes:
    """Run the program with a terminal for all it reads and prints; return what that got."""
    master, slave = pty.openpty()
    settings = termios.tcgetattr(slave)
    settings[1] &= ~termios.OPOST  # bytes as they are written
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=work,
        env=Program(work, base_url or None).environment(),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    if keys:
        os.write(master, keys)
    shown = b""
    try:
        while True:
            data = os.read(master, 65536)
            if not data:
                break
            shown += data
    except OSError:
        pass  # all ends of it are closed
    finally:
        os.close(master)
        if process.poll() is None:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
    assert process.returncode == 0, shown
    return shown


def test_nothing_that_is_said_in_a_run_or_shown_of_it_drives_a_terminal(work: Path) -> None:
    with ScriptedServer(script()) as server:
        shown = on_terminal(
            work, "run", "-y", f"do {EVERYTHING}".replace("\0", ""), base_url=server.base_url
        )
        told = json.dumps(server.requests[-1].json["messages"], ensure_ascii=False)

    assert obeyed(shown) == []
    assert "run_shell_command" in shown.decode()
    assert "\\u001b]52" in told  # the model's own words are its own
    for arguments in (
        ["sessions"],
        ["checkpoints"],
        ["diff"],
        ["diff", "--stat"],
        ["undo", "-n", "1"],
        ["undo", "-n", "-p"],
    ):
        shown = on_terminal(work, *arguments)
        assert obeyed(shown) == [], arguments
        assert shown
    (line,) = on_terminal(work, "sessions").decode().splitlines()
    session = line.split()[0]
    for arguments in (
        ["show", session],
        *(["export", session, "--format", f] for f in ("md", "json", "html")),
    ):
        assert obeyed(on_terminal(work, "sessions", *arguments)) == [], arguments


@pytest.mark.parametrize("output", ["json", "stream-json"])
def test_json_of_a_run_is_json_and_drives_nothing(work: Path, output: str) -> None:
    with ScriptedServer(script()) as server:
        ended = Program(work, server.base_url).run("run", "-y", "-o", output, "do it")

    assert obeyed(ended.out.encode()) == []
    assert obeyed(ended.err.encode()) == []
    assert ended.lines()[-1]["result"] == EVERYTHING.strip()
