"""A repository and a session's checkpoints in it, for tests of landing."""

from __future__ import annotations

import subprocess
from pathlib import Path

from qcode.checkpoints.keeper import Checkpoints

LINES = "".join(f"line {number}\n" for number in range(1, 21))


def git(cwd: Path, *args: str, check: bool = True) -> str:
    """Run git; return what it prints."""
    done = subprocess.run(["git", *args], cwd=cwd, capture_output=True, text=True, check=check)
    return done.stdout


def call(kept: Checkpoints, **contents: str | None) -> None:
    """Change files as one call does: `new__c_txt` is `new/c.txt`, None removes."""
    kept.before("call", "c")
    for name, content in contents.items():
        path = kept.root / name.replace("__", "/").replace("_txt", ".txt").replace("_log", ".log")
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    kept.after()


def shell(kept: Checkpoints, command: str) -> None:
    """Run a command as one call does."""
    kept.before("shell", "c")
    subprocess.run(["sh", "-ec", command], cwd=kept.root, check=True, capture_output=True)
    kept.after()


def shown(root: Path, path: str, at: str = "HEAD") -> str:
    """Return what a commit has of a file."""
    return git(root, "show", f"{at}:{path}")


def set_hook(root: Path, script: str, name: str = "pre-commit") -> None:
    """Give a repository a hook."""
    hook = root / ".git/hooks" / name
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)
