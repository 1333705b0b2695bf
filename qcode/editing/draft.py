"""The files as a patch changes them, in order; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from qcode.record import Record


class Source(Protocol):
    """The files as they are. Paths are normal: relative to the root, with `/`."""

    def read(self, path: str) -> str | None:
        """Return a file's text with its own line ends; None if it does not exist."""

    def similar(self, path: str) -> Sequence[str]:
        """Return existing files with the same base name."""

    def changed_since_seen(self, path: str) -> bool:
        """Return whether a file is another than the model last saw."""


class FileChange(Record):
    """What becomes of one file."""

    path: str
    before: str | None
    """None: it is created."""
    after: str | None
    """None: it is deleted."""
    moved_from: str = ""
    """Where the text was before, if it moves: one change, whose `before` is that text."""
    places: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()


class Draft:
    """Files with the changes so far laid over them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._first: dict[str, str | None] = {}
        self._now: dict[str, str | None] = {}
        self._origin: dict[str, str] = {}
        self._told: dict[str, tuple[tuple[tuple[int, int], ...], tuple[str, ...]]] = {}

    def read(self, path: str) -> str | None:
        """Return a file's text after the changes so far; None if there is none."""
        if path not in self._now:
            self._first[path] = self._now[path] = self._source.read(path)
        return self._now[path]

    def original(self, path: str) -> str | None:
        """Return a file's text before all changes; None if there was none."""
        self.read(path)
        return self._first[path]

    def similar(self, path: str) -> Sequence[str]:
        """Return existing files with the same base name."""
        return self._source.similar(path)

    def is_stale(self, path: str) -> bool:
        """Whether a file is another than the model last saw."""
        origin = self._origin.get(path, path)
        return self.original(origin) is not None and self._source.changed_since_seen(origin)

    def write(
        self,
        path: str,
        text: str | None,
        places: Sequence[tuple[int, int]] = (),
        notes: Sequence[str] = (),
    ) -> None:
        """Give a file another text, or none."""
        self.read(path)
        self._now[path] = text
        known = self._told.get(path, ((), ()))[1]
        self._told[path] = (tuple(places), (*known, *notes))

    def move(self, path: str, to: str) -> None:
        """Move a file to where none is."""
        text = self.read(path)
        self.read(to)
        self._now[path], self._now[to] = None, text
        self._origin[to] = self._origin.pop(path, path)
        if path in self._told:
            self._told[to] = self._told.pop(path)

    def changes(self) -> tuple[FileChange, ...]:
        """Return what has become of each file, in the order in which they were first touched."""
        moved = {
            origin: path
            for path, origin in self._origin.items()
            if path != origin
            and self._first[path] is None
            and self._now[path] is not None
            and self._now[origin] is None
            and self._first[origin] is not None
        }
        found = []
        for path, after in self._now.items():
            places, notes = self._told.get(path, ((), ()))
            origin = self._origin.get(path, "")
            if moved.get(origin) == path:
                found.append(FileChange(path, self._first[origin], after, origin, places, notes))
            elif path not in moved and self._first[path] != after:
                found.append(FileChange(path, self._first[path], after, "", places, notes))
        return tuple(found)
