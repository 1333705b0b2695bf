"""What there is to point at in a workspace: gathered in the background, kept until it is old.

Files that git tracks and those it does not ignore come from its index and from a walk; no
program is started for them. What the last commits changed is asked of git afterwards.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from qcode.errors import QcodeError
from qcode.mentions.haystack import Haystack
from qcode.record import Record
from qcode.tools.ignore import Left, folders

MOST = 200_000
"""Files; what is beyond is not found by its name."""
FRESH_S = 5.0
"""For so long what was gathered is not gathered again, and for ten times as long as it took, a
few minutes at most."""
_NEW = 200
"""Files that git does not track yet and that count as changed; if there are more, none does."""


class Gathered(Record):
    """What was found."""

    paths: Haystack
    """Files, and directories with a final `/`: those changed lately first."""
    names: Haystack
    """Names that files define, as far as they are known."""
    recent: tuple[str, ...]
    """Files changed lately, the latest first."""


class Gatherer:
    """Gathers in a thread, never two at once; what is old serves until there is something new."""

    def __init__(
        self,
        root: Path,
        *,
        changed_lately: Callable[[Path], Iterable[str]] | None = None,
        fresh_s: float = FRESH_S,
    ) -> None:
        """`changed_lately` returns files, the latest first; None: git is asked."""
        self._root = root
        self._fresh_s = fresh_s
        self._changed_lately = changed_lately or _recent_files
        self._gathered: Gathered | None = None
        self._is_new = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._again_at = 0.0
        """On the monotonic clock."""

    def look(self, patience_s: float) -> Gathered | None:
        """Return what is known, having it gathered if it is old; waits only for the first time.

        None: there is nothing yet.
        """
        with self._lock:
            is_idle = self._thread is None or not self._thread.is_alive()
            if is_idle and time.monotonic() >= self._again_at:
                self._thread = threading.Thread(target=self._gather, name="mentions", daemon=True)
                self._thread.start()
        self._is_new.wait(patience_s)
        return self._gathered

    def _gather(self) -> None:
        begin = time.monotonic()
        try:
            from qcode.repomap.names import known_names

            files, new = _files(self._root)
            names = Haystack(known_names(self._root))
            before = self._gathered
            lately = [path for path in before.recent if path in files] if before else []
            self._publish(files, names, (*new, *lately))
            lately = [path for path in self._changed_lately(self._root) if path in files]
            self._publish(files, names, (*new, *lately))
        finally:
            self._is_new.set()
            took = time.monotonic() - begin
            self._again_at = time.monotonic() + max(
                self._fresh_s, min(10 * took, 60 * self._fresh_s)
            )

    def _publish(self, files: set[str], names: Haystack, recent: tuple[str, ...]) -> None:
        recent = tuple(dict.fromkeys(recent))
        if self._gathered is not None and recent == self._gathered.recent:
            known = self._gathered.paths.texts
            if len(known) == len(files) + len(_directories(files)) and files.issubset(known):
                self._gathered = Gathered(self._gathered.paths, names, recent)
                return
        first = set(recent)
        rest = [path for path in (*files, *_directories(files)) if path not in first]
        rest.sort(key=lambda path: (len(path), path))
        self._gathered = Gathered(Haystack([*recent, *rest]), names, recent)
        self._is_new.set()


def _files(root: Path) -> tuple[set[str], list[str]]:
    """Return all files, and those among them that git does not track yet; relative to the root."""
    found: set[str] = set()
    for base, entries in folders(root, root):
        found.update(
            f"{base}{entry.name}{'/' if leads_on(entry) else ''}"
            for entry in entries
            if entry.name.isprintable()
        )
        if len(found) >= MOST:
            break
    tracked = _tracked(root)
    if not tracked:
        return found, []
    new = sorted(found - tracked)
    # What git tracks is wanted although it is ignored, but not what agents are to leave alone.
    left = Left(root)
    for path in tracked - found:
        if path.isprintable() and not left.out(path) and (root / path).is_file():
            found.add(path)
    return found, new if len(new) <= _NEW else []


def leads_on(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a directory, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle, or to where nobody may look
        return False


def _tracked(root: Path) -> set[str] | None:
    """Return the files below the root that git tracks; None where that is not known."""
    from qcode.worktree import tracked

    return tracked(str(root))


def _directories(files: Iterable[str]) -> set[str]:
    out: set[str] = set()
    for path in files:
        at = path.rfind("/", 0, -1)
        # Whoever's directory is known, its parents are.
        while at >= 0 and (folder := path[: at + 1]) not in out:
            out.add(folder)
            at = path.rfind("/", 0, at)
    return out


def _recent_files(root: Path) -> list[str]:
    from qcode.git import recent_files
    from qcode.sandbox.repositories import enclosing

    if not enclosing(str(root)):  # no need to start a program
        return []
    try:
        return list(recent_files(root))
    except QcodeError:  # there is no sandbox for it; that is told where it matters
        return []
