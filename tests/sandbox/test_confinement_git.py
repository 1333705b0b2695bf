from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from mounted import run, why_not

from qcode.sandbox.confinement import Confining
from qcode.sandbox.policy import Grant, Level, Policy

pytestmark = pytest.mark.skipif(bool(why_not()), reason=f"mounts: {why_not()}")


def git(cwd: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def work(tmp_path: Path) -> Path:
    work = tmp_path / "ws"
    work.mkdir()
    git(work, "init", "-q")
    (work / "a.txt").write_text("a\n")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "first")
    return work


def confining(work: Path) -> Confining:
    home = work.parent / "home"
    home.mkdir(exist_ok=True)
    return Confining(
        Policy(level=Level.WORKSPACE_WRITE, roots=(work,), home=home),
        config_dir=home / "c",
        state_dir=home / "s",
        cache_dir=work.parent / "cache",
        temp=str(work.parent / "temp"),
    )


@pytest.mark.parametrize(
    "command",
    [
        "echo b >> a.txt && git add -A && git commit -qm second",
        "git gc -q --prune=now",
        "git repack -adq && git pack-refs --all && git prune",
        "echo b >> a.txt && git stash -q && git stash pop -q",
        (
            "git worktree add -q ../ws/tree -b other && cd tree && git status && git commit -q "
            "--allow-empty -m in-tree && cd .. && git worktree remove tree"
        ),
        (
            "git checkout -qb x && echo x > x && git add x && git commit -qm x && "
            "git checkout -q - && echo y > y && git add y && git commit -qm y && git rebase -q x"
        ),
        "git branch one && git tag v1 && git tag -d v1 && git switch -q one",
        "git init -q inner && cd inner && git commit -q --allow-empty -m first",
        "git clone -q . copy && cd copy && git log --oneline",
        "git reflog expire --expire=now --all && git fsck",
        "git bisect start && git bisect reset && git notes add -m n",
    ],
)
def test_work_with_git_goes_on(work: Path, command: str) -> None:
    done = run(confining(work).now(), command, work)

    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "mv .git .g",
        "git config core.fsmonitor x",
        "echo x >> .git/config",
        "mv .git/config .git/other",
        "rm -rf .git/hooks",
        "echo x > .git/hooks/post-commit",
        "echo x >> .git/info/exclude",
        "echo x >> inner/.git/config",
        "mv inner other",
        "mv inner/.git inner/.g",
        "echo x >> .git/modules/a/b/config",
        "mv .git/modules .git/m",
        "echo x > .git/worktrees/tree/commondir",
    ],
)
def test_what_git_obeys_stays(work: Path, command: str) -> None:
    git(work, "init", "-q", "inner")
    git(work, "init", "-q", "--bare", ".git/modules/a/b")
    git(work, "worktree", "add", "-q", "tree")

    done = run(confining(work).now(), command, work)

    assert done.returncode != 0
    assert any(
        words in done.stderr for words in ("Read-only", "busy", "could not lock", "could not write")
    ), done.stderr


def test_a_linked_working_tree_outside_its_repository_can_commit(work: Path) -> None:
    tree = work.parent / "tree"
    git(work, "worktree", "add", "-q", str(tree))

    confinement = confining(tree).now()
    done = run(
        confinement,
        "git commit -q --allow-empty -m there; echo x >> ../ws/.git/config; mv .git g;"
        "echo gitdir: /x > .git",
        tree,
    )

    assert str(work / ".git") in confinement.writable
    assert git(work, "log", "--format=%s", "tree").split() == ["there", "first"]
    assert "x" not in (work / ".git/config").read_text().splitlines()
    assert (tree / ".git").read_text().endswith("worktrees/tree\n")
    assert "busy" in done.stderr


def test_a_file_that_claims_another_repository_opens_nothing(work: Path) -> None:
    evil = work.parent / "evil"
    evil.mkdir()
    (evil / ".git").write_text(f"gitdir: {work}/.git\n")

    assert confining(evil).now().writable == (
        str(confining(evil).private_cache),
        str(evil),
    )


def test_a_submodule_can_commit_in_its_git_directory(work: Path) -> None:
    other = work.parent / "other"
    git(work.parent, "clone", "-q", "ws", "other")
    git(work, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub")

    done = run(
        confining(work / "sub").now(),
        "git commit -q --allow-empty -m sub; echo x >> ../.git/modules/sub/config",
        work / "sub",
    )

    assert git(work / "sub", "log", "--format=%s").split() == ["sub", "first"]
    assert "Read-only" in done.stderr


def test_what_was_allowed_for_once_is_not_protected(work: Path) -> None:
    at = confining(work)

    refused = run(at.now(), "git remote add origin x", work)
    allowed = run(
        at.now(Grant(write=(str(work / ".git/config"),))), "git remote add origin x", work
    )

    assert refused.returncode != 0
    assert allowed.returncode == 0
    assert git(work, "remote").split() == ["origin"]
