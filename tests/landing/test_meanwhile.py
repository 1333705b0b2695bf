"""Commits that the person or a hook makes while the session's is on its way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from landing_repo import call, git, set_hook, shell, shown

from qcode.checkpoints.keeper import Checkpoints
from qcode.errors import QcodeError
from qcode.landing.commit import commit


@pytest.fixture
def meanwhile(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the script at this path run right before `git commit`, in a git of the tests' own."""
    real = shutil.which("git")
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "meanwhile"
    (folder / "git").write_text(
        f"#!/bin/sh\nPATH={os.environ['PATH']}\n"
        f'for word; do test "$word" = "$WHEN" && test -f {script} && '
        f"{{ mv {script} {script}.run; env -u GIT_INDEX_FILE sh -ec '. {script}.run' "
        f"< /dev/null || exit 9; }}\ndone\n"
        f'exec {real} "$@"\n'
    )
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("WHEN", "commit")
    return script


@pytest.mark.parametrize("when", ["commit", "read-tree"])
def test_a_persons_commit_is_not_taken_back(
    root: Path,
    kept: Checkpoints,
    meanwhile: Path,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
) -> None:
    call(kept, a_txt="a\n")
    monkeypatch.setenv("WHEN", when)
    meanwhile.write_text("echo person > b.txt\ngit add b.txt\ngit commit -qm person\n")
    landed = commit(kept, "Change a")
    assert not meanwhile.exists()
    assert git(root, "log", "--format=%s").split("\n")[:3] == ["Change a", "person", "first"]
    assert git(root, "rev-parse", "HEAD").strip() == landed.commit
    assert (shown(root, "a.txt"), shown(root, "b.txt")) == ("a\n", "person\n")
    assert git(root, "status", "--porcelain") == ""


def test_a_persons_commit_during_the_hooks_is_not_taken_back(root: Path, kept: Checkpoints) -> None:
    call(kept, a_txt="a\n")
    set_hook(
        root,
        "test -f .git/once && exit 0\ntouch .git/once\nunset GIT_INDEX_FILE\n"
        "echo person > b.txt; git add b.txt; git commit -qm person",
    )
    commit(kept, "Change a")
    assert git(root, "log", "--format=%s").split("\n")[:3] == ["Change a", "person", "first"]
    assert shown(root, "b.txt") == "person\n"
    assert git(root, "status", "--porcelain") == ""


def test_the_person_commits_the_sessions_work_too(
    root: Path, kept: Checkpoints, meanwhile: Path
) -> None:
    call(kept, a_txt="a\n")
    meanwhile.write_text("git commit -qam everything\n")
    landed = commit(kept, "Change a")
    assert (landed.commit, landed.left) == ("", {})
    assert git(root, "log", "--format=%s").split() == ["everything", "first"]


def test_the_first_commit_of_all_is_not_taken_back(tmp_path: Path, meanwhile: Path) -> None:
    top = tmp_path / "fresh"
    top.mkdir()
    git(top, "init", "-q", "-b", "main")
    git(top, "config", "user.email", "a@b.c")
    git(top, "config", "user.name", "A")
    kept = Checkpoints(top, "s1", tmp_path / "state")
    try:
        call(kept, a_txt="a\n")
        meanwhile.write_text("echo p > p.txt\ngit add p.txt\ngit commit -qm person\n")
        assert commit(kept, "Begin").paths == ("a.txt",)
    finally:
        kept.close()
    assert git(top, "ls-tree", "--name-only", "HEAD").split() == ["a.txt", "p.txt"]


def test_what_the_person_stages_during_the_hooks_stays_staged(
    root: Path, kept: Checkpoints
) -> None:
    call(kept, a_txt="a\n")
    set_hook(root, "unset GIT_INDEX_FILE\necho mine > a.txt\necho b2 > b.txt\ngit add a.txt b.txt")
    commit(kept, "Change a")
    assert shown(root, "a.txt") == "a\n"
    assert git(root, "show", ":a.txt") == "mine\n"
    assert git(root, "show", ":b.txt") == "b2\n"


def test_a_file_that_a_hook_adds_is_not_left_staged_as_it_was(
    root: Path, kept: Checkpoints
) -> None:
    (root / "staged.txt").write_text("staged\n")
    git(root, "add", "staged.txt")
    call(kept, a_txt="a\n")
    set_hook(
        root,
        "echo 2 > b.txt; echo n > new.txt; git rm -q --cached .gitignore\ngit add b.txt new.txt",
    )
    commit(kept, "Change a")
    assert (shown(root, "b.txt"), shown(root, "new.txt")) == ("2\n", "n\n")
    assert git(root, "diff", "--cached", "--name-only").split() == ["staged.txt"]


def test_many_files_take_few_processes(
    root: Path, kept: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell(kept, 'mkdir many; for n in $(seq 600); do echo "$n" > many/$n.txt; done')
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE", str(trace))
    assert len(commit(kept, "Many").paths) == 600
    monkeypatch.delenv("GIT_TRACE")
    assert trace.read_text().count("trace: built-in: git") < 40
    assert git(root, "status", "--porcelain") == ""


def test_filters_and_line_ends_are_applied(root: Path, kept: Checkpoints) -> None:
    git(root, "config", "filter.up.clean", "tr a-z A-Z")
    git(root, "config", "core.autocrlf", "true")
    (root / ".gitattributes").write_text("*.up filter=up\n*.id ident\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "attributes")
    shell(kept, r"printf 'low\n' > x.up; printf '$Id: 1$\n' > y.id; printf 'z\r\n' > z.txt")
    commit(kept, "Various")
    assert (shown(root, "x.up"), shown(root, "y.id")) == ("LOW\n", "$Id$\n")
    assert git(root, "cat-file", "-s", "HEAD:z.txt").strip() == "2"
    assert git(root, "status", "--porcelain") == ""


def test_a_locked_index_is_named_with_what_to_do(root: Path, kept: Checkpoints) -> None:
    (root / "b.txt").write_text("staged\n")
    git(root, "add", "b.txt")
    call(kept, a_txt="a\n")
    (root / ".git/index.lock").touch()
    with pytest.raises(QcodeError, match="the commit is made") as raised:
        commit(kept, "Change a")
    (root / ".git/index.lock").unlink()
    assert "`git reset -q -- a.txt`" in raised.value.hint
    git(root, "reset", "-q", "--", "a.txt")
    assert git(root, "diff", "--cached", "--name-only").split() == ["b.txt"]
