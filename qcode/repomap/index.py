"""The map of a workspace: looking at what changed, and asking what is where."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeAlias

from qcode import beneath, paths
from qcode.repomap import ranks
from qcode.repomap.languages import grammar
from qcode.repomap.reading import Content, digested
from qcode.repomap.store import Damaged, Row, Store
from qcode.repomap.symbols import LARGEST, Symbol
from qcode.repomap.words import identifiers, words
from qcode.repomap.workers import contents
from qcode.tools.ignore import folders

_TICK_NS = 50_000_000
"""A file that changed so shortly before it was looked at may change again within one tick."""
_MOST_FILES = 200_000
PATIENCE_S = 90.0
"""After so long no more files are read; the next look goes on from there."""
_MANY = 0.5
"""Part of the files from which on all is made anew."""
_MOST_DEAD = 0.3


Tell: TypeAlias = Callable[[int, int], None]


class _Seen(NamedTuple):
    """A file as it is found."""

    path: str
    mtime: int
    size: int
    has_symbols: bool
    """Whether it may have some, by its name and mode."""


class _News(NamedTuple):
    """What is otherwise than it was known."""

    changed: list[_Seen]
    gone: list[Row]
    same: list[tuple[Row, int]]
    """Files that are the same at another time, and that."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.changed or self.gone or self.same)


class _Moved(Exception):
    """Another process has changed what is kept since it was read."""


