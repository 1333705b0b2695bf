"""Files below a directory as they are, read without code of qcode's; and git to work on them."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

Snapshot = dict[str, tuple[str, int, bytes]]
"""Path to kind (`file`, `link`, `dir`), permissions, content."""


def snapshot(root: Path, *, leave_out: tuple[str, ...] = (".git",)) -> Snapshot:
    """Return all that is below a directory, empty directories too, but names that are left out."""
    out: Snapshot = {}
    waiting = [str(root)]
    while waiting:
        folder = waiting.pop()
        for name in os.listdir(folder):
            if name in leave_out:
                continue
            full = f"{folder}/{name}"
            path = full[len(str(root)) + 1 :]
            found = os.lstat(full)
            permissions = stat.S_IMODE(found.st_mode)
            if stat.S_ISDIR(found.st_mode):
                out[path] = ("dir", permissions, b"")
                waiting.append(full)
            elif stat.S_ISLNK(found.st_mode):
                out[path] = ("link", 0, os.fsencode(os.readlink(full)))
            elif stat.S_ISREG(found.st_mode):
                out[path] = ("file", permissions, Path(full).read_bytes())
            else:
                out[path] = ("other", permissions, b"")
    return out


def git(where: Path, *words: str, given: bytes | None = None) -> bytes:
    """Run git, and return what it prints."""
    done = subprocess.run(
        ["git", *words], cwd=where, input=given or b"", capture_output=True, timeout=60
    )
    assert done.returncode == 0, f"git {words}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def repository(where: Path, files: dict[str, bytes], *, options: tuple[str, ...] = ()) -> Path:
    """Make a repository with one commit of these files."""
    where.mkdir(parents=True, exist_ok=True)
    git(where, "init", "-q", "-b", "main", *options)
    for path, content in files.items():
        full = where / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content)
    git(where, "add", "-A")
    git(where, "commit", "-q", "--allow-empty", "-m", "Start")
    return where


def untouched(git_dir: Path) -> dict[str, bytes]:
    """Return what of a repository qcode must not touch: all but objects and its own refs."""
    out = {}
    for folder, folders, names in os.walk(git_dir):
        inside = os.path.relpath(folder, git_dir)
        if inside == ".":
            folders.remove("objects")
        if inside == "refs" and "qcode" in folders:
            folders.remove("qcode")
        for name in names:
            out[os.path.join(inside, name)] = Path(folder, name).read_bytes()
    return out
