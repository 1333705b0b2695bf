"""Whatever is done to the files: each state that was taken can be restored, to the byte."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from filetree import Snapshot, repository, snapshot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thorough import many

from qcode.checkpoints.restore import restore
from qcode.checkpoints.scan import Files
from qcode.checkpoints.states import State, below, difference, find
from qcode.checkpoints.store import Store

NAMES = ("a", "b", "c.txt", "-d", "new\nline", "ü", "f\udcff", "q'\"*", " ")
TARGETS = ("a", "nowhere", "../..", "c.txt")
MODES = (0o644, 0o755, 0o600, 0o444, 0o777, 0o664)
FOLDER_MODES = (0o755, 0o700, 0o775, 0o555)

Step = tuple[str, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ("write", "append", "remove", "link", "folder", "move", "chmod", "chmod-folder", "same")
        ),
        st.integers(0, 2**16),
        st.integers(0, 2**16),
    ),
    max_size=12,
)


def act(root: Path, step: Step) -> None:
    """Do one thing to the files; what is impossible is left out."""
    kind, one, other = step
    dice = random.Random(one)
    depth = dice.randrange(1, 4)
    path = root.joinpath(*(dice.choice(NAMES) for _ in range(depth)))
    there = sorted(name for name in snapshot(root) if not name.startswith(".git"))
    target = root / dice.choice(there or ["a"])
    if kind not in ("write", "link", "folder", "move"):
        path = target
    try:
        if kind in ("write", "link", "folder", "move"):
            path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "write":
            path.write_bytes(b"%d\r\n" % (other % 7) * (other % 5))
        elif kind == "append":
            with path.open("ab") as file:
                file.write(b"more")
        elif kind == "remove":
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        elif kind == "link":
            path.symlink_to(TARGETS[other % len(TARGETS)])
        elif kind == "folder":
            path.mkdir()
        elif kind == "move":
            os.rename(target, path)
        elif kind == "chmod" and path.is_file() and not path.is_symlink():
            path.chmod(MODES[other % len(MODES)])
        elif kind == "chmod-folder" and path.is_dir() and not path.is_symlink():
            path.chmod(FOLDER_MODES[other % len(FOLDER_MODES)])
        elif kind == "same" and path.is_file() and not path.is_symlink():
            before = path.stat()
            content = bytearray(path.read_bytes())
            if content:
                content[0] ^= 1
            path.write_bytes(content)  # as long as before, and with the same time
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    except OSError:
        pass


@contextmanager
def workspace(kind: str) -> Iterator[tuple[Path, Store, Files]]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "work")
        if kind == "repository":
            repository(root, {"a": b"1\n", "b/c.txt": b"2\r\n", "b/a": b"", "c.txt": b"x"})
        else:
            root.mkdir()
        store = Store.at(root, Path(folder, "private.git"))
        with closing(store), closing(Files(root, store)) as files:
            yield root, store, files


def go(root: Path, store: Store, present: State, wanted: State) -> None:
    changes = difference(store, present, wanted)
    restore(root, store, {path: after for path, (_before, after) in changes.items()})


@pytest.mark.parametrize("kind", ["repository", "none"])
@pytest.mark.slow
@settings(max_examples=many(60, 25), suppress_health_check=[HealthCheck.too_slow])
@given(batches=st.lists(steps, min_size=2, max_size=4))
def test_each_state_can_be_restored(kind: str, batches: list[list[Step]]) -> None:
    with workspace(kind) as (root, store, files):
        taken: list[tuple[State, Snapshot]] = [(files.take(), snapshot(root))]
        for batch in batches:
            for step in batch:
                act(root, step)
            taken.append((files.take(), snapshot(root)))
        present = taken[-1][0]
        for wanted, expected in [*reversed(taken), *taken]:
            go(root, store, present, wanted)

            assert snapshot(root) == expected
            present = files.take()
            assert present == wanted


def test_changes_within_one_tick_of_the_clock_are_seen() -> None:
    with workspace("none") as (root, store, files), (root / "a").open("wb", buffering=0) as file:
        for number in range(200):
            os.pwrite(file.fileno(), b"%03d" % number, 0)
            entry = find(store, files.take(), "a")
            assert entry is not None
            assert store.get(entry.oid) == b"%03d" % number


@pytest.mark.slow
@settings(max_examples=many(60, 25), suppress_health_check=[HealthCheck.too_slow])
@given(batches=st.lists(steps, min_size=1, max_size=6))
def test_what_is_watched_is_what_is_there(batches: list[list[Step]]) -> None:
    with workspace("repository") as (root, store, files):
        files._begun().is_slow = True
        files.take()
        files._begun().is_slow = True
        files.take()
        assert files._begun().watch is not None
        for batch in batches:
            for step in batch:
                act(root, step)
            seen = files.take()
            with closing(Files(root, store)) as fresh:
                assert seen == fresh.take()
            assert files.take(thorough=True) == seen


@pytest.mark.slow
@settings(max_examples=many(40, 20), suppress_health_check=[HealthCheck.too_slow])
@given(first=steps, second=steps)
def test_the_difference_is_that_of_all_entries(first: list[Step], second: list[Step]) -> None:
    with workspace("none") as (root, store, files):
        states = []
        for batch in (first, second):
            for step in batch:
                act(root, step)
            states.append(files.take())
        old, new = (whole(store, state) for state in states)

        assert difference(store, *states) == {
            path: (old.get(path), new.get(path))
            for path in sorted(old.keys() | new.keys())
            if old.get(path) != new.get(path)
        }
        assert {path: files.look(path) for path in new} == new


def whole(store: Store, state: State) -> dict[str, object]:
    return {path: find(store, state, path) for path in below(store, state)}