class Index:
    """What is known of a workspace's files; to be closed."""

    def __init__(self, root: Path, folder: Path | None = None, *, tell: Tell | None = None) -> None:
        """Look at all files, and read those that changed.

        `folder` is where what is known is kept; by default in qcode's cache. `tell` hears of
        each file that was read how many were by then, and of how many.
        """
        self._tell = tell
        self.root = Path(os.path.realpath(root))
        self._file: Path | None = file_of(self.root, folder)
        self.is_partial = False
        """Not all files were looked at: there are too many, or it took too long."""
        try:
            self.store, self.files = self._refreshed()
        except (*Damaged, OSError):
            _forget(self._file)
            try:
                self.store, self.files = self._refreshed()
            except (*Damaged, OSError):  # nothing can be kept there
                self._file = None
                self.store, self.files = self._refreshed()
        self.by_id = {row.id: row for row in self.files.values()}

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self.store.close()

    # ------------------------------------------------------------------ asking

    def outline(self, path: str) -> list[Symbol]:
        """Return what a file defines; nothing if it is not known."""
        row = self.files.get(path)
        return self.store.symbols([row.id])[row.id] if row else []

    def named(self, name: str) -> list[tuple[Row, Symbol]]:
        """Return the definitions of a name, those in files that matter most first."""
        rows = [row for number in self.store.defining(name) if (row := self.by_id.get(number))]
        rows.sort(key=lambda row: (-row.weight * (1 + row.rank), row.path))
        found = self.store.symbols([row.id for row in rows])
        return [(row, symbol) for row in rows for symbol in found[row.id] if symbol.name == name]

    def names_like(self, part: str, most: int = 200) -> list[str]:
        """Return the names that have a part, in whatever case; the shortest first."""
        return self.store.names_like(part, most)

    def mentioning(self, name: str) -> list[Row]:
        """Return the files that may have an identifier, by path."""
        parts = [word for part in identifiers(name) for word in words(part)]
        if not parts:
            return []
        numbers: set[int] | None = None
        for word in parts:
            having = {entry >> 8 for entry in self.store.having(word)}
            numbers = having if numbers is None else numbers & having
        rows = [row for number in numbers or () if (row := self.by_id.get(number))]
        return sorted(rows, key=lambda row: row.path)

    # ------------------------------------------------------------------ looking

    def _look(self, rows: dict[str, Row]) -> _News:
        """Return in what the files are otherwise than it is known."""
        changed: list[_Seen] = []
        same: list[tuple[Row, int]] = []
        gone = dict(rows)
        is_regular = stat.S_ISREG
        known: dict[str, bool] = {}
        latest = time.time_ns() - _TICK_NS
        count = 0
        for base, entries in folders(self.root, self.root):
            for entry in entries:
                name = entry.name
                path = base + name
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                size, mtime, mode = status.st_size, status.st_mtime_ns, status.st_mode
                row = gone.pop(path, None)
                if row is not None and row.mtime == mtime and row.size == size:
                    continue
                if not is_regular(mode):
                    if row is not None:
                        gone[path] = row
                    continue
                suffix = name[name.rfind(".") :] if "." in name else name
                if suffix not in known:
                    known[suffix] = bool(grammar(name))
                may = known[suffix] or ("." not in name and bool(mode & 0o100))
                one = _Seen(path, mtime if mtime < latest else -1, size, may)
                if row is None:
                    changed.append(one)
                elif not may or (row.size == size and self._digest(one) == row.digest):
                    if row.mtime != one.mtime:
                        same.append((row, one.mtime))
                else:
                    changed.append(one)
            count += len(entries)
            if count >= _MOST_FILES:
                self.is_partial = True
                gone.clear()  # what was not looked at is not gone
                break
        changed.sort()
        return _News(changed, list(gone.values()), same)

    def _refreshed(self) -> tuple[Store, dict[str, Row]]:
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = Store(self._file, self.root)
        try:
            top = int(store.about("top") or 0)
            rows = store.files()
            news = self._look(rows)
            if news.is_empty:
                return store, rows
            try:
                return store, self._updated(store, rows, news, top)
            except _Moved:
                store.close()
                return self._refreshed()
            except sqlite3.OperationalError as error:
                if not any(word in str(error) for word in ("locked", "readonly", "full")):
                    raise
                if rows:  # another process is at it, or nothing may be written
                    return store, rows
                store.close()
                self._file = None
                return self._refreshed()
        except BaseException:
            store.close()
            raise

    def _digest(self, one: _Seen) -> str:
        with contextlib.suppress(OSError):
            return digested(b"" if one.size > LARGEST else beneath.read(self.root / one.path))
        return "?"

    def _updated(self, store: Store, rows: dict[str, Row], news: _News, top: int) -> dict[str, Row]:
        """Read what changed; return all rows as they are then."""
        others = sum(one.path in rows for one in news.changed)
        is_whole = not rows or others > max(200, _MANY * len(rows))
        if is_whole and rows:
            rows, news = {}, self._look({})
        new = dict(rows)
        with store.change():
            if top != int(store.about("top") or 0):
                raise _Moved
            if is_whole:
                store.empty()
            for row in news.gone:
                store.drop(row.id)
                del new[row.path]
            for row, mtime in news.same:
                store.touch(row.id, mtime)
                new[row.path] = row._replace(mtime=mtime)
            added: dict[int, str] = {}
            for one, its in self._read(news.changed):
                if (old := rows.get(one.path)) is not None:
                    store.drop(old.id)
                top += 1
                new[one.path] = store.add(top, one.path, one.mtime, one.size, its)
                added[top] = one.path
            store.tell("top", str(top))
            store.write_words()
            found = ranks.of_all(store) if len(added) > 500 else ranks.of_some(store, added)
            store.rank(found)
            for path, row in new.items() if len(added) > 500 else ():
                new[path] = row._replace(rank=found.get(row.id, 0.0))
            for number, path in added.items():
                new[path] = new[path]._replace(rank=found.get(number, 0.0))
            dead = 0 if is_whole else int(store.about("dead") or 0) + len(news.gone) + others
            if dead > 500 and dead > _MOST_DEAD * len(new):
                store.clean({row.id for row in new.values()})
                dead = 0
            store.tell("dead", str(dead))
        return new

    def _read(self, wanted: list[_Seen]) -> Iterator[tuple[_Seen, Content | None]]:
        by_path = {one.path: one for one in wanted}
        for one in wanted:
            if not one.has_symbols:
                yield one, None
        until = time.monotonic() + PATIENCE_S
        files = [(one.path, one.size) for one in wanted if one.has_symbols]
        for count, (path, its) in enumerate(contents(self.root, files), 1):
            yield by_path[path], its
            if self._tell is not None:
                self._tell(count, len(files))
            if time.monotonic() > until:  # the others are new to it next time, too
                self.is_partial = True
                return


def file_of(root: Path, folder: Path | None = None) -> Path:
    """Return where what is known of a workspace is kept; `root` is its real path."""
    name = hashlib.blake2b(os.fsencode(root), digest_size=12).hexdigest()
    return (folder or paths.cache_dir() / "repomap") / f"{name}.db"


def forget(root: Path, folder: Path | None = None) -> None:
    """Throw away what is kept of a workspace."""
    _forget(file_of(Path(os.path.realpath(root)), folder))


def _forget(file: Path | None) -> None:
    if file is not None:
        for suffix in ("", "-journal"):
            with contextlib.suppress(OSError):
                os.unlink(f"{file}{suffix}")
