"""Every kind of repository, and none: what a state holds, and what of git is left alone."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from filetree import git, repository, snapshot, untouched

from qcode.checkpoints.restore import restore
from qcode.checkpoints.scan import Files
from qcode.checkpoints.states import (
    LEFT_OUT,
    NOT_EMPTY,
    Entry,
    State,
    below,
    difference,
    find,
    named,
)
from qcode.checkpoints.store import Store

FILES = {"a.txt": b"one\n", "src/b.py": b"x = 1\n", "src/deep/c": b"\0\xff"}


class Kept:
    """The states of one directory."""

    def __init__(self, root: Path, **options: object) -> None:
        self.root = root
        self.store = Store.at(root, root.parent / "private.git")
        self.files = Files(root, self.store, **options)  # type: ignore[arg-type]

    def contents(self, state: State) -> dict[str, bytes]:
        return {
            path: self.store.get(entry.oid)
            for path in below(self.store, state)
            if (entry := find(self.store, state, path)) is not None and entry.oid
        }

    def modes(self, state: State) -> dict[str, int]:
        found = {path: find(self.store, state, path) for path in below(self.store, state)}
        return {path: entry.mode for path, entry in found.items() if entry is not None}

    def go(self, present: State, wanted: State) -> None:
        changes = difference(self.store, present, wanted)
        restore(self.root, self.store, {path: after for path, (_, after) in changes.items()})

    def close(self) -> None:
        self.files.close()
        self.store.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    one = Kept(repository(tmp_path / "work", FILES))
    yield one
    one.close()


@pytest.fixture
def opened() -> Iterator[list[Kept]]:
    ones: list[Kept] = []
    yield ones
    for one in ones:
        one.close()


def real(root: Path) -> dict[str, bytes]:
    return {path: data for path, (kind, _, data) in snapshot(root).items() if kind != "dir"}


def there_and_back(one: Kept, change: str = "a.txt") -> None:
    """Check that what is there is kept, that a change is seen and can be undone and redone."""
    before, expected = one.files.take(), snapshot(one.root)
    assert one.contents(before) == real(one.root)
    (one.root / change).write_bytes(b"changed\r\n")
    (one.root / "new dir").mkdir()
    (one.root / "new dir/new").write_bytes(b"new")
    after, changed = one.files.take(), snapshot(one.root)
    assert one.contents(after) == real(one.root)
    one.go(after, before)
    assert snapshot(one.root) == expected
    assert one.files.take() == before
    one.go(before, after)
    assert snapshot(one.root) == changed
    with closing(Files(one.root, one.store)) as fresh:
        assert fresh.take() == after


def test_clean_repository_has_the_tree_of_its_commit(kept: Kept) -> None:
    state = kept.files.take()

    assert state == State(git(kept.root, "rev-parse", "HEAD^{tree}").decode().strip(), "")
    assert not list(kept.store.refs("refs/qcode"))


def test_dirty_tree_is_kept_as_it_is(kept: Kept) -> None:
    (kept.root / "a.txt").write_text("staged\n")
    git(kept.root, "add", "a.txt")
    (kept.root / "a.txt").write_text("and not staged\n")
    (kept.root / "src/b.py").unlink()
    (kept.root / "untracked").write_text("u")

    there_and_back(kept)


def test_nothing_of_git_is_touched(kept: Kept) -> None:
    hooks = kept.root / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    witness = kept.root.parent / "hook-ran"
    for name in ("reference-transaction", "post-index-change", "post-checkout", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch '{witness}'\n")
        (hooks / name).chmod(0o755)
    git(kept.root, "config", "core.fsmonitor", str(hooks / "post-checkout"))
    git(kept.root, "config", "core.logAllRefUpdates", "always")
    (kept.root / "a.txt").write_text("stash me")
    git(kept.root, "stash")
    os.utime(kept.root / "src/b.py", (1, 1))  # so that git would refresh its index
    witness.unlink(missing_ok=True)
    before = untouched(kept.root / ".git")

    there_and_back(kept)
    commit = kept.store.put("commit", _commit(kept.files.take()))
    assert kept.store.set_ref("refs/qcode/s", commit, None)

    assert untouched(kept.root / ".git") == before
    assert not witness.exists()
    assert git(kept.root, "fsck", "--strict", "--no-dangling") == b""


def _commit(state: State) -> bytes:
    who = "qcode <qcode@localhost> 0 +0000"
    return f"tree {state.tree}\nauthor {who}\ncommitter {who}\n\nstate\n".encode()


def test_git_alone_can_restore_a_file(kept: Kept) -> None:
    (kept.root / "untracked").write_bytes(b"precious\r\n")
    commit = kept.store.put("commit", _commit(kept.files.take()))
    kept.store.set_ref("refs/qcode/s", commit, None)
    (kept.root / "untracked").unlink()

    git(kept.root, "restore", "--source=refs/qcode/s", "--", "untracked")

    assert (kept.root / "untracked").read_bytes() == b"precious\r\n"


def test_meta_trees_are_sound_to_git(kept: Kept) -> None:
    (kept.root / "empty/inner").mkdir(parents=True)
    (kept.root / "a.txt").chmod(0o600)
    (kept.root / "src").chmod(0o700)
    state = kept.files.take()
    kept.store.set_ref("refs/qcode/s", kept.store.put("commit", _commit(state)), None)
    kept.store.set_ref(
        "refs/qcode/m", kept.store.put("commit", _commit(State(state.meta, ""))), None
    )

    assert git(kept.root, "fsck", "--strict", "--no-dangling") == b""
    assert kept.modes(state) == {
        "a.txt": 0o100600,
        "empty/inner": 0o040755,
        "src": 0o040700 | NOT_EMPTY,
        "src/b.py": 0o100644,
        "src/deep/c": 0o100644,
    }


def test_unborn_branch(tmp_path: Path, opened: list[Kept]) -> None:
    root = tmp_path / "work"
    root.mkdir()
    git(root, "init", "-q")
    opened.append(one := Kept(root))
    assert one.contents(one.files.take()) == {}
    (root / "a.txt").write_text("first")

    there_and_back(one)
    commit = one.store.put("commit", _commit(one.files.take()))
    assert one.store.set_ref("refs/qcode/s", commit, None)


def test_linked_worktree_shares_objects_and_refs(kept: Kept, opened: list[Kept]) -> None:
    linked = kept.root.parent / "linked"
    git(kept.root, "worktree", "add", "-q", "-b", "other", str(linked))
    opened.append(one := Kept(linked))
    before = untouched(kept.root / ".git")

    there_and_back(one)
    state = one.files.take()
    one.store.set_ref("refs/qcode/w", one.store.put("commit", _commit(state)), None)

    assert kept.contents(state) == real(linked)
    assert [name for name, _ in kept.store.refs("refs/qcode/")] == ["refs/qcode/w"]
    assert untouched(kept.root / ".git") == before


@pytest.fixture
def nested(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A superproject with a submodule in `lib/sub`."""
    other = repository(
        kept.root.parent / "other", {"s.txt": b"sub\n", ".gitignore": b"*.o\n", "d/e": b"e"}
    )
    allow = ("-c", "protocol.file.allow=always")
    git(kept.root, *allow, "submodule", "--quiet", "add", str(other), "lib/sub")
    git(kept.root, "commit", "-q", "-m", "Add it")
    return kept.root / "lib/sub"


