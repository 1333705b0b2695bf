"""Looking, before and after a command, at what it must not have changed; and undoing it.

The second layer where mounts protect, the only one where they cannot. Where they do,
what was there at the start cannot have been changed by a command, so whoever changed
it is left alone; only what is new counts.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from qcode.record import Record
from qcode.sandbox.git_config import hostile_keys, read_config
from qcode.sandbox.patterns import below
from qcode.sandbox.policy import Grant
from qcode.sandbox.protected import TOP_NAMES, of_git
from qcode.sandbox.put_back import Quarantine, State, States, put_back
from qcode.sandbox.repositories import Found, git_dirs, read_small

_SEARCHED = 4000
"""Directories that are looked at to find a `.git` that was renamed."""


class Violation(Record):
    """Something that a command did to what decides what is run later."""

    path: str
    what: str
    """`was changed`, `was made`, `was removed`, `was replaced`, `was renamed`."""
    undone: str
    """What became of it: `it was put back`, or why not."""
    quarantined: str = ""
    """Where what the command made is now."""

    @property
    def text(self) -> str:
        """One sentence, for the model and for the person."""
        return f"{self.path} {self.what}; {self.undone}"


class Snapshot:
    """What there was when a command was started."""

    def __init__(self, allowed: tuple[str, ...], mounted: bool) -> None:
        self.allowed = allowed
        self.mounted = mounted
        self.states: dict[str, dict[str, State | None]] = {}
        """For each watched path it and all in it, parents first; None: it was not there.

        Without those that mounts protect.
        """
        self.tops: frozenset[str] = frozenset()
        """Roots and repositories."""
        self.repositories: frozenset[str] = frozenset()
        self.trees: dict[str, tuple[int, int]] = {}
        """Git directories in working trees: device and inode."""
        self.inner: frozenset[str] = frozenset()
        """Git directories of submodules and linked working trees."""


class Guard:
    """Watches over the protected paths of a session; commands may run at the same time.

    A change is measured by the oldest command that still runs: who of several did it
    cannot be told.
    """

    def __init__(
        self, roots: Iterable[Path], look: Callable[[], tuple[Found, ...]], *, state_dir: Path
    ) -> None:
        """`look` says what lies in the roots (`Confining.look`)."""
        self._roots = tuple(str(root) for root in roots)
        self._look = look
        self._quarantine = Quarantine(state_dir / "quarantine")
        self._states = States()
        self._live: list[Snapshot] = []
        self._lock = threading.Lock()

    def before(self, grant: Grant | None = None, *, mounted: bool = False) -> Snapshot:
        """Remember what there is; to be handed to `after` whatever becomes of the command.

        `grant` is what a person allowed this command. `mounted`: what is protected and
        exists is read-only for it.
        """
        allowed = tuple(os.path.realpath(path) for path in grant.write) if grant else ()
        if grant and grant.everything:
            allowed = ("/",)
        with self._lock:
            snapshot = Snapshot(allowed, mounted)
            repositories = self._repositories()
            snapshot.repositories = frozenset(repositories)
            snapshot.tops = frozenset((*self._roots, *repositories))
            for top in repositories:
                dot = self._states.of(f"{top}/.git")
                if dot and stat.S_ISDIR(dot.kind):
                    snapshot.trees[f"{top}/.git"] = dot.identity[:2]
            watched, inner = self._watched(snapshot.tops, repositories)
            snapshot.inner = frozenset(inner)
            for path in watched:
                state = self._states.of(path)
                is_plain = state and stat.S_IFMT(state.kind) in (stat.S_IFDIR, stat.S_IFREG)
                if not (mounted and is_plain and not any(_touches(path, a) for a in allowed)):
                    snapshot.states[path] = self._below(path)
            self._live.append(snapshot)
            return snapshot

    def after(self, snapshot: Snapshot) -> tuple[Violation, ...]:
        """Undo what was not allowed, when all of the command has ended."""
        with self._lock:
            if snapshot not in self._live:
                return ()
            oldest = self._live[0]
            allowed = tuple(path for live in self._live for path in live.allowed)
            found: list[Violation] = []
            self._trees(oldest, allowed, found)
            places = (*oldest.inner, *oldest.tops, *oldest.trees)
            gone = tuple(f"{place}/" for place in places if not os.path.lexists(place))
            for path in oldest.states:
                if not path.startswith(gone):  # all that it belonged to was removed
                    self._compare(oldest, path, allowed, found)
            if "/" not in allowed:
                self._new(oldest, allowed, found)
            self._live.remove(snapshot)
            return tuple(found)

    def accept(self, path: Path) -> None:
        """Take a change that qcode itself made with a person's consent as right."""
        with self._lock:
            self._accept(str(path))

    def _accept(self, path: str) -> None:
        for live in self._live:
            for top, known in live.states.items():
                if below(path, top):
                    for inner in [inner for inner in known if below(inner, path)]:
                        del known[inner]
                    parent = os.path.dirname(path)
                    while below(parent, top):
                        known[parent] = self._states.of(parent)
                        parent = os.path.dirname(parent)
                    known |= self._below(path)
                    live.states[top] = dict(sorted(known.items()))
                    break

    def _below(self, path: str) -> dict[str, State | None]:
        return {**self._states.below(path)} or {path: None}

    def _repositories(self) -> list[str]:
        return [top for found in self._look() for top in found.repositories]

    def _watched(
        self, tops: Iterable[str], repositories: Iterable[str]
    ) -> tuple[list[str], list[str]]:
        """Return what to watch, parents first, and the git directories inside others."""
        watched = [f"{top}/{name}" for top in tops for name in TOP_NAMES]
        inner = []
        for top in repositories:
            dot = f"{top}/.git"
            if os.path.lexists(dot) and (os.path.islink(dot) or not os.path.isdir(dot)):
                watched.append(dot)
                if not any(below(os.path.realpath(dot), root) for root in self._roots):
                    dirs = git_dirs(top)
                    if dirs and dirs.is_sure:
                        watched += of_git(dirs.git_dir, dirs.common_dir)
                continue
            dirs = git_dirs(top)
            if dirs is None:
                continue
            for path in of_git(dirs.git_dir, dirs.common_dir):
                watched.append(path)
                if "/modules/" in path or "/worktrees/" in path:
                    inner.append(os.path.dirname(path))
        return sorted(set(watched)), sorted(set(inner))

    def _trees(self, old: Snapshot, allowed: tuple[str, ...], found: list[Violation]) -> None:
        """Find git directories that were renamed."""
        for path, identity in sorted(old.trees.items()):
            now = self._states.of(path)
            if now and now.identity[:2] == identity:
                continue
            if not os.path.isdir(os.path.dirname(path)) or _is_allowed(path, allowed):
                continue  # all of the repository was removed
            moved = self._search(identity)
            if not moved:
                what = "was replaced by another" if now else "was removed"
                found.append(Violation(path, what, "what it was is not to be found any more"))
                continue
            taken = self._quarantine.take(path) if now else ""
            back = _renamed(moved, path)
            undone = "it was put back" if back else f"it could not be put back from {moved}"
            found.append(Violation(path, f"was renamed to {moved}", undone, taken))

    def _search(self, identity: tuple[int, int]) -> str:
        waiting = list(self._roots)
        for _ in range(_SEARCHED):
            if not waiting:
                break
            path = waiting.pop(0)
            try:
                with os.scandir(path) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            status = entry.stat(follow_symlinks=False)
                            if (status.st_dev, status.st_ino) == identity:
                                return entry.path
                            waiting.append(entry.path)
            except OSError:
                continue
        return ""

    def _compare(
        self, old: Snapshot, top: str, allowed: tuple[str, ...], found: list[Violation]
    ) -> None:
        known = old.states[top]
        for path, was in list(known.items()):
            now = self._states.of(path)
            if was is None:
                if now is not None:
                    self._judge_new(path, allowed, found)
                continue
            if now is not None and was.same(now):
                continue
            if _is_allowed(path, allowed) and self._is_fine(path, was, now):
                self._accept(path)
                continue
            found.append(self._restore(path, was, now))
        if known.get(top) is None:
            return
        for path in self._states.below(top):
            if path not in known and os.path.dirname(path) in known and os.path.lexists(path):
                self._judge_new(path, allowed, found)

    def _judge_new(self, path: str, allowed: tuple[str, ...], found: list[Violation]) -> None:
        """Take away what is new, as far as it was not allowed."""
        if _is_allowed(path, allowed):
            if os.path.basename(path) != "config" or not hostile_keys(read_small(path)):
                self._accept(path)
                return
        elif any(below(granted, path) for granted in allowed) and os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                self._judge_new(f"{path}/{name}", allowed, found)
            return
        found.append(self._take(path, "was made"))

    def _take(self, path: str, what: str) -> Violation:
        taken = self._quarantine.take(path)
        undone = f"it was moved to {taken}" if taken else "it could not be moved away"
        return Violation(path, what, undone, taken)

    def _is_fine(self, path: str, was: State, now: State | None) -> bool:
        """Whether a change that was allowed may stay: git's configuration must run nothing."""
        if now is None or os.path.basename(path) not in ("config", "config.worktree"):
            return True
        return not hostile_keys(read_small(path), (was.content or b"").decode("utf-8", "replace"))

    def _restore(self, path: str, was: State, now: State | None) -> Violation:
        taken = ""
        if now is not None and now.kind != was.kind:
            taken = self._quarantine.take(path)
        what = "was removed" if now is None else "was changed"
        if now is not None and now.kind != was.kind:
            what = "was replaced"
        if put_back(path, was):
            return Violation(path, what, "it was put back", taken)
        return Violation(path, what, "it could not be put back", taken)

    def _new(self, old: Snapshot, allowed: tuple[str, ...], found: list[Violation]) -> None:
        """Look at repositories, submodules and working trees that were not there before."""
        repositories = self._repositories()
        for top in repositories:
            if top in old.repositories:
                continue
            dot = f"{top}/.git"
            if os.path.lexists(dot) and (os.path.islink(dot) or not os.path.isdir(dot)):
                if not self._is_known_link(top):
                    found.append(self._take(dot, "leads to a place that is no part of this"))
                continue
            dirs = git_dirs(top)
            if dirs is not None:
                self._judge_repository(dirs.git_dir, "", allowed, found)
        _, inner = self._watched((), repositories)
        for place in inner:
            if place in old.inner:
                continue
            if "/worktrees/" in place:
                common = read_small(f"{place}/commondir").strip()
                parent = os.path.dirname(os.path.dirname(place))
                if common and os.path.realpath(os.path.join(place, common)) != parent:
                    found.append(self._take(f"{place}/commondir", "leads elsewhere"))
            else:
                self._judge_repository(place, place, allowed, found)

    def _is_known_link(self, top: str) -> bool:
        """Whether a `.git` file names a place that belongs to a repository in the roots."""
        dirs = git_dirs(top)
        return bool(
            dirs and dirs.is_sure and any(below(dirs.common_dir, root) for root in self._roots)
        )

    def _judge_repository(
        self, git_dir: str, module: str, allowed: tuple[str, ...], found: list[Violation]
    ) -> None:
        for name in ("config", "config.worktree"):
            path = f"{git_dir}/{name}"
            keys = hostile_keys(read_small(path))
            if module and "core.worktree" in keys and self._is_in_roots(path, git_dir):
                keys.remove("core.worktree")
            if (keys or os.path.islink(path)) and not _is_allowed(path, allowed):
                what = f"was made with settings that git obeys ({', '.join(keys[:4])})"
                found.append(self._take(path, what))
        hooks = f"{git_dir}/hooks"
        if os.path.islink(hooks):
            found.append(self._take(hooks, "was made a link"))
        elif os.path.isdir(hooks):
            found += (
                self._take(f"{hooks}/{name}", "was made")
                for name in sorted(os.listdir(hooks))
                if not name.endswith(".sample") and not _is_allowed(f"{hooks}/{name}", allowed)
            )
        if os.path.lexists(f"{git_dir}/commondir"):
            found.append(self._take(f"{git_dir}/commondir", "was made"))

    def _is_in_roots(self, config: str, git_dir: str) -> bool:
        tree = dict(read_config(read_small(config))).get("core.worktree", "")
        real = os.path.realpath(os.path.join(git_dir, tree))
        return any(below(real, root) for root in self._roots)


def _touches(path: str, granted: str) -> bool:
    return below(path, granted) or below(granted, path)


def _is_allowed(path: str, allowed: tuple[str, ...]) -> bool:
    return any(below(path, granted) for granted in allowed)


def _renamed(source: str, target: str) -> bool:
    try:
        os.rename(source, target)
    except OSError:
        return False
    return True
