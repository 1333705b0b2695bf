from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from qcode.sandbox import watch

LONG = 30


def test_what_is_to_be_looked_at_is_looked_at_until_it_has_ended() -> None:
    looks: list[str] = []
    over = threading.Event()

    def twice() -> float | None:
        looks.append("twice")
        return 0.001 if looks.count("twice") < 2 else None

    def fails() -> float | None:
        looks.append("fails")
        raise ProcessLookupError

    def last() -> float | None:
        over.set()
        return None

    watching = watch.Watch()
    watching.add(last, 0.05)
    watching.add(fails, 0.002)
    watching.add(twice, 0.001)
    assert over.wait(LONG)
    assert sorted(looks) == ["fails", "twice", "twice"]
    over.clear()
    watching.add(last, 0)
    assert over.wait(LONG)


def test_what_is_used_is_counted_without_following_links(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    (inside / "deep").mkdir(parents=True)
    (tmp_path / "large").write_bytes(b"x" * 1_000_000)
    (inside / "link").symlink_to(tmp_path / "large")
    (inside / "way").symlink_to(tmp_path)
    before = watch.used(str(inside), 1 << 62)
    assert before < 100_000
    (inside / "deep/file").write_bytes(b"x" * 300_000)
    assert 300_000 <= watch.used(str(inside), 1 << 62) - before < 400_000
    assert watch.used(str(inside), 200_000) >= 200_000
    assert watch.used(str(tmp_path / "missing"), 1) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_the_memory_of_processes_is_added_up() -> None:
    code = "kept = b'x' * 50_000_000; print(flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        own = str(process.pid)
        assert own in watch.inside("")
        assert process.pid in watch.members(os.getpid())
        one = watch.resident("", [own])
        assert one > 50_000_000
        assert watch.resident("", [own, own, "999999999"]) >= 2 * one
        process.stdin.write(b"\n")
        process.stdin.close()