def test_files_of_submodules_are_kept(kept: Kept, nested: Path) -> None:
    (nested / "s.txt").write_text("dirty\n")
    (nested / "x.o").write_text("ignored by the submodule alone\n")
    (kept.root / "y.o").write_text("not ignored here\n")
    before = untouched(kept.root / ".git")

    state = kept.files.take()

    expected = real(kept.root)
    assert expected.pop("lib/sub/x.o")
    assert kept.contents(state) == expected
    (nested / "s.txt").write_text("dirtier\n")
    (nested / "new.txt").write_text("new\n")
    (nested / "new.o").write_text("new\n")
    assert set(difference(kept.store, state, kept.files.take())) == {
        "lib/sub/new.txt",
        "lib/sub/s.txt",
    }
    assert untouched(kept.root / ".git") == before


def test_inside_a_submodule(kept: Kept, nested: Path, opened: list[Kept]) -> None:
    opened.append(one := Kept(nested))

    there_and_back(one, "s.txt")

    assert one.store.git_dir == kept.root / ".git/modules/lib/sub"


def test_repository_in_untracked_directory(kept: Kept) -> None:
    repository(kept.root / "vendor", {"v.txt": b"v", ".gitignore": b"out/\n"})
    (kept.root / "vendor/out").mkdir()
    (kept.root / "vendor/out/o").write_text("o")

    state = kept.files.take()

    assert set(kept.contents(state)) == {*FILES, "vendor/v.txt", "vendor/.gitignore"}


