"""From what a person decided and what there is now to what one process is confined to."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from qcode.errors import SandboxError
from qcode.sandbox.hidden import Hidden, sockets
from qcode.sandbox.patterns import below
from qcode.sandbox.policy import Confinement, Grant, Level, Network, Policy
from qcode.sandbox.protected import TOP_NAMES, Protected, of_git
from qcode.sandbox.repositories import Found, GitDirs, Survey, git_dirs

_CACHES = {
    "GOCACHE": ".cache/go-build",
    "PIP_CACHE_DIR": ".cache/pip",
    "UV_CACHE_DIR": ".cache/uv",
    "npm_config_cache": ".npm",
    "YARN_CACHE_FOLDER": ".cache/yarn",
    "CCACHE_DIR": ".cache/ccache",
    "SCCACHE_DIR": ".cache/sccache",
}
"""Variables that say where a program's cache is, and where in the home directory it is else.

Not Go's modules and Cargo's registry: what was fetched before must be found with no network.
"""


class Confining:
    """Says for each process of a session what it is confined to; made when the session starts.

    What git directories outside the roots commands may write to is decided then, since
    a command could make `.git` name another one.
    """

    def __init__(
        self, policy: Policy, *, config_dir: Path, state_dir: Path, cache_dir: Path, temp: str
    ) -> None:
        """`temp` is the session's private directory.

        Raises:
            SandboxError: what is to be worked on cannot be confined.
        """
        self.policy = policy
        self.hidden = Hidden(policy, config_dir=config_dir, state_dir=state_dir)
        self.protected = Protected(policy.roots, policy.protected, home=policy.home)
        self._roots = tuple(str(root) for root in policy.roots)
        self._temp = temp
        self._check_roots()
        self.private_cache = self._make_cache(cache_dir)
        self._surveys = tuple(Survey(root, self._is_wanted) for root in policy.roots)
        self._outside: tuple[GitDirs, ...] = ()
        self._start: dict[str, GitDirs] = {}
        self._trees: frozenset[str] = frozenset()
        self._remember_start()

    def look(self) -> tuple[Found, ...]:
        """Return what lies in each root now."""
        return tuple(survey.look() for survey in self._surveys)

    def now(
        self,
        grant: Grant | None = None,
        *,
        read_only: bool = False,
        extra_write: tuple[str, ...] = (),
    ) -> Confinement:
        """Return the confinement of a process that is started now.

        `read_only` is for qcode's own looking; `extra_write` are real paths that qcode
        itself wants the process to write to, whatever the level.
        """
        policy = self.policy
        grant = grant or Grant()
        writes = policy.level is Level.WORKSPACE_WRITE and not read_only
        found = self.look()
        writable = {real for path in extra_write if (real := _existing(path))}
        if writes:
            writable.update(
                self._roots, (real for c in policy.caches if (real := _existing(str(c))))
            )
            writable.update(
                path
                for dirs in self._outside
                for path in (dirs.git_dir, dirs.common_dir)
                if not any(below(path, str(lent)) for lent in policy.lent)
            )
            if self.private_cache:
                writable.add(self.private_cache)
        if not read_only:
            writable.update(_granted(grant.write))
        tops = _outermost(writable)
        protected = _outermost(
            path
            for path in self._protected_now(found)
            if any(below(path, top) for top in tops)
            and not any(below(granted, path) for granted in grant.write)
        )
        hidden = self.hidden.existing(path for f in found for path in f.named)
        hidden += sockets(lambda path: any(below(path, top) for top in self._roots))
        hidden = _outermost(hidden)
        for path in (*grant.read, *self.hidden.shown()):
            hidden = _without(hidden, path)
        network = Network.ON if grant.network else policy.network
        if read_only and not grant.network:
            network = Network.OFF
        trees = (f"{top}/.git" for f in found for top in f.repositories)
        pinned = self._pins(protected, tops, trees)
        return Confinement(
            writable=tuple(tops),
            pinned=tuple(pinned),
            protected=tuple(protected),
            hidden=tuple(hidden),
            temp=self._temp,
            network=network,
            limits=policy.limits,
            identity=tuple(_identity(path) for path in (*tops, *pinned, *protected, *hidden)),
        )

    def cache_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that lead programs' caches to the private one."""
        if not self.private_cache or self.policy.level is not Level.WORKSPACE_WRITE:
            return {}
        own = [os.path.realpath(path) for path in self.policy.caches]
        return {
            name: os.path.join(self.private_cache, os.path.basename(usual).lstrip("."))
            for name, usual in _CACHES.items()
            if not self._is_declared(environ.get(name) or str(self.policy.home / usual), own)
        }

    def _is_declared(self, path: str, own: list[str]) -> bool:
        real = os.path.realpath(path)
        return any(below(real, top) for top in (*own, *self._roots))

    def _is_wanted(self, name: str) -> bool:
        return self.hidden.wanted(name) or self.protected.globs.may_name(name)

    def _check_roots(self) -> None:
        if not self.policy.level.confines:
            return
        home = os.path.realpath(self.policy.home)
        writes = self.policy.level is Level.WORKSPACE_WRITE
        for root in self._roots:
            if writes and below(home, root):
                what = "above the home directory"
                what = {"/": "the root directory", home: "the home directory"}.get(root, what)
                raise SandboxError(
                    f"{root} is {what}, and everything in it would be writable",
                    hint="start qcode in the directory of a project, or use --sandbox read-only",
                )
            for place in self.hidden.in_home():
                if below(root, place) or (writes and below(place, root)):
                    raise SandboxError(
                        f"{place} is hidden from commands, and it "
                        + ("holds" if below(root, place) else "lies in")
                        + f" {root}, which they are to work on",
                        hint="start qcode in the directory of a project, or take it from the "
                        "hidden paths",
                    )

    def _make_cache(self, cache_dir: Path) -> str:
        """Return the directory for the caches of programs run in this workspace; empty if none."""
        if self.policy.level is not Level.WORKSPACE_WRITE or not self._roots:
            return ""
        import hashlib

        name = hashlib.blake2b(os.fsencode(self._roots[0]), digest_size=8).hexdigest()
        place = cache_dir / "sandbox" / name
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            return ""
        return os.path.realpath(place)

    def _remember_start(self) -> None:
        trees: set[str] = set()
        outside: dict[str, GitDirs] = {}
        for found in self.look():
            for top in found.repositories:
                dirs = git_dirs(top)
                if dirs is None:
                    continue
                self._start[top] = dirs
                trees.update(path for path in of_git(dirs.git_dir, dirs.common_dir))
                if dirs.is_linked and dirs.is_sure and not self._inside(dirs.common_dir):
                    outside[dirs.common_dir + "\0" + dirs.git_dir] = dirs
        self._outside = tuple(outside.values())
        self._trees = frozenset(trees)

    def _inside(self, path: str) -> bool:
        return any(below(path, root) for root in self._roots)

    def _protected_now(self, found: tuple[Found, ...]) -> Iterable[str]:
        """Yield what is protected and exists: real paths, no links."""
        tops = dict.fromkeys((*self._roots, *(top for f in found for top in f.repositories)))
        paths: list[str] = []
        for top in tops:
            paths += _entries(top, TOP_NAMES)
        for top in (top for f in found for top in f.repositories):
            start = self._start.get(top)
            dirs = git_dirs(top) if start is None or not start.is_linked else start
            if start is not None and start.is_linked:
                paths.append(f"{top}/.git")
            if dirs is not None and (not dirs.is_linked or start is not None):
                paths += (
                    path
                    for path in of_git(dirs.git_dir, dirs.common_dir)
                    if "/worktrees/" not in path or path in self._trees
                )
        globs = self.protected.globs
        if globs:
            paths += globs.places()
            paths += (path for f in found for path in f.named if globs.match(path))
        return (path for path in dict.fromkeys(paths) if _is_plain(path))

    def _pins(self, protected: list[str], tops: list[str], trees: Iterable[str]) -> list[str]:
        """Return the directories between the writable ones and what is protected in them.

        `trees` are git directories, to be pinned themselves.
        """
        pins = {
            path for path in trees if os.path.isdir(path) and not os.path.islink(path)
        }.difference(protected)
        pins = {path for path in pins if any(below(path, top) for top in tops)}
        for path in (*protected, *tuple(pins)):
            top = max((top for top in tops if below(path, top)), key=len)
            parent = os.path.dirname(path)
            while parent != top and below(parent, top):
                pins.add(parent)
                parent = os.path.dirname(parent)
        return sorted(pins)


