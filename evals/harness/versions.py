"""What an evaluation is made with, for its header: versions, the machine, an id."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import qcode


def new_id() -> str:
    """Return an id: sorts by time, and no two evaluations begun at once have the same."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.urandom(2).hex()}"


def versions() -> dict[str, str]:
    """Return the versions of what an evaluation is made with."""
    made = {"qcode": qcode.__version__, "python": platform.python_version()}
    if commit := _commit(Path(qcode.__file__).resolve().parent.parent):
        made["commit"] = commit
    return made


def _commit(checkout: Path) -> str:
    """Return the commit of a checkout of qcode's, with `+` behind it where files differ."""
    if not (checkout / ".git").exists():
        return ""
    git = ["git", "--no-optional-locks", "-C", str(checkout)]
    commands = (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
    said: list[str] = []
    for command in commands:
        try:
            done = subprocess.run(
                [*git, *command], capture_output=True, text=True, timeout=20, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        said.append(done.stdout.strip())
    return said[0] + ("+" if said[1] else "")


def machine() -> str:
    """Return this machine in one line: system, processor, cores."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{platform.system()} {platform.machine()}, {name}, {cores()} cores"


def cores() -> int:
    """Return how many cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
