"""What tests of evaluations share: repositories made on the spot, checks run plainly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from qcode.evals.harness.task import Content, Task
from qcode.evals.loaders.base import as_bytes


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, held in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(held if isinstance(held, bytes) else held.encode())
    return folder


def put(folder: Path, files: Mapping[str, Content]) -> None:
    for name, held in files.items():
        path = folder / name
        if held is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(held))
        if isinstance(held, Mapping) and held.get("exec"):
            path.chmod(0o755)


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words],
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    )
    return done.stdout


def repository(folder: Path, files: Mapping[str, str | bytes], message: str = "start") -> str:
    """Commit files; return the commit. The folder becomes a repository if it is none."""
    write(folder, files)
    if not (folder / ".git").exists():
        git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD").strip()


def laid_out(task: Task, folder: Path) -> Path:
    folder.mkdir(parents=True)
    put(folder, task.files)
    if task.setup:
        subprocess.run([sys.executable, "-c", task.setup], cwd=folder, check=True)
    return folder


def checked(task: Task, folder: Path, aside: Path) -> subprocess.CompletedProcess[str]:
    """Run the check as the kit does, in the folder itself."""
    put(folder, task.check.overlay)
    aside.mkdir(parents=True, exist_ok=True)
    put(aside, task.check.files)
    own = {
        "EVAL_REPO": str(folder),
        "EVAL_ORIG": str(folder),
        "EVAL_CHECK": str(aside),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        task.check.cmd,
        shell=True,
        cwd=folder,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=task.check.timeout_s,
    )
