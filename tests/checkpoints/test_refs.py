from __future__ import annotations

import threading
from pathlib import Path

import pytest
from program import git, repository

from qcode.checkpoints.refs import LooseRefs
from qcode.worktree import head

NAME = "refs/qcode/one"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "top").mkdir()
    return repository(tmp_path / "top", {"a.txt": "a\n"})


def commit(top: Path, text: str) -> str:
    (top / "a.txt").write_text(text)
    git(top, "commit", "-qam", text)
    return git(top, "rev-parse", "HEAD").strip()


def value(top: Path, name: str = NAME) -> str:
    return git(top, "for-each-ref", "--format=%(objectname)", name).strip()


def test_git_reads_what_is_set(top: Path) -> None:
    first, second = git(top, "rev-parse", "HEAD").strip(), commit(top, "b")
    refs = LooseRefs(top / ".git")

    assert refs.are_files()
    assert refs.value(NAME) is None
    assert refs.set(NAME, first, None)
    assert refs.value(NAME) == value(top) == first
    assert refs.set(NAME, second, first)
    assert value(top) == second
    assert list((top / ".git" / "refs" / "qcode").iterdir()) == [top / ".git" / NAME]


def test_a_ref_that_is_another_by_now_is_left(top: Path) -> None:
    first, second = git(top, "rev-parse", "HEAD").strip(), commit(top, "b")
    refs = LooseRefs(top / ".git")

    assert not refs.set(NAME, second, first)
    assert refs.set(NAME, first, None)
    assert not refs.set(NAME, second, None)
    assert not refs.set(NAME, second, second)
    assert value(top) == first
    assert not (top / ".git" / f"{NAME}.lock").exists()


def test_a_packed_ref_counts_until_there_is_a_file(top: Path) -> None:
    first, second = git(top, "rev-parse", "HEAD").strip(), commit(top, "b")
    refs = LooseRefs(top / ".git")
    refs.set(NAME, first, None)
    git(top, "pack-refs", "--all")
    assert not (top / ".git" / NAME).exists()

    assert refs.value(NAME) == first
    assert not refs.set(NAME, second, None)
    assert refs.set(NAME, second, first)
    assert value(top) == second


def test_one_of_many_sets_it(top: Path) -> None:
    first = git(top, "rev-parse", "HEAD").strip()
    others = [commit(top, str(number)) for number in range(8)]
    LooseRefs(top / ".git").set(NAME, first, None)
    won: list[str] = []

    def contend(oid: str) -> None:
        try:
            if LooseRefs(top / ".git").set(NAME, oid, first):
                won.append(oid)
        except FileExistsError:
            pass  # somebody was at it

    threads = [threading.Thread(target=contend, args=(oid,)) for oid in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [value(top)] == won


def test_a_lock_and_a_link_are_not_passed(top: Path, tmp_path: Path) -> None:
    first = git(top, "rev-parse", "HEAD").strip()
    refs = LooseRefs(top / ".git")
    refs.set(NAME, first, None)
    lock = top / ".git" / f"{NAME}.lock"
    lock.write_text("")
    with pytest.raises(FileExistsError):
        refs.set(NAME, first, first)
    lock.unlink()

    outside = tmp_path / "outside"
    outside.mkdir()
    (top / ".git" / "refs" / "qcode" / "other").symlink_to(outside)
    with pytest.raises(OSError, match=r"link|Not a directory|levels"):
        refs.set("refs/qcode/other/one", first, None)
    assert list(outside.iterdir()) == []

    symbolic = top / ".git" / "refs" / "qcode" / "two"
    symbolic.write_text(f"ref: {NAME}\n")
    with pytest.raises(ValueError, match="plain"):
        refs.set("refs/qcode/two", first, None)


@pytest.mark.parametrize(
    "name", ["refs/heads/a", "refs/qcode", "refs/qcode/a..b", "refs/qcode/.a", "refs/qcode/../x",
             "refs/qcode/a.lock", "refs/qcode/a.lock/b", "refs/qcode/a b", "refs/qcode/a."],
)  # fmt: skip
def test_only_plain_names_are_set(top: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        LooseRefs(top / ".git").set(name, "0" * 40, None)


def test_reftables_are_left_to_git(top: Path) -> None:
    (top / ".git" / "reftable").mkdir()

    assert not LooseRefs(top / ".git").are_files()
    assert head(str(top)) is None


def test_the_head_is_what_git_says(top: Path, tmp_path: Path) -> None:
    def agrees(folder: Path) -> bool:
        return head(str(folder)) == git(folder, "rev-parse", "HEAD").strip()

    assert agrees(top)
    git(top, "pack-refs", "--all")
    assert agrees(top)
    commit(top, "b")
    assert agrees(top)
    git(top, "checkout", "-q", "--detach", "HEAD~1")
    assert agrees(top)
    git(top, "worktree", "add", "-q", "-b", "side/way", str(tmp_path / "linked"))
    assert agrees(tmp_path / "linked")
    (top / "sub").mkdir()
    assert agrees(top / "sub")


def test_there_is_no_head_yet(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")

    assert head(str(tmp_path)) == ""
