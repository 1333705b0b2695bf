from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from qcode.files_safe import read_small


def test_reads_an_ordinary_file_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_small(tmp_path / "a") == b"12345"
    assert read_small(tmp_path / "a", 5) == b"12345"
    with pytest.raises(OSError) as caught:
        read_small(tmp_path / "a", 4)
    assert caught.value.errno == errno.EFBIG


def test_follows_a_link_to_an_ordinary_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "link").symlink_to("a")
    assert read_small(tmp_path / "link") == b"1"


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_small(tmp_path / "a")


@pytest.mark.timeout(10)
def test_pipes_devices_and_folders_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "zero", tmp_path):
        with pytest.raises(OSError, match="not a regular file|directory") as caught:
            read_small(path)
        assert caught.value.errno in (errno.EINVAL, errno.EISDIR)


def test_a_file_that_hides_its_size_is_still_bounded() -> None:
    if not os.path.exists("/proc/self/maps"):
        pytest.skip("no /proc")
    with pytest.raises(OSError) as caught:
        read_small(Path("/proc/self/maps"), 100)
    assert caught.value.errno == errno.EFBIG
