"""What lies in a workspace: its repositories, and the files of some names."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from qcode.record import Record

DEPTH = 5
"""Directories below a root that are looked at."""
ENTRIES = 4000
"""In all directories of a root together; what lies further out is not seen."""
_SKIPPED = frozenset(
    {
        ".git", "node_modules", ".venv", "venv", ".tox", ".nox", "__pycache__", "site-packages",
        "target", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".gradle",
        "bower_components", ".next", ".terraform", "Pods", "DerivedData",
    }
)  # fmt: skip
_RACY_NS = 30_000_000
"""A directory changed so shortly before it was read may change again within its time stamp."""


class Found(Record):
    """What a look at a root came to."""

    repositories: tuple[str, ...]
    """Directories that have a `.git` or look like a bare repository; parents first."""
    named: tuple[str, ...]
    """What has one of the names that were asked for, of whatever kind."""
    entries: int
    """That were looked at."""


class _Listed(Record):
    """One directory, as it was when it was read."""

    changed_ns: int
    read_ns: int
    directories: tuple[str, ...]
    named: tuple[str, ...]
    is_repository: bool
    entries: int


class Survey:
    """Looks through a root for repositories and files; cheap when nothing has changed."""

    def __init__(self, root: Path, wanted: Callable[[str], bool]) -> None:
        """`wanted` says which names of files matter; the same for the same name."""
        self._root = str(root)
        self._wanted = wanted
        self._known: dict[str, _Listed] = {}

    def look(self) -> Found:
        """Go through the directories, the shallow ones first; links are not followed."""
        repositories: list[str] = []
        named: list[str] = []
        seen: dict[str, _Listed] = {}
        entries = 0
        level = [self._root]
        for _ in range(DEPTH + 1):
            below: list[str] = []
            for path in level:
                listed = self._list(path)
                if listed is None:
                    continue
                seen[path] = listed
                entries += listed.entries
                if listed.is_repository:
                    repositories.append(path)
                named += [f"{path}/{name}" for name in listed.named]
                below += [f"{path}/{name}" for name in listed.directories]
                if entries > ENTRIES:
                    break
            else:
                level = below
                continue
            break
        self._known = seen
        return Found(tuple(repositories), tuple(named), entries)

    def _list(self, path: str) -> _Listed | None:
        known = self._known.get(path)
        try:
            now = os.lstat(path)
        except OSError:
            return None
        if not stat.S_ISDIR(now.st_mode):
            return None
        # The time of the change of the inode: that of the content can be set by anybody.
        if known and known.changed_ns == now.st_ctime_ns < known.read_ns - _RACY_NS:
            return known
        read_ns = time.time_ns()
        directories, named = [], []
        names = set()
        try:
            with os.scandir(path) as listing:
                for count, entry in enumerate(listing):
                    if count > ENTRIES:
                        break
                    names.add(entry.name)
                    is_directory = entry.is_dir(follow_symlinks=False)
                    if is_directory and entry.name not in _SKIPPED:
                        directories.append(entry.name)
                    if self._wanted(entry.name):
                        named.append(entry.name)
        except OSError:
            return None
        return _Listed(
            now.st_ctime_ns,
            read_ns,
            tuple(sorted(directories)),
            tuple(sorted(named)),
            ".git" in names or looks_bare(names),
            len(names),
        )


def looks_bare(names: set[str]) -> bool:
    """Whether a directory with these names is one that git takes for a repository."""
    return {"HEAD", "objects", "refs"} <= names


class GitDirs(Record):
    """Where the repository of a working tree keeps its things; real paths."""

    git_dir: str
    """Of this working tree: HEAD, index."""
    common_dir: str
    """Of all its working trees: config, hooks, objects, refs."""
    is_linked: bool = False
    """`.git` is a file that names another place."""
    is_sure: bool = True
    """That place names this working tree in turn, so no file of the tree alone says so."""


def git_dirs(top: str) -> GitDirs | None:
    """Return the directories of the repository whose working tree (or bare self) is at `top`.

    None where there is none, or what there is leads nowhere.
    """
    dot = f"{top}/.git"
    try:
        mode = os.lstat(dot).st_mode
    except OSError:
        return GitDirs(top, top) if os.path.isdir(f"{top}/objects") else None
    if stat.S_ISDIR(mode):
        return GitDirs(dot, dot)
    if stat.S_ISLNK(mode):
        real = os.path.realpath(dot)
        return GitDirs(real, real, is_linked=True, is_sure=False) if os.path.isdir(real) else None
    text = read_small(dot)
    if not text.startswith("gitdir:"):
        return None
    git_dir = os.path.realpath(os.path.join(top, text[len("gitdir:") :].strip()))
    if not os.path.isfile(f"{git_dir}/HEAD"):
        return None
    common = read_small(f"{git_dir}/commondir").strip()
    if common:
        common_dir = os.path.realpath(os.path.join(git_dir, common))
        back = read_small(f"{git_dir}/gitdir").strip()
        is_sure = (
            os.path.dirname(git_dir) == f"{common_dir}/worktrees"
            and bool(back)
            and (os.path.realpath(os.path.join(git_dir, back)) == os.path.realpath(dot))
        )
        return GitDirs(git_dir, common_dir, is_linked=True, is_sure=is_sure)
    from qcode.sandbox.git_config import read_config

    tree = dict(read_config(read_small(f"{git_dir}/config"))).get("core.worktree", "")
    is_sure = bool(tree) and os.path.realpath(os.path.join(git_dir, tree)) == os.path.realpath(top)
    return GitDirs(git_dir, git_dir, is_linked=True, is_sure=is_sure)


def enclosing(path: str) -> str:
    """Return the top of the repository that a directory lies in; empty where there is none."""
    while True:
        if os.path.lexists(f"{path}/.git"):
            return path
        parent = os.path.dirname(path)
        if parent == path:
            return ""
        path = parent


def read_small(path: str) -> str:
    """Return the text of a small regular file; empty where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return os.read(descriptor, 1024 * 1024).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