def test_repository_made_and_removed_in_between(kept: Kept) -> None:
    (kept.root / ".gitignore").write_text("*.log\n")
    (kept.root / "src/x.log").write_text("log")
    first = kept.files.take()
    git(kept.root / "src", "init", "-q")
    second = kept.files.take()
    shutil.rmtree(kept.root / "src/.git")

    assert set(difference(kept.store, first, second)) == {"src/x.log"}
    assert kept.files.take() == first


def test_repository_made_while_rules_change(kept: Kept) -> None:
    (kept.root / "src/x.log").write_text("log")
    kept.files.take()
    git(kept.root / "src", "init", "-q")
    (kept.root / "src/.gitignore").write_text("*.log\nb.py\n")
    (kept.root / ".git/info").mkdir(exist_ok=True)
    (kept.root / ".git/info/exclude").write_text("")

    assert set(kept.contents(kept.files.take())) == {"a.txt", "src/.gitignore", "src/deep/c"}


def test_broken_git_file_is_no_repository(kept: Kept) -> None:
    (kept.root / "src/.git").write_text("gitdir: /nowhere\n")

    assert kept.contents(kept.files.take()) == FILES


def test_no_repository(tmp_path: Path, opened: list[Kept]) -> None:
    root = tmp_path / "work"
    (root / "build").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / ".gitignore").write_text("build/\n")
    (root / "build/o").write_text("o")
    opened.append(one := Kept(root))

    state = one.files.take()

    assert one.store.is_private
    assert set(one.contents(state)) == {"a.txt", ".gitignore"}
    commit = one.store.put("commit", _commit(state))
    assert one.store.set_ref("refs/qcode/s", commit, None)
    assert not (root / ".git").exists()
    opened.append(again := Kept(root))
    assert again.store.ref("refs/qcode/s") == commit
    assert again.files.take() == state


def test_huge_directory_without_repository_keeps_named_paths(
    tmp_path: Path, opened: list[Kept]
) -> None:
    root = tmp_path / "work"
    for folder in range(21):
        (root / str(folder)).mkdir(parents=True)
        for name in range(1000):
            (root / f"{folder}/{name}").touch()
    (root / "a.txt").write_text("a")
    opened.append(one := Kept(root))

    first = one.files.take()
    second = one.files.take([root / "a.txt", root / "0/new"])
    (root / "0/new").write_text("new")
    (root / "a.txt").write_text("b")
    third = one.files.take()

    assert one.files.is_partial == "it is no git repository and has more than 20,000 files"
    assert one.contents(first) == {}
    # What is known now may have been there before.
    assert difference(one.store, first, second)["a.txt"][0] == Entry(0, "")
    assert one.contents(third) == {"a.txt": b"b", "0/new": b"new"}
    assert named(one.store, third) == ("0/new", "a.txt")
    one.go(third, second)
    assert (root / "a.txt").read_text() == "a"
    assert not (root / "0/new").exists()
    assert (root / "0/1").exists()


def test_line_endings_stay_as_they_are(tmp_path: Path, opened: list[Kept]) -> None:
    root = tmp_path / "work"
    root.mkdir()
    git(root, "init", "-q")
    git(root, "config", "core.autocrlf", "true")
    contents = {
        ".gitattributes": b"*.txt text=auto\n*.crlf text eol=crlf\n*.lf text eol=lf\n",
        "a.txt": b"a\r\nb\r\n",
        "mixed.txt": b"a\r\nb\n",
        "c.crlf": b"a\r\n",
        "d.lf": b"a\n",
        "plain": b"a\n",
        "binary": b"\0\r\n",
    }
    for path, data in contents.items():
        (root / path).write_bytes(data)
    git(root, "-c", "core.safecrlf=false", "add", "-A")
    git(root, "commit", "-q", "-m", "Start")
    for path in contents:
        os.utime(root / path, (1_000_000_000, 1_000_000_000))
    git(root, "status")  # the index knows them as unchanged
    wait_until_settled(root)
    opened.append(one := Kept(root))

    assert one.contents(one.files.take()) == contents
    there_and_back(one)


def wait_until_settled(root: Path) -> None:
    """Make the files look old enough to be believed; their change times cannot be set."""
    import time

    newest = max(path.lstat().st_ctime_ns for path in root.rglob("*"))
    while time.time_ns() < newest + 150_000_000:
        time.sleep(0.01)


@pytest.mark.parametrize("attribute", ["filter=rot", "filter=lfs", "ident", "text"])
def test_no_filter_is_run_and_raw_bytes_are_kept(
    tmp_path: Path, opened: list[Kept], attribute: str
) -> None:
    root, witness = tmp_path / "work", tmp_path / "filter-ran"
    root.mkdir()
    git(root, "init", "-q")
    for name in ("rot", "lfs"):
        for kind, letters in (("clean", "a-z b-za"), ("smudge", "b-za a-z")):
            one, other = letters.split()
            git(root, "config", f"filter.{name}.{kind}", f"touch '{witness}'; tr {one} {other}")
        git(root, "config", f"filter.{name}.required", "true")
    (root / ".gitattributes").write_text(f"*.bin {attribute}\n")
    (root / "big.bin").write_bytes(b"abc $Id$\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Start")
    (root / "big.bin").unlink()
    git(root, "checkout", "-q", "big.bin")
    wait_until_settled(root)
    git(root, "status")
    witness.unlink(missing_ok=True)
    opened.append(kept := Kept(root))

    assert kept.contents(kept.files.take()) == real(root)
    there_and_back(kept, "big.bin")
    assert not witness.exists()


def test_attributes_do_not_hide_that_a_file_is_other_bytes(kept: Kept) -> None:
    rules = kept.root / ".git/info/attributes"
    rules.parent.mkdir(exist_ok=True)
    rules.write_text("*.txt working-tree-encoding=UTF-16LE\n")
    (kept.root / "u.txt").write_bytes("äöü\n".encode("utf-16-le"))
    git(kept.root, "add", "u.txt")
    wait_until_settled(kept.root)

    assert kept.contents(kept.files.take())["u.txt"] == "äöü\n".encode("utf-16-le")


def test_clean_tracked_files_are_not_read(kept: Kept, opened: list[Kept]) -> None:
    wait_until_settled(kept.root)
    git(kept.root, "status")
    opened.append(one := Kept(kept.root, largest=3))

    state = one.files.take()

    assert one.contents(state) == FILES  # though all but one are too large to be read
    (kept.root / "a.txt").write_text("changed")
    changed = one.files.take()
    assert difference(one.store, state, changed) == {
        "a.txt": (find(one.store, state, "a.txt"), Entry(0, ""))
    }
    assert one.files.left_out == {"a.txt": "it is larger than 3 bytes"}
    one.go(changed, state)
    assert one.files.look("a.txt") == LEFT_OUT
    assert (kept.root / "a.txt").read_text() == "one\n"


def test_flags_in_the_index_prove_nothing(kept: Kept) -> None:
    git(kept.root, "update-index", "--assume-unchanged", "a.txt")
    git(kept.root, "update-index", "--skip-worktree", "src/b.py")
    (kept.root / "a.txt").write_text("not what git thinks")
    (kept.root / "src/b.py").write_text("neither")
    (kept.root / "meant").write_text("to be added")
    git(kept.root, "add", "--intent-to-add", "meant")
    wait_until_settled(kept.root)

    assert kept.contents(kept.files.take()) == real(kept.root)


def test_sparse_checkout(kept: Kept) -> None:
    git(kept.root, "sparse-checkout", "set", "--cone", "src/deep")
    (kept.root / "other").mkdir()
    (kept.root / "other/new").write_text("outside of the cone")

    there_and_back(kept)
    assert set(real(kept.root)) == {*FILES, "other/new", "new dir/new"}
    git(kept.root, "sparse-checkout", "set", "--no-cone", "a.txt")
    assert kept.contents(kept.files.take()) == real(kept.root)


def test_partial_clone_fetches_nothing(kept: Kept, opened: list[Kept]) -> None:
    origin = kept.root.parent / "origin.git"
    (kept.root / "a.txt").write_text("older\n")
    git(kept.root, "commit", "-q", "-a", "-m", "Second")
    git(kept.root, "clone", "-q", "--bare", str(kept.root), str(origin))
    git(origin, "config", "uploadpack.allowFilter", "true")
    where = kept.root.parent / "partial"
    git(kept.root, "clone", "-q", "--filter=blob:none", f"file://{origin}", str(where))
    blob = git(kept.root, "rev-parse", "HEAD~:a.txt").decode().strip()
    opened.append(one := Kept(where))
    packs = set(where.glob(".git/objects/pack/*"))

    there_and_back(one)
    assert not one.store.has(blob)
    with pytest.raises(Exception, match=f"object {blob} of a checkpoint is missing"):
        one.store.get(blob)

    assert set(where.glob(".git/objects/pack/*")) == packs


@pytest.mark.parametrize("attributes", ["", "* ident\n"])
def test_clean_file_whose_blob_is_not_there_is_kept(
    kept: Kept, opened: list[Kept], attributes: str
) -> None:
    origin = kept.root.parent / "origin.git"
    git(kept.root, "clone", "-q", "--bare", str(kept.root), str(origin))
    git(origin, "config", "uploadpack.allowFilter", "true")
    where = kept.root.parent / "partial"
    git(kept.root, "clone", "-q", "-n", "--filter=blob:none", f"file://{origin}", str(where))
    for path, content in FILES.items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_bytes(content)
    git(where, "reset", "-q")  # git takes note that they are what it would fetch
    git(where, "update-index", "--refresh")
    if attributes:
        (where / ".git/info/attributes").write_text(attributes)
    wait_until_settled(where)
    shutil.rmtree(origin)
    opened.append(one := Kept(where))

    state = one.files.take()

    assert one.contents(state) == FILES
    (where / "a.txt").unlink()
    (where / "src/b.py").write_text("changed")
    one.go(one.files.take(), state)
    assert real(where) == FILES


def test_sha256_repository(tmp_path: Path, opened: list[Kept]) -> None:
    root = repository(tmp_path / "work", FILES, options=("--object-format=sha256",))
    opened.append(one := Kept(root))

    assert one.files.take().tree == git(root, "rev-parse", "HEAD^{tree}").decode().strip()
    (root / "a.txt").chmod(0o600)
    there_and_back(one)
    git(root, "gc", "-q")
    assert one.contents(one.files.take(thorough=True)) == real(root)
    assert git(root, "fsck", "--no-dangling") == b""


