"""Where a session takes place, in a few lines: system, directory, git, how it is tested.

Nothing is started for it, and it takes a few milliseconds. No date is among it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from qcode.manifests import PURPOSES, project
from qcode.prompts import load
from qcode.worktree import Glance, glance

NAMES = 5
"""Of changed files, told at most."""
CHARACTERS = 240
"""Of one line."""


def surroundings(cwd: Path, *, named: bool = True) -> str:
    """Return the lines that the model is told.

    `named=False` leaves out where the directory lies, for work on a copy of it.
    """
    seen = glance(str(cwd))
    lines = [f"- directory: {cwd if named else '.'} ({_system()})"]
    if seen is not None:
        lines.append(f"- git: {_git(seen, cwd)}")
    known = project(cwd)
    if not known.manifests and seen is not None and seen.top != str(cwd):
        known = project(Path(seen.top))
        if known.manifests:
            lines.append(f"- what follows is of {seen.top}")
    if known.manifests:
        lines.append(f"- made with: {', '.join(known.manifests[:8])}")
    commands = [
        f"{purpose}: {' or '.join(f'`{command}`' for command in found[:2])}"
        for purpose in PURPOSES
        if (found := [command for its, command in known.commands if its == purpose])
    ]
    if commands:
        lines.append(f"- likely commands, by these files: {'; '.join(commands)}")
    return load("surroundings", facts="\n".join(_line(line) for line in lines))


def _system() -> str:
    name = {"linux": "Linux", "darwin": "macOS"}.get(sys.platform, sys.platform)
    return f"{name}, {os.uname().machine}"


def _git(seen: Glance, cwd: Path) -> str:
    words = [f"branch {seen.branch}" if seen.branch else "no branch checked out"]
    if seen.operation:
        words.append(f"a {seen.operation} is under way")
    if seen.changed is not None:
        names = [os.path.relpath(os.path.join(seen.top, name), cwd) for name in seen.changed]
        more = f" and {len(names) - NAMES:,} more" if len(names) > NAMES else ""
        some = ", ".join(names[:NAMES]) + more
        words.append(f"changes not staged in {some}" if names else "no unstaged changes")
    return "; ".join(words)


def _line(text: str) -> str:
    """Return a text as one short line: a name may hold line breaks."""
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}…"
