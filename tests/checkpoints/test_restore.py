"""Putting paths back: exactly, whole, and refused before anything is touched."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from filetree import repository, snapshot

from qcode.checkpoints.restore import restore
from qcode.checkpoints.scan import Files
from qcode.checkpoints.states import LEFT_OUT, Entry, difference, find
from qcode.checkpoints.store import Store
from qcode.errors import QcodeError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(tmp_path / "work", {"a.txt": b"a\n", "d/b": b"b", "d/e/c": b"c"})


@pytest.fixture
def store(root: Path, tmp_path: Path) -> Iterator[Store]:
    with closing(Store.at(root, tmp_path / "private.git")) as store:
        yield store


def file(store: Store, data: bytes, mode: int = 0o100644) -> Entry:
    return Entry(mode, store.put("blob", data))


def link(store: Store, target: str) -> Entry:
    return Entry(0o120000, store.put("blob", target.encode()))


def test_files_links_and_directories_replace_each_other(root: Path, store: Store) -> None:
    (root / "link").symlink_to("d")
    restore(
        root,
        store,
        {
            "a.txt": link(store, "/nowhere"),
            "d": file(store, b"was a directory"),
            "d/b": None,
            "d/e/c": None,
            "link": None,
            "link/x/y": file(store, b"y", 0o100600),
            "empty": Entry(0o040700, ""),
        },
    )

    assert snapshot(root) == {
        "a.txt": ("link", 0, b"/nowhere"),
        "d": ("file", 0o644, b"was a directory"),
        "link": ("dir", 0o755, b""),
        "link/x": ("dir", 0o755, b""),
        "link/x/y": ("file", 0o600, b"y"),
        "empty": ("dir", 0o700, b""),
    }
    restore(
        root,
        store,
        {
            "a.txt": Entry(0o040755, ""),
            "d": None,
            "d/b": file(store, b"b"),
            "link": link(store, "d"),
            "link/x/y": None,
            "empty": file(store, b"#!", 0o100755),
        },
    )
    assert snapshot(root) == {
        "a.txt": ("dir", 0o755, b""),
        "d": ("dir", 0o755, b""),
        "d/b": ("file", 0o644, b"b"),
        "link": ("link", 0, b"d"),
        "empty": ("file", 0o755, b"#!"),
    }


def test_emptied_directories_go_unless_wanted_or_not_empty(root: Path, store: Store) -> None:
    (root / "k/l").mkdir(parents=True)
    (root / "k/l/m").touch()
    (root / "o").mkdir()
    (root / "o/p").touch()
    (root / "o/q").touch()

    restore(
        root,
        store,
        {"d/e/c": None, "d/b": None, "k/l/m": None, "k": Entry(0o040755, ""), "o/p": None},
    )

    assert set(snapshot(root)) == {"a.txt", "k", "o", "o/q"}


def test_right_file_is_left_alone(root: Path, store: Store) -> None:
    inode = (root / "a.txt").stat().st_ino

    restore(root, store, {"a.txt": file(store, b"a\n", 0o100600)})

    assert (root / "a.txt").stat().st_ino == inode
    assert snapshot(root)["a.txt"] == ("file", 0o600, b"a\n")


def test_other_name_of_a_file_keeps_its_content(root: Path, store: Store) -> None:
    os.link(root / "a.txt", root.parent / "other")

    restore(root, store, {"a.txt": file(store, b"new")})

    assert (root.parent / "other").read_bytes() == b"a\n"


def test_what_is_not_kept_is_left_alone(root: Path, store: Store) -> None:
    before = snapshot(root)

    restore(root, store, {"a.txt": LEFT_OUT, "d": LEFT_OUT, "nothing": LEFT_OUT})

    assert snapshot(root) == before


def test_nothing_is_removed_through_a_link(root: Path, store: Store) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "b").write_text("precious")
    shutil.rmtree(root / "d")
    (root / "d").symlink_to(outside)

    restore(root, store, {"d/b": None, "d/e/c": None})

    assert (outside / "b").read_text() == "precious"
    assert (root / "d").is_symlink()


@pytest.mark.parametrize(
    "what,message",
    [
        ("link", "`d/b` cannot be restored: `d` is a link; nothing was changed"),
        ("file", "`d/b` cannot be restored: `d` is no directory; nothing was changed"),
        ("missing", "what was in `d/b` is missing from"),
        ("directory", "`d/b` cannot be restored: it is a directory now, with `d/b/theirs`"),
        ("git", "`.git/config` is no path that a checkpoint can have"),
        ("outside", "`../x` is no path that a checkpoint can have"),
    ],
)
def test_refusal_comes_before_anything_is_touched(
    root: Path, store: Store, what: str, message: str
) -> None:
    wanted: dict[str, Entry | None] = {"a.txt": None, "d/b": file(store, b"new")}
    if what in ("link", "file"):
        shutil.rmtree(root / "d")
        (root / "d").symlink_to("/tmp") if what == "link" else (root / "d").touch()
    elif what == "directory":
        (root / "d/b").unlink()
        (root / "d/b").mkdir()
        (root / "d/b/theirs").touch()
    elif what == "missing":
        wanted["d/b"] = Entry(0o100644, "12" * 20)
    else:
        wanted[".git/config" if what == "git" else "../x"] = None
    before = snapshot(root)

    with pytest.raises(QcodeError) as refusal:
        restore(root, store, wanted)
    with pytest.raises(QcodeError):
        restore(root, store, wanted, ignored=set)

    assert str(refusal.value).startswith(message)
    assert snapshot(root) == before


def test_failure_in_between_leaves_no_scraps(root: Path, store: Store) -> None:
    wanted: dict[str, Entry | None] = {
        "a.txt": file(store, b"x" * 1000),
        "d/b": file(store, b"new"),
        "d/e/c": None,
    }
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(QcodeError, match="`a.txt` could not be restored: File too large"):
            restore(root, store, wanted)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert set(snapshot(root)) == {"a.txt", "d", "d/b"}
    assert (root / "a.txt").read_bytes() == b"a\n"
    restore(root, store, wanted)
    assert (root / "a.txt").read_bytes() == b"x" * 1000


def test_impossible_name_is_refused(root: Path, store: Store) -> None:
    with pytest.raises(QcodeError, match="cannot be looked at: File name too long"):
        restore(root, store, {"a.txt": None, "n" * 300: file(store, b"x")})

    assert (root / "a.txt").exists()


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A directory of an ordinary user's, who the rest of the test is run as."""
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid():
            yield Path(folder)
            return
        shutil.chown(folder, 65534, 65534)
        home = os.environ["HOME"]
        os.environ["HOME"] = folder
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)
            os.environ["HOME"] = home


