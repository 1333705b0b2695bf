"""Which files were saved since one last asked: by what the system tells, or by looking."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from qcode.checkpoints.watch import Watch
from qcode.tools.ignore import folders, rules_at

if TYPE_CHECKING:
    from qcode.checkpoints.manifest import Node

LARGEST = 1_000_000
"""Bytes of a file that is read."""
LOOK_EVERY_S = 1.0
"""Where the system tells nothing."""

Stamp: TypeAlias = tuple[int, int, int]


class Place:
    """A directory that is watched, as `Watch` wants one."""

    __slots__ = ("parent", "path", "rel", "watch_id")

    def __init__(self, parent: Place | None, path: str, rel: str) -> None:
        self.parent = parent
        self.path = path
        self.rel = rel
        """Relative to the root with a final `/`, or empty."""
        self.watch_id = -1


class Saves:
    """The files of a directory, but for what is ignored or hidden."""

    def __init__(
        self,
        root: Path,
        is_hidden: Callable[[Path], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
        watch: Callable[[], Watch | None] = Watch.start,
    ) -> None:
        self._root = Path(os.path.realpath(root))
        self._is_hidden = is_hidden
        self._clock = clock
        self._watch = watch()
        self._places: dict[str, Place] = {}
        self._known: dict[str, Stamp] = {}
        self._looked_at = 0.0
        for path, stamp in self._below(""):
            self._known[path] = stamp

    @property
    def is_told(self) -> bool:
        """Whether the system tells of changes; otherwise all files are looked at."""
        return self._watch is not None

    def present(self) -> list[str]:
        """Return all files, relative to the root."""
        return sorted(self._known)

    def changed(self) -> list[str]:
        """Return the files that were written, made or moved here since the last call."""
        if self._watch is not None:
            told = self._watch.changed()
            if told is not None:
                places = [place for place in self._places.values() if cast("Node", place) in told]
                return sorted(path for place in places for path in self._look(place))
            self._unwatch()
        if self._clock() - self._looked_at < LOOK_EVERY_S:
            return []
        self._looked_at = self._clock()
        now = dict(self._below(""))
        out = [path for path, stamp in now.items() if self._known.get(path) != stamp]
        self._known = now
        return sorted(out)

    def close(self) -> None:
        """End all watches."""
        if self._watch is not None:
            self._unwatch()

    def _unwatch(self) -> None:
        assert self._watch is not None
        self._watch.close()
        self._watch = None
        self._places.clear()

    def _look(self, place: Place) -> Iterator[str]:
        """Yield the files right in a directory that changed, and all of directories new in it."""
        rules = rules_at(self._root, Path(place.path))
        if rules is None:
            return
        try:
            with os.scandir(place.path) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            self._forget(place)
            return
        for entry in entries:
            path = place.rel + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name.startswith(".") or rules.ignore(path, is_directory=is_folder):
                continue
            if not is_folder:
                if self._is_new(path, entry):
                    yield path
            elif f"{path}/" not in self._places:
                for inner, stamp in self._below(f"{path}/"):
                    if self._known.get(inner) != stamp:
                        self._known[inner] = stamp
                        yield inner

    def _is_new(self, path: str, entry: os.DirEntry[str]) -> bool:
        stamp = _stamp(entry)
        if stamp is None or self._is_hidden(self._root / path):
            return False
        before = self._known.get(path)
        self._known[path] = stamp
        return before != stamp

    def _below(self, rel: str) -> Iterator[tuple[str, Stamp]]:
        """Yield the files below a directory, and watch what is there of directories."""
        for folder, entries in folders(self._root, self._root / rel):
            if any(part.startswith(".") for part in folder.split("/")):
                continue
            self._add(folder)
            for entry in entries:
                path = folder + entry.name
                stamp = None if entry.name.startswith(".") else _stamp(entry)
                if stamp is not None and not self._is_hidden(self._root / path):
                    yield path, stamp

    def _add(self, rel: str) -> None:
        if self._watch is None or rel in self._places:
            return
        above = rel.rstrip("/").rpartition("/")[0]
        parent = self._places.get(f"{above}/" if above else "") if rel else None
        place = Place(parent, str(self._root / rel), rel)
        # It has all that a watch asks of a directory.
        if self._watch.add(cast("Node", place)):
            self._places[rel] = place
        else:
            self._unwatch()  # the system has no more of them: all files are looked at

    def _forget(self, place: Place) -> None:
        for rel in [rel for rel in self._places if rel.startswith(place.rel)]:
            del self._places[rel]


def read(root: Path, path: str) -> str | None:
    """Return a file's text; None: it is gone, no text, a link, or too large."""
    try:
        descriptor = os.open(
            root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            return None
        data = file.read(LARGEST + 1)
    if b"\0" in data[:8000] or len(data) > LARGEST:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _stamp(entry: os.DirEntry[str]) -> Stamp | None:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
