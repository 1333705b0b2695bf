"""Objects and refs: written once, whole, and nowhere else."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from filetree import git, repository
from hypothesis import given
from hypothesis import strategies as st

from qcode.checkpoints.packs import Packs
from qcode.checkpoints.scan import Files
from qcode.checkpoints.states import read_tree, write_tree
from qcode.checkpoints.store import Store
from qcode.errors import QcodeError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(tmp_path / "work", {"a.txt": b"a\n"})


@pytest.fixture
def store(root: Path, tmp_path: Path) -> Iterator[Store]:
    with closing(Store.at(root, tmp_path / "private.git")) as store:
        yield store


@pytest.mark.parametrize("data", [b"", b"a\r\n\0", os.urandom(600_000), b"x" * 3_000_000])
def test_objects_are_those_of_git(root: Path, store: Store, data: bytes) -> None:
    oid = store.put("blob", data)

    assert git(root, "cat-file", "blob", oid) == data
    assert git(root, "hash-object", "--stdin", "--no-filters", given=data).decode().strip() == oid
    assert store.get(oid) == data
    path = root / ".git/objects" / oid[:2] / oid[2:]
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert [one.name for one in path.parent.iterdir()] == [oid[2:]]


def test_shared_repository_stays_writable_for_the_others(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {}, options=("--shared=group",))
    with closing(Store.at(root, tmp_path / "none")) as store:
        before = os.umask(0o077)
        try:
            oids = [store.put("blob", b"%d" % number) for number in range(50)]
        finally:
            os.umask(before)

    for path in (root / ".git/objects" / oid[:2] / oid[2:] for oid in oids):
        assert stat.S_IMODE(path.parent.stat().st_mode) & 0o070 == 0o070
        assert stat.S_IMODE(path.stat().st_mode) == 0o444


@pytest.mark.parametrize("shared", ["false", "group"])
def test_objects_of_files_that_nobody_else_may_read(tmp_path: Path, shared: str) -> None:
    root = repository(tmp_path / "work", {}, options=(f"--shared={shared}",))
    for name, mode in (("mine", 0o600), ("run", 0o700), ("all", 0o644), ("group", 0o640)):
        (root / name).write_text(name)
        (root / name).chmod(mode)
    (root / "link").symlink_to("x")
    with closing(Store.at(root, tmp_path / "p.git")) as store, closing(Files(root, store)) as files:
        files.take()
        modes = {
            data: stat.S_IMODE((Path(store.objects) / oid[:2] / oid[2:]).stat().st_mode)
            for data in ("mine", "run", "all", "group", "x")
            if (oid := store.oid("blob", data.encode()))
        }

    secret = 0o400 if shared == "false" else 0o444
    assert modes == {"mine": secret, "run": secret, "all": 0o444, "group": 0o444, "x": 0o444}


def test_object_that_is_there_is_not_written_again(root: Path, store: Store) -> None:
    oid = store.put("blob", b"once")
    path = root / ".git/objects" / oid[:2] / oid[2:]
    os.utime(path, (1, 1))
    inode = path.stat().st_ino

    assert store.put("blob", b"once") == oid
    assert path.stat().st_ino == inode
    assert path.stat().st_mtime > 1  # as git does, so that it is not collected as old
    packed = git(root, "rev-parse", "HEAD:a.txt").decode().strip()
    git(root, "gc", "-q")
    assert store.put("blob", b"a\n") == packed
    assert not (root / ".git/objects" / packed[:2] / packed[2:]).exists()


def test_object_that_a_crash_left_empty_is_written_anew(root: Path, store: Store) -> None:
    oid = store.oid("blob", b"data")
    path = root / ".git/objects" / oid[:2] / oid[2:]
    path.parent.mkdir(exist_ok=True)
    path.touch()

    assert not store.has(oid)
    assert store.put("blob", b"data") == oid
    assert store.get(oid) == b"data"


def test_damaged_or_missing_object_is_an_error(root: Path, store: Store) -> None:
    oid = store.put("blob", b"data")
    path = root / ".git/objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-3])

    for name in (oid, "0123456789" * 4):
        with pytest.raises(QcodeError, match=f"object {name} of a checkpoint is missing"):
            store.get(name)


def test_packs_that_come_and_go_are_noticed(root: Path, store: Store) -> None:
    oids = {store.put("blob", b"%d" % number): b"%d" % number for number in range(600)}
    tree = store.put("tree", write_tree((0o100644, name.encode(), name) for name in oids))
    who = b"qcode <q@localhost> 0 +0000"
    text = b"tree %s\nauthor %s\ncommitter %s\n\nx\n" % (tree.encode(), who, who)
    assert store.set_ref("refs/qcode/x", store.put("commit", text), None)
    for _ in range(2):
        git(root, "repack", "-adfq")
        git(root, "prune-packed")
        packs = Packs(str(root / ".git/objects/pack"), 20)
        assert all(bytes.fromhex(oid) in packs for oid in oids)
        assert b"\0" * 20 not in packs
        assert b"\xff" * 20 not in packs
        packs.close()
        assert {oid: store.get(oid) for oid in oids} == oids


def test_refs_are_compared_and_swapped(root: Path, store: Store) -> None:
    one, two = (store.put("blob", data) for data in (b"1", b"2"))

    assert store.ref("refs/qcode/s") is None
    assert store.set_ref("refs/qcode/s", one, None)
    assert not store.set_ref("refs/qcode/s", two, None)
    assert not store.set_ref("refs/qcode/s", two, two)
    assert store.set_ref("refs/qcode/s", two, one)
    assert store.set_ref("refs/qcode/deep/t", one, None)
    git(root, "pack-refs", "--all")
    assert store.refs("refs/qcode/") == [("refs/qcode/deep/t", one), ("refs/qcode/s", two)]
    assert store.refs("refs/qcode/deep") == [("refs/qcode/deep/t", one)]
    assert store.ref("refs/qcode/deep") is None
    assert not store.set_ref("refs/qcode/s", "", one)
    assert store.set_ref("refs/qcode/s", "", two)
    assert store.refs("refs/qcode") == [("refs/qcode/deep/t", one)]
    with pytest.raises(ValueError):
        store.set_ref("refs/heads/main", one, None)
    with pytest.raises(QcodeError, match="git cannot set refs/qcode/bad..name"):
        store.set_ref("refs/qcode/bad..name", one, None)


def test_private_store_is_made_when_written_to(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    private = tmp_path / "state/qcode/x.git"
    with closing(Store.at(tmp_path / "work", private)) as store:
        assert store.is_private
        assert store.refs("refs/qcode") == []
        assert store.ref("refs/qcode/s") is None
        assert not store.has("0" * 40)
        assert not private.exists()

        oid = store.put("blob", b"x")

        assert git(private, "cat-file", "blob", oid) == b"x"
        assert not (private / "hooks").exists()
        store.sync()
    with closing(Store.at(tmp_path / "work", private)) as store:
        assert store.get(oid) == b"x"


def test_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "state").write_text("a file")
    with closing(Store.at(tmp_path / "work", tmp_path / "state/x.git")) as store:
        with pytest.raises(QcodeError, match="no checkpoint can be kept in"):
            store.put("blob", b"x")


WRITER = """
import sys
from pathlib import Path
from qcode.checkpoints.store import Store
store = Store.at(Path(sys.argv[1]), Path("/nowhere"))
for number in range(300):
    store.put("blob", b"%d" % number)
old = None
for _ in range(1000):
    old = store.ref("refs/qcode/count")
    count = int(store.get(old)) if old else 0
    if store.set_ref("refs/qcode/count", store.put("blob", b"%d" % (count + 1)), old):
        break
store.close()
"""


def test_processes_share_a_store(root: Path, store: Store) -> None:
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(root)]) for _ in range(4)]

    assert [process.wait() for process in running] == [0] * 4
    count = store.ref("refs/qcode/count")
    assert count is not None
    assert store.get(count) == b"4"
    assert git(root, "fsck", "--no-dangling") == b""
    assert list(root.glob(".git/objects/*/tmp_obj*")) == []


def test_git_ended_from_outside_is_started_again(root: Path, store: Store) -> None:
    git(root, "gc", "-q")
    oid = git(root, "rev-parse", "HEAD:a.txt").decode().strip()
    assert store.get(oid) == b"a\n"
    assert store._batch is not None
    store._batch.kill()
    store._batch.wait()

    assert store.get(oid) == b"a\n"


names = st.binary(min_size=1, max_size=6).filter(lambda name: not set(name) & set(b"\0/"))


@given(st.dictionaries(names, st.tuples(st.sampled_from((0o100644, 0o100755, 0o120000, 0o40000)))))
def test_trees_are_read_as_written(rows: dict[bytes, tuple[int]]) -> None:
    listed = [(mode, name, "12" * 20) for name, (mode,) in rows.items()]

    read = list(read_tree(write_tree(listed), 20))

    assert sorted(read) == sorted(listed)
    keys = [name + b"/" * (mode == 0o40000) for mode, name, _ in read]
    assert keys == sorted(keys)


def test_a_lock_that_a_killed_git_left_is_removed(root: Path, store: Store) -> None:
    oid = git(root, "rev-parse", "HEAD").decode().strip()
    lock = root / ".git/refs/qcode/s1.lock"
    lock.parent.mkdir()
    lock.touch()

    assert store.set_ref("refs/qcode/s1", oid, None)

    assert store.ref("refs/qcode/s1") == oid
    assert not lock.exists()


def test_what_cannot_be_seen_is_not_taken_to_be_there(
    root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: str) -> None:
        raise PermissionError(13, "no", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "utime", refused)  # as where one may not search the directory
        oid = store.put("blob", b"new")

    assert git(root, "cat-file", "blob", oid) == b"new"


def test_a_disk_that_does_not_take_it_is_an_error_in_words(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(fd: int) -> None:
        raise OSError(5, "Input/output error")

    store.put("blob", b"new")
    monkeypatch.setattr(os, "fsync", refused)
    with pytest.raises(QcodeError, match="could not be written"):
        store.sync()


@pytest.mark.parametrize("there_is", [True, False])
def test_many_objects_are_written_to_disk_at_once_where_that_can_be_asked_for(
    root: Path, store: Store, monkeypatch: pytest.MonkeyPatch, there_is: bool
) -> None:
    import ctypes

    calls: list[str] = []

    class Library:
        def __init__(self, name: None, use_errno: bool) -> None:
            if there_is:
                self.syncfs = lambda fd: calls.append("all")  # None is taken for 0

    monkeypatch.setattr(ctypes, "CDLL", Library)
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("one"))
    for number in range(201):
        store.put("blob", b"many %d" % number)
    store.sync()
    many, calls[:] = list(calls), []
    store.put("blob", b"few")
    store.sync()

    assert many == ["all"] if there_is else len(many) > 201
    assert calls == ["one"] * 3  # the object, its directory, and the one above


def test_a_disk_that_does_not_take_many_is_an_error_in_words(
    root: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ctypes

    def refuse(fd: int) -> int:
        ctypes.set_errno(28)
        return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda name, use_errno: SimpleNamespace(syncfs=refuse))
    for number in range(201):
        store.put("blob", b"many %d" % number)

    with pytest.raises(QcodeError, match="No space left on device"):
        store.sync()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace kills git at its n-th call")
@pytest.mark.parametrize("call", ["mkdir", "rename", "write"])
def test_a_private_repository_is_made_whole_after_git_was_killed_making_it(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    git_itself, path = shutil.which("git"), os.environ["PATH"]
    for number in range(1, 30):
        inject = f"-e trace={call} -e inject={call}:signal=KILL:when={number}"
        program.write_text(f'#!/bin/sh\nexec strace -o /dev/null {inject} {git_itself} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{path}")
        private = tmp_path / str(number) / "files.git"
        killed = Store(private, is_private=True)
        try:
            killed.make()
        except QcodeError:
            pass
        else:
            break
        monkeypatch.setenv("PATH", path)
        with closing(Store(private, is_private=True)) as store:
            tree = store.put("tree", b"")
            about = "author a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nx\n"
            commit = store.put("commit", f"tree {tree}\n{about}".encode())
            assert store.set_ref("refs/qcode/s1", commit, None)
        assert git(private, "fsck").strip() == b""
    assert number > 2


def test_two_processes_may_make_a_private_repository_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from qcode.checkpoints.store import Store;"
        "store = Store(Path(sys.argv[1]), is_private=True); sys.stdin.read(1);"
        "print(store.put('blob', sys.argv[2].encode()))"
    )
    private = tmp_path / "files.git"
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(private), word],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for word in ("one", "two", "three")
    ]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write(b"x")
        maker.stdin.flush()
    oids = [maker.communicate()[0].decode().strip() for maker in makers]
    store = Store(private, is_private=True)
    assert [store.get(oid) for oid in oids] == [b"one", b"two", b"three"]
    assert [one.name for one in tmp_path.iterdir()] == ["files.git"]
