from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from qcode.sandbox.confinement import Confining
from qcode.sandbox.guard import Guard, Violation
from qcode.sandbox.policy import Grant, Level, Policy


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


def guard_of(work: Path) -> Guard:
    home = work.parent / "home"
    home.mkdir(exist_ok=True)
    confining = Confining(
        Policy(level=Level.WORKSPACE_WRITE, roots=(work,), home=home),
        config_dir=home / "c",
        state_dir=home / "s",
        cache_dir=home / "cache",
        temp=str(home / "temp"),
    )
    return Guard((work,), confining.look, state_dir=home / "s")


def sh(work: Path, command: str) -> None:
    subprocess.run(["bash", "-c", command], cwd=work, check=True, capture_output=True)


def tree(work: Path) -> dict[str, tuple[int, bytes]]:
    """Everything that git or an editor obeys."""
    return {
        str(path.relative_to(work)): (
            path.lstat().st_mode,
            os.fsencode(os.readlink(path))
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else b"",
        )
        for path in sorted(work.rglob("*"))
        if "objects" not in path.parts
    }


def guarded(work: Path, command: str, *, grant: Grant | None = None) -> tuple[Violation, ...]:
    guard = guard_of(work)
    snapshot = guard.before(grant)
    sh(work, command)
    return guard.after(snapshot)


@pytest.mark.parametrize(
    "command",
    [
        "echo x >> .git/config",
        "git config core.fsmonitor x",
        "chmod 777 .git/config",
        "rm .git/config",
        "rm .git/config && mkdir .git/config && touch .git/config/x",
        "rm .git/config && ln -s ../evil .git/config",
        "echo x > .git/hooks/post-commit",
        "rm -r .git/hooks",
        "mv .git/hooks .git/h && ln -s ../evil .git/hooks",
        "cp .git/hooks/pre-commit.sample .git/hooks/pre-commit; rm .git/hooks/*.sample",
        "chmod 777 .git/hooks",
        "echo x > .git/config.worktree; echo .. > .git/commondir",
        "echo '* filter=x' > .git/info/attributes",
        "echo x >> .vscode/settings.json; echo x > .vscode/tasks.json",
        "mv .vscode .v && mkdir .vscode",
        "mkdir -p .qcode/hooks && echo x > .qcode/hooks/on-start",
        "echo x > .envrc; echo x > .mcp.json; echo x > .gitmodules; ln -s /etc .idea",
        "mkfifo .envrc",
        "ln .git/config hard && echo x >> hard && rm hard",
        "mv .git .g",
        "mv .git .g && cp -r .g .git && echo x >> .git/config && mkdir deep && mv .g deep/g",
        "echo x >> sub/.git/config; mkdir sub/.vscode; touch sub/.vscode/x",
        "rm link && mkdir link && touch link/x",
    ],
)
def test_what_is_obeyed_later_is_put_back(work: Path, command: str) -> None:
    (work / ".vscode").mkdir()
    (work / ".vscode/settings.json").write_text("{}")
    (work / "evil").write_text("[core]\n\tfsmonitor = x\n")
    git(work, "init", "-q", "sub")
    (work / "link").symlink_to("evil")
    (work / ".husky").symlink_to("evil")
    command = command.replace("link", ".husky")
    before = tree(work)

    found = guarded(work, command)

    now = tree(work)
    left = {".v", ".v/settings.json", ".git/h", "deep"}
    assert {p: s for p, s in now.items() if p not in left and not p.startswith(".git/h/")} == before
    assert found
    assert all(violation.path in violation.text for violation in found)


@pytest.mark.parametrize(
    "command",
    [
        "echo b >> a.txt; git add -A; git commit -qm second; git gc -q; git stash list",
        "git init -q new && cd new && git config user.name x && git commit -q --allow-empty -m x",
        "git clone -q . copy && cd copy && git checkout -qb x",
        "git init -q --bare bare.git",
        "rm -r sub",
        "git worktree add -q tree && cd tree && git commit -q --allow-empty -m x",
        "git worktree remove old",
        "mkdir -p src/.vscode && touch src/.vscode/x",
        "cd sub && git commit -q --allow-empty -m x",
    ],
)
def test_ordinary_work_is_no_violation(work: Path, command: str) -> None:
    git(work, "init", "-q", "sub")
    git(work, "worktree", "add", "-q", "old")

    assert guarded(work, command) == ()


@pytest.mark.parametrize(
    "command, path",
    [
        ("git init -q new && git -C new config core.fsmonitor x", "new/.git/config"),
        ("git init -q new && git -C new remote add o 'ext::sh -c x'", "new/.git/config"),
        ("git init -q new && touch new/.git/hooks/pre-commit", "new/.git/hooks/pre-commit"),
        ("git init -q --bare b && git -C b config core.pager x", "b/config"),
        ("mkdir -p b/objects b/refs; touch b/HEAD; echo '[core' > b/config", "b/config"),
        ("mkdir n && echo 'gitdir: /x' > n/.git", "n/.git"),
        ("mkdir n && ln -s ../.git n/.git", "n/.git"),
        ("git init -q --bare .git/modules/m && git --git-dir .git/modules/m config core.pager x",
         ".git/modules/m/config"),
    ],
)  # fmt: skip
def test_what_is_new_must_be_harmless(work: Path, command: str, path: str) -> None:
    found = guarded(work, command)

    assert [violation.path for violation in found] == [str(work / path)]
    assert not os.path.lexists(work / path)
    assert os.path.lexists(found[0].quarantined)


def test_a_working_tree_that_leads_elsewhere_is_cut_off(work: Path) -> None:
    found = guarded(work, "git worktree add -q t && echo /x > .git/worktrees/t/commondir")

    assert {os.path.relpath(violation.path, work) for violation in found} == {
        "t/.git",
        ".git/worktrees/t/commondir",
    }


def test_what_was_allowed_stays_but_no_more(work: Path) -> None:
    config = work / ".git/config"
    grant = Grant(write=(str(config), str(work / ".vscode/settings.json")))

    found = guarded(
        work,
        "git remote add origin https://host/x; mkdir .vscode; echo 1 > .vscode/settings.json;"
        "echo 2 > .vscode/tasks.json; touch .git/hooks/pre-push",
        grant=grant,
    )

    assert git(work, "remote").split() == ["origin"]
    assert os.listdir(work / ".vscode") == ["settings.json"]
    assert sorted(os.path.basename(v.path) for v in found) == ["pre-push", "tasks.json"]


def test_leave_to_change_the_configuration_is_none_to_have_programs_run(work: Path) -> None:
    grant = Grant(write=(str(work / ".git/config"),))

    found = guarded(work, "git config core.fsmonitor x", grant=grant)

    assert [v.path for v in found] == [str(work / ".git/config")]
    assert "fsmonitor" not in (work / ".git/config").read_text()


def test_a_person_may_change_what_mounts_protect(work: Path) -> None:
    guard = guard_of(work)
    snapshot = guard.before(mounted=True)
    sh(work, "git config core.editor vi; touch .git/hooks/pre-commit; echo x > .envrc")

    found = guard.after(snapshot)

    assert [violation.path for violation in found] == [str(work / ".envrc")]
    assert "editor" in (work / ".git/config").read_text()
    assert (work / ".git/hooks/pre-commit").exists()


def test_commands_at_the_same_time_are_measured_by_the_first(work: Path) -> None:
    guard = guard_of(work)
    first = guard.before()
    sh(work, "echo x > .envrc")
    second = guard.before(Grant(write=(str(work / ".git/config"),)))
    sh(work, "git remote add origin https://host/x")

    found = guard.after(second)
    later = guard.after(first)

    assert [violation.path for violation in found] == [str(work / ".envrc")]
    assert later == ()
    assert git(work, "remote").split() == ["origin"]


def test_what_qcode_itself_changed_is_right(work: Path) -> None:
    guard = guard_of(work)
    snapshot = guard.before()
    (work / ".vscode").mkdir()
    (work / ".vscode/settings.json").write_text("{}")
    guard.accept(work / ".vscode/settings.json")
    sh(work, "echo x > .vscode/tasks.json")

    found = guard.after(snapshot)

    assert [violation.path for violation in found] == [str(work / ".vscode/tasks.json")]
    assert (work / ".vscode/settings.json").read_text() == "{}"


def test_putting_back_never_writes_through_a_link(work: Path) -> None:
    outside = work.parent / "outside"
    outside.mkdir()
    (outside / "config").write_text("theirs")

    found = guarded(work, f"mv .git/hooks ../h; rm -rf .git; ln -s {outside} .git")

    assert (outside / "config").read_text() == "theirs"
    assert sorted(os.listdir(outside)) == ["config"]
    assert found


def test_after_a_second_time_does_nothing(work: Path) -> None:
    guard = guard_of(work)
    snapshot = guard.before()

    assert guard.after(snapshot) == ()
    sh(work, "echo x > .envrc")
    assert guard.after(snapshot) == ()