def test_permissions_that_forbid_writing_are_no_obstacle(
    as_nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(as_nobody))
    root = as_nobody / "work"
    (root / "d/e").mkdir(parents=True)
    for path in ("d/b", "d/e/c", "a"):
        (root / path).write_text(path)
    (root / "a").chmod(0o444)
    (root / "d/e").chmod(0o555)
    (root / "d").chmod(0o500)
    with (
        closing(Store.at(root, as_nobody / "p.git")) as store,
        closing(Files(root, store)) as files,
    ):
        first, expected = files.take(), snapshot(root)
        (root / "d").chmod(0o700)
        (root / "d/e").chmod(0o700)
        (root / "d/e/c").write_text("changed")
        (root / "d/e/new").write_text("new")
        (root / "d/b").unlink()
        (root / "d/e").chmod(0o500)
        (root / "d").chmod(0o555)
        second, changed = files.take(), snapshot(root)

        go(root, store, second, first)
        assert snapshot(root) == expected
        go(root, store, first, second)
        assert snapshot(root) == changed


def test_what_may_not_be_read_is_left_out(as_nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(as_nobody))
    root = as_nobody / "work"
    (root / "d").mkdir(parents=True)
    (root / "d/x").write_text("x")
    (root / "secret").write_text("s")
    with (
        closing(Store.at(root, as_nobody / "p.git")) as store,
        closing(Files(root, store)) as files,
    ):
        first, expected = files.take(), snapshot(root)
        (root / "d").chmod(0)
        (root / "secret").chmod(0)
        second = files.take()

        assert dict(files.left_out) == {
            "d": "it cannot be read: Permission denied",
            "secret": "it cannot be read: Permission denied",
        }
        assert second != first
        assert difference(store, first, second) == {
            "d": (None, LEFT_OUT),
            "d/x": (find(store, first, "d/x"), LEFT_OUT),
            "secret": (find(store, first, "secret"), LEFT_OUT),
        }
        assert find(store, second, "d/x") == LEFT_OUT
        go(root, store, second, first)
        assert snapshot(root) == expected
        assert stat.S_IMODE((root / "d").stat().st_mode) == 0o755
        assert files.take() == first
        assert files.left_out == {}
        if os.geteuid():
            root.chmod(0)
            with pytest.raises(QcodeError, match="cannot be read: Permission denied"):
                files.take()
            root.chmod(0o755)
            assert files.take() == first


def go(root: Path, store: Store, present: object, wanted: object) -> None:
    changes = difference(store, present, wanted)  # type: ignore[arg-type]
    restore(root, store, {path: after for path, (_, after) in changes.items()})
