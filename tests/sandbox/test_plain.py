from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qcode.sandbox import plain


def test_what_it_prints_and_how_it_ends(tmp_path: Path) -> None:
    child = plain.start(
        ["/bin/sh", "-c", "cat; pwd; echo $A >&2; exit 3"],
        cwd=tmp_path, env={"A": "b"}, stdin=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdin
    assert child.stdout
    assert child.stderr
    child.stdin.write(b"in\n")
    child.stdin.close()
    assert child.stdout.read() == f"in\n{tmp_path.resolve()}\n".encode()
    assert child.stderr.read() == b"b\n"
    assert child.wait() == child.poll() == child.returncode == 3
    assert child.left == 0
    child.kill()
    child.close()
    child.close()


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        plain.start([str(tmp_path / "none")], cwd=tmp_path)
    with pytest.raises(FileNotFoundError):
        plain.start(["/bin/sh"], cwd=tmp_path / "none")


@pytest.mark.timeout(30)
def test_what_it_left_is_killed_a_moment_later(tmp_path: Path) -> None:
    child = plain.start(["/bin/sh", "-c", "sleep 100 & echo $!"], cwd=tmp_path)
    assert child.wait(20) == 0
    if sys.platform == "linux":
        assert child.left == 1
    assert child.stdout
    number = int(child.stdout.readline())
    child.close()
    with (
        open(f"/proc/{number}/stat")
        if os.path.exists(f"/proc/{number}")
        else open(os.devnull) as file
    ):
        assert ") S " not in file.read()  # gone, or a zombie that init has to reap


@pytest.mark.timeout(30)
def test_it_can_be_waited_for_by_a_descriptor_and_ended(tmp_path: Path) -> None:
    child = plain.start(["/bin/sh", "-c", "sleep 100 | cat"], cwd=tmp_path)
    assert child.poll() is None
    assert select.select([child.fileno()], [], [], 0) == ([], [], [])
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)
    child.terminate()
    assert select.select([child.fileno()], [], [], 20)[0]
    assert child.wait(20) == -signal.SIGTERM
    child.close()


@pytest.mark.timeout(30)
def test_without_pidfds_the_descriptor_is_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    child = plain.start(["/bin/sh", "-c", "sleep 100"], cwd=tmp_path)
    assert select.select([child.fileno()], [], [], 0) == ([], [], [])
    child.kill()
    assert select.select([child.fileno()], [], [], 20)[0]
    assert child.wait(20) == -signal.SIGKILL
    child.close()


@pytest.mark.timeout(30)
def test_closing_ends_it(tmp_path: Path) -> None:
    child = plain.start(["/bin/sh", "-c", "sleep 100"], cwd=tmp_path, stdin=subprocess.PIPE)
    child.close()
    assert child.returncode == -signal.SIGKILL
