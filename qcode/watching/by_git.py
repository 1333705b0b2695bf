"""Which changes of files are git's own: what a checkout or a pull brings is nobody's word here."""

from __future__ import annotations

import os
from collections.abc import Collection, Hashable
from pathlib import Path

from qcode.sandbox.repositories import enclosing, git_dirs
from qcode.worktree import glance, head, tracked


class ByGit:
    """Compares the repository's state with that of the last time."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        top = enclosing(self._root)
        self._dirs = git_dirs(top) if top else None
        self._place, self._index = self._now()

    @property
    def is_at_work(self) -> bool:
        """Whether git is in the middle of something."""
        return self._dirs is not None and os.path.lexists(f"{self._dirs.git_dir}/index.lock")

    def brought(self, paths: Collection[str]) -> set[str]:
        """Return which of the paths that changed since the last call git wrote.

        When another commit is checked out, a stash came back or a merge is under way, that may
        be any of them; when only the index changed, those that are as it has them.
        """
        place, index = self._now()
        before, self._place = self._place, place
        index_before, self._index = self._index, index
        if place != before:
            return set(paths)
        if index == index_before or self._dirs is None:
            return set()
        seen, known = glance(self._root), tracked(self._root)
        if seen is None or seen.changed is None or known is None:
            return set()
        inside = os.path.relpath(self._root, seen.top)
        prefix = "" if inside == "." else f"{inside}/"
        return {path for path in paths if path in known and prefix + path not in seen.changed}

    def _now(self) -> tuple[Hashable, Hashable]:
        if self._dirs is None:
            return None, None
        seen = glance(self._root)
        stash = _time(f"{self._dirs.common_dir}/refs/stash")
        place = (head(self._root), seen and seen.branch, seen and seen.operation, stash)
        return place, _time(f"{self._dirs.git_dir}/index")


def _time(path: str) -> Hashable:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
