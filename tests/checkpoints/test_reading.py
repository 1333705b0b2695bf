"""Reading a file: when what was read can be believed to be what is there."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from qcode.checkpoints.reading import Gone, Unreadable, is_settled, read, signature

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    "mtime,ctime,moment,settled",
    [
        (5_000_000_001, 5_000_000_001, 5_200_000_000, True),
        (5_000_000_001, 5_000_000_001, 5_050_000_000, False),
        (1, 5_000_000_001, 5_050_000_000, False),
        (9_000_000_001, 1, 5_000_000_000, False),  # of a clock that is ahead
        (5 * SECOND, 5 * SECOND, 6 * SECOND, False),  # of one that has whole seconds alone
        (5 * SECOND, 5 * SECOND, 8 * SECOND, True),
    ],
)
def test_times_close_to_the_look_are_not_believed(
    mtime: int, ctime: int, moment: int, settled: bool
) -> None:
    assert is_settled((mtime, ctime, 0, 0, 0), moment) is settled


def test_fresh_file_is_to_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    os.utime(path, (1, 1))  # the change time tells
    assert read(str(path), 100) == (None, 0o100644, b"a")
    while time.time_ns() < path.stat().st_ctime_ns + 110_000_000:
        time.sleep(0.01)

    assert read(str(path), 100) == (signature(path.lstat()), 0o100644, b"a")


def test_file_that_grows_meanwhile_is_to_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0" * 1_000_000)
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"1")

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        found, _, data = read(str(path), 2**30)
    finally:
        stop.set()
        thread.join()

    assert found is None
    assert set(data) <= set(b"01")


@pytest.mark.parametrize("kind", ["directory", "nothing", "below a file"])
def test_nothing_to_read(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").touch()
    path = {"directory": tmp_path, "nothing": tmp_path / "x", "below a file": tmp_path / "file/x"}

    with pytest.raises(Gone):
        read(str(path[kind]), 100)


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(Unreadable, match="it is a pipe"):
        read(str(tmp_path / "pipe"), 100)


def test_link_is_read_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(b"\xff/nowhere".decode("utf-8", "surrogateescape"))

    assert read(str(tmp_path / "link"), 100)[1:] == (0o120000, b"\xff/nowhere")