def test_objects_are_read_from_packs_and_alternates(kept: Kept, opened: list[Kept]) -> None:
    git(kept.root, "gc", "-q")
    borrowed = kept.root.parent / "borrowed"
    git(kept.root, "clone", "-q", "--shared", str(kept.root), str(borrowed))
    opened.append(one := Kept(borrowed))

    assert one.contents(one.files.take()) == FILES
    assert list(borrowed.glob(".git/objects/??/*")) == []
    git(kept.root, "repack", "-adq")
    assert one.contents(one.files.take()) == FILES


def test_variables_of_a_hook_do_not_mislead(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[Kept]
) -> None:
    other = repository(tmp_path / "elsewhere", {"z": b"z"})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "objects"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare=true'")
    opened.append(one := Kept(kept.root))
    state = one.files.take()
    one.store.set_ref("refs/qcode/s", one.store.put("commit", _commit(state)), None)

    assert one.contents(state) == FILES
    assert (kept.root / ".git/refs/qcode/s").exists()


def test_deep_directories(kept: Kept) -> None:
    where = kept.root
    for _ in range(1200):
        where /= "d"
        where.mkdir()
    (where / "f").write_text("deep")

    state = kept.files.take()

    assert kept.contents(state)[str((where / "f").relative_to(kept.root))] == b"deep"
    (where / "f").write_text("deeper")
    changed = kept.files.take()
    kept.go(changed, state)
    assert (where / "f").read_text() == "deep"
    subprocess.run(["rm", "-rf", kept.root / "d"], check=True)  # pytest would recurse too deeply


def test_what_has_too_long_a_path_is_left_out(kept: Kept) -> None:
    name = "d" * 250
    # However long the path of the root is, a short name still fits into the last directory.
    path = "p" * (250 - len(str(kept.root)) % 251)
    (kept.root / path).mkdir()
    here = os.open(kept.root / path, os.O_RDONLY)
    try:
        while len(f"{kept.root}/{path}/{name}") < os.pathconf(kept.root, "PC_PATH_MAX"):
            path = f"{path}/{name}"
            os.mkdir(name, dir_fd=here)
            inner = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
        os.close(os.open("near", os.O_CREAT, dir_fd=here))
        before = kept.files.take()
        os.mkdir(name, dir_fd=here)
        os.close(os.open("f" * 250, os.O_CREAT, dir_fd=here))

        state = kept.files.take()

        why = "it cannot be read: File name too long"
        assert kept.files.left_out == {f"{path}/{'f' * 250}": why, f"{path}/{name}": why}
        assert difference(kept.store, before, state) == {
            f"{path}/{'f' * 250}": (None, LEFT_OUT),
            f"{path}/{name}": (None, LEFT_OUT),
        }
        assert kept.files.take(thorough=True) == state
        os.unlink("f" * 250, dir_fd=here)
        os.rmdir(name, dir_fd=here)
        assert kept.files.take() == before
        assert kept.files.left_out == {}
    finally:
        os.close(here)
        subprocess.run(["rm", "-rf", kept.root / name], check=True)


def test_unusual_modes(kept: Kept) -> None:
    for number, mode in enumerate((0o400, 0o4755, 0o1777, 0o640, 0o111, 0o000)):
        path = kept.root / f"m{number}"
        path.write_text("m")
        path.chmod(mode)
    (kept.root / "src").chmod(0o1777)
    state, expected = kept.files.take(), snapshot(kept.root)
    for number in range(6):
        (kept.root / f"m{number}").unlink()
    shutil.rmtree(kept.root / "src")

    kept.go(kept.files.take(), state)

    assert snapshot(kept.root) == expected


def test_only_directories_are_listed_that_git_cannot_hold(kept: Kept) -> None:
    kept.root.joinpath("e").mkdir()

    state = kept.files.take()

    assert kept.modes(state)["e"] == stat.S_IFDIR | 0o755
    assert find(kept.store, state, "src") is None
    assert kept.files.look("src") is None
    assert kept.files.look("e") == Entry(0o040755, "")
