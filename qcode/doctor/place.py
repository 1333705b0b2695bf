"""What qcode needs on this machine: git, and one day a sandbox."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from qcode.doctor.check import Check

_TIMEOUT_S = 10.0


def git(folder: Path) -> Check:
    """Say which git there is, and whether the folder is in a repository."""
    version = _run(folder, "--version").removeprefix("git version ")
    if not version:
        finding = "git is not there: what qcode changes cannot be looked at or taken back"
        return Check("git", "warn", finding, "install git")
    top = _run(folder, "rev-parse", "--show-toplevel")
    figures = {"version": version, "repository": top or None}
    if not top:
        finding = f"{version}; {folder} is in no repository, so changes cannot be taken back"
        return Check(
            "git", "warn", finding, "git init, and commit before letting qcode work", figures
        )
    return Check("git", "ok", f"{version}, in the repository {top}", "", figures)


def sandbox() -> Check:
    """Say that there is none yet."""
    finding = "this version has none: what is approved runs with your rights"
    return Check("sandbox", "skip", finding, "use -y in a container, or on what git can restore")


def _run(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else os.fsdecode(done.stdout).strip()
