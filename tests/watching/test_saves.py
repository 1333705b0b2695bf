from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path

import pytest

from qcode.checkpoints.watch import Watch
from qcode.watching.by_git import ByGit
from qcode.watching.saves import Saves, read


@pytest.mark.parametrize("told", [True, False], ids=["told by the system", "looked for"])
def test_what_is_saved_is_seen_and_nothing_else(tmp_path: Path, told: bool) -> None:
    root = tmp_path
    (root / "src").mkdir()
    (root / "src/a.py").write_text("1")
    (root / ".gitignore").write_text("*.log\nbuild/\n")
    (root / "build").mkdir()
    clock = itertools.count(0.0, 10.0)
    saves = Saves(
        root,
        lambda path: path.name == "secret.txt",
        clock=lambda: next(clock),
        watch=Watch.start if told else lambda: None,
    )
    assert saves.present() == ["src/a.py"]
    assert saves.changed() == []

    (root / "src/a.py").write_text("12")
    (root / "new/deep").mkdir(parents=True)
    (root / "new/deep/b.py").write_text("1")
    for name in ("x.log", "build/c.py", ".hidden.py", "secret.txt"):
        (root / name).write_text("1")
    os.symlink("src/a.py", root / "link.py")
    assert saves.changed() == ["new/deep/b.py", "src/a.py"]
    assert saves.changed() == []
    made = root / "new/deep/made"
    made.write_text("123")
    made.rename(root / "new/deep/b.py")  # as editors save
    assert saves.changed() == ["new/deep/b.py"]
    (root / "src/a.py").unlink()
    assert saves.changed() == []
    saves.close()


def test_only_small_texts_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a\0b")
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    (tmp_path / "c").write_bytes(b"x" * 1_000_001)
    (tmp_path / "d").write_text("yes")
    os.symlink("d", tmp_path / "e")
    os.mkfifo(tmp_path / "f")

    assert [read(tmp_path, name) for name in "abcdefg"] == [
        None,
        None,
        None,
        "yes",
        None,
        None,
        None,
    ]


def test_what_git_brings_is_told_from_what_a_person_saves(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    (tmp_path / "a.py").write_text("1\n")
    (tmp_path / "b.py").write_text("1\n")
    git("add", ".")
    git("commit", "-qm", "one")
    by_git = ByGit(tmp_path)
    (tmp_path / "a.py").write_text("by hand\n")
    assert by_git.brought({"a.py"}) == set()
    (tmp_path / "b.py").write_text("kept in the index\n")
    git("add", "b.py")
    assert by_git.brought({"a.py", "new.py"}) == set()
    git("checkout", "-q", "HEAD", "--", "a.py")
    assert by_git.brought({"a.py", "new.py"}) == {"a.py"}
    git("checkout", "-q", "-b", "other")
    assert by_git.brought({"a.py", "new.py"}) == {"a.py", "new.py"}
    git("stash")
    assert by_git.brought({"b.py"}) == {"b.py"}
    assert not by_git.is_at_work
    (tmp_path / ".git/index.lock").touch()
    assert by_git.is_at_work