def _entries(top: str, names: Iterable[str]) -> list[str]:
    return [f"{top}/{name}" for name in names]


def _is_plain(path: str) -> bool:
    """Whether it is a file or directory itself; a mount on a link lands at what it names."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _existing(path: str) -> str:
    real = os.path.realpath(path)
    return real if os.path.lexists(real) else ""


def _granted(paths: tuple[str, ...]) -> Iterable[str]:
    """Yield what can be made writable; of a path that is not there yet, its directory."""
    for path in paths:
        real = os.path.realpath(path)
        if os.path.lexists(real):
            yield real
        elif os.path.isdir(parent := os.path.dirname(real)) and parent != "/":
            yield parent


def _outermost(paths: Iterable[str]) -> list[str]:
    """Return the paths that lie in none of the others, sorted."""
    out: list[str] = []
    for path in sorted(set(paths), key=lambda path: path.rstrip("/") + "/"):
        if not out or not below(path, out[-1]):
            out.append(path)
    return out


def _without(hidden: list[str], shown: str) -> list[str]:
    """Return the hidden paths such that one of them, or one in them, is not."""
    out = []
    for path in hidden:
        if below(path, shown):
            continue
        if not below(shown, path):
            out.append(path)
            continue
        try:
            inner = sorted(entry.path for entry in os.scandir(path))
        except OSError:
            out.append(path)
            continue
        out += _without(inner, shown)
    return sorted(out)


def _identity(path: str) -> tuple[int, int]:
    try:
        found = os.lstat(path)
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino
