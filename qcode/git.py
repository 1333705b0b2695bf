"""What qcode asks git, as a process with everything a repository could configure turned off."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from qcode.sandbox import house
from qcode.sandbox.child import Done
from qcode.worktree import head

_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "diff.external=")
"""A repository's own configuration may name programs; a status must not run them."""

_MOST_RECENT = 100
"""Files of a commit that says something about each of them."""

_TIMEOUT_S = 20.0
"""Of one git command; a status of a huge tree on a cold disk takes seconds."""


def dirty_files(cwd: Path) -> dict[str, tuple[int, int]]:
    """Return the files that differ from the last commit: path to (mtime in ns, size in bytes).

    Paths are relative to the repository's top. Empty when this is no repository
    or git is missing. A deleted file has (0, 0).
    """
    try:
        safe = (*_SAFE, *_without_filters(cwd))
        options = ("--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
        status = _git(cwd, *safe, "status", *options, "--ignore-submodules=all")
        top = _git(cwd, *safe, "rev-parse", "--show-toplevel")
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if status.returncode or top.returncode:
        return {}
    root = os.fsdecode(top.stdout.rstrip(b"\n"))
    out: dict[str, tuple[int, int]] = {}
    for item in status.stdout.split(b"\0"):
        if len(item) < 4:
            continue
        name = os.fsdecode(item[3:])
        try:
            found = os.lstat(os.path.join(root, name))
            out[name] = (found.st_mtime_ns, found.st_size)
        except OSError:
            out[name] = (0, 0)
    return out


def head_commit(cwd: Path) -> str:
    """Return the commit that is checked out; empty where there is none."""
    if (known := head(str(cwd))) is not None:
        return known
    try:
        done = _git(cwd, "rev-parse", "--verify", "--quiet", "HEAD")
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else os.fsdecode(done.stdout.strip())


def ask(cwd: Path, *args: str) -> bytes | None:
    """Return what a command that only reads prints; None if it fails."""
    try:
        done = _git(cwd, *_SAFE, *_without_filters(cwd), *args)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout


def recent_files(cwd: Path, commits: int = 100) -> dict[str, int]:
    """Return files that the last commits changed: path to how many commits ago, the latest.

    Paths are relative to `cwd`; files outside of it are left out, as are commits of more
    than a hundred files. Empty when this is no repository or git is missing.
    """
    safe = (*_SAFE, "-c", "log.showSignature=false", "-c", "core.quotePath=false")
    options = (
        *("--no-merges", f"--max-count={commits}", "--name-only", "--no-renames", "-z"),
        *("--format=%x00", "--relative", "--no-ext-diff", "--no-textconv", "--ignore-submodules"),
    )
    try:
        done = _git(cwd, *safe, "log", *options)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    out: dict[str, int] = {}
    # What is in front of a commit's files: our format and how git ends it.
    for age, commit in enumerate(done.stdout.split(b"\0\0\n")[1:] if not done.returncode else ()):
        names = [name for name in commit.split(b"\0") if name]
        for name in names if len(names) <= _MOST_RECENT else ():
            out.setdefault(os.fsdecode(name), age)
    return out


def _git(cwd: Path, *args: str) -> Done:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    return house.run(["git", *args], cwd=cwd, env=environment, timeout_s=_TIMEOUT_S)


def _without_filters(cwd: Path) -> list[str]:
    """Return the options that turn off each configured filter: git runs them to compare files."""
    listed = _git(cwd, *_SAFE, "config", "--name-only", "-z", "--get-regexp", r"^filter\..*\.")
    names = {os.fsdecode(key).rpartition(".")[0] for key in listed.stdout.split(b"\0") if key}
    return [
        word
        for name in sorted(names)
        for setting in ("clean=", "smudge=", "process=", "required=false")
        for word in ("-c", f"{name}.{setting}")
    ]
