"""What the system tells of changes, and what is done where it does not tell."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from filetree import repository

from qcode.checkpoints.restore import restore
from qcode.checkpoints.scan import Files
from qcode.checkpoints.states import State, difference
from qcode.checkpoints.store import Store
from qcode.checkpoints.watch import Watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches are Linux's")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(
        tmp_path / "work", {f"d{one}/e{two}/f": b"x" for one in range(3) for two in range(3)}
    )


@pytest.fixture
def store(root: Path, tmp_path: Path) -> Iterator[Store]:
    with closing(Store.at(root, tmp_path / "private.git")) as store:
        yield store


@pytest.fixture
def files(root: Path, store: Store) -> Iterator[Files]:
    with closing(Files(root, store)) as files:
        watched(files)
        yield files


def watched(files: Files) -> None:
    files.take()
    files._begun().is_slow = True
    files.take(thorough=True)
    assert files._begun().watch is not None


def right(root: Path, store: Store) -> State:
    with closing(Files(root, store)) as fresh:
        return fresh.take()


def test_only_directories_with_changes_are_looked_at(root: Path, files: Files) -> None:
    before = files.take()
    assert files._begun().watch is not None
    files._begun().watch.drop(files._begun().top.dirs["d0"].dirs["e0"])  # type: ignore[union-attr]
    (root / "d0/e0/f").write_text("missed")
    (root / "d1/e0/f").write_text("seen")

    seen = files.take()

    assert set(difference(files._store, before, seen)) == {"d1/e0/f"}
    assert files.take() == seen
    assert set(difference(files._store, seen, files.take(thorough=True))) == {"d0/e0/f"}


def test_changes_of_every_kind_are_seen(root: Path, store: Store, files: Files) -> None:
    states = {files.take()}
    held = (root / "d0/e0/f").open("r+b", buffering=0)
    changes: list[Callable[[], object]] = [
        lambda: held.write(b"y"),
        lambda: os.truncate(root / "d0/e0/f", 0),
        lambda: (root / "d0/e1/f").chmod(0o600),
        lambda: (root / "d0/e2").chmod(0o700),
        lambda: (root / "d1/e0/f").rename(root / "d1/e0/g"),
        lambda: (root / "d1/e1").rename(root / "d2/moved"),
        lambda: (root / "d2/moved/f").write_text("in a moved directory"),
        lambda: (root / "n/e/w").mkdir(parents=True),
        lambda: (root / "n/e/w/f").write_text("in a new directory"),
        lambda: (root / "link").symlink_to("n"),
        (root / "n/e/w/f").unlink,
        lambda: shutil.rmtree(root / "n/e"),
        lambda: shutil.move(root / "d0", root.parent / "d0"),
        lambda: (root / "d0").write_text("a file"),
        lambda: os.utime(root / "d0", (5, 5)),
        (root.parent / "o").mkdir,
        lambda: (root / "d2").rename(root.parent / "o/d2"),
        lambda: (root.parent / "o/d2/e0/f").write_text("not here"),
        lambda: (root.parent / "o/d2").rename(root / "back"),
        lambda: (root / "back/e0/f").write_text("here again"),
    ]
    for change in changes:
        change()
        seen = files.take()
        assert seen == right(root, store)
        states.add(seen)
    held.close()
    assert len(states) == 18


def test_more_changes_than_the_system_remembers(root: Path, store: Store, files: Files) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (root / "d0/e0/late").write_text("")
    for number in range(limit // 2 + 100):
        with (root / f"d0/e{number % 3}/f").open("ab") as file:
            file.write(b"z")
        os.truncate(root / f"d1/e{number % 3}/f", 0)
    (root / "d2/e2/f").write_text("this is not told")

    assert files.take() == right(root, store)
    (root / "d2/e2/f").write_text("but this is")
    assert files.take() == right(root, store)


class NoRoom:
    """A source of events that has no watch left after a few."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.closed = False

    def add_watch(self, path: str, mask: int) -> int:
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, "no space left on device")
        return self.room

    def read(self, timeout: int) -> list[object]:
        return []

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("room", [0, 3])
def test_without_watches_everything_is_looked_at(root: Path, store: Store, room: int) -> None:
    source = NoRoom(room)
    with closing(Files(root, store)) as files:
        files.take()
        files._begun().watch = Watch(source)  # type: ignore[arg-type,unused-ignore]
        files.take(thorough=True)
        assert source.closed
        (root / "d2/e2/f").write_text("changed")
        assert files.take() == right(root, store)
        assert files._begun().watch is None


def test_changes_that_are_not_told_are_found_by_a_thorough_look(
    root: Path, store: Store, files: Files
) -> None:
    os.link(root / "d0/e0/f", root.parent / "other name")
    before = files.take()
    (root.parent / "other name").write_text("changed by another name")
    with (root / "d1/e0/f").open("r+b") as file, mmap.mmap(file.fileno(), 1) as view:
        files.take()
        view[0] = ord("m")

    after = files.take(thorough=True)

    assert set(difference(store, before, after)) == {"d0/e0/f", "d1/e0/f"}


def test_root_that_was_replaced_is_another_one(root: Path, store: Store, files: Files) -> None:
    files.take()
    root.rename(root.parent / "old")
    shutil.copytree(root.parent / "old", root)
    (root / "d0/e0/f").write_text("in the new one")

    assert files.take() == right(root, store)


def test_files_that_come_and_go_during_the_look(root: Path, store: Store, files: Files) -> None:
    stop = threading.Event()

    def churn() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            where = root / f"d{number % 3}/n{number % 7}"
            where.mkdir(exist_ok=True)
            (where / "f").write_text(str(number))
            if number % 2:
                shutil.rmtree(where)
            else:
                (where / "f").rename(where / "g")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for number in range(60):
            files.take(thorough=number % 3 == 0)
    finally:
        stop.set()
        thread.join()

    assert files.take() == right(root, store)


def test_undo_is_seen_by_the_watch(root: Path, store: Store, files: Files) -> None:
    before = files.take()
    shutil.rmtree(root / "d0")
    (root / "d1/e0/f").write_text("changed")
    after = files.take()

    changes = difference(store, after, before)
    restore(root, store, {path: wanted for path, (_, wanted) in changes.items()})

    assert files.take() == before
