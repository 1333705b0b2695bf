"""What qcode asks git, as a process with everything a repository could configure turned off."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "diff.external=")
"""A repository's own configuration may name programs; a status must not run them."""


def dirty_files(cwd: Path) -> dict[str, tuple[int, int]]:
    """Return the files that differ from the last commit: path to (mtime in ns, size in bytes).

    Paths are relative to the repository's top. Empty when this is no repository
    or git is missing. A deleted file has (0, 0).
    """
    try:
        status = subprocess.run(
            [
                "git",
                *_SAFE,
                "status",
                "--porcelain=v1",
                "-z",
                "--untracked-files=all",
                "--no-renames",
            ],
            cwd=cwd,
            capture_output=True,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
        top = subprocess.run(
            ["git", *_SAFE, "rev-parse", "--show-toplevel"],
            cwd=cwd, capture_output=True, check=False,
        )  # fmt: skip
    except OSError:
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
