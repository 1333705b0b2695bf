"""The map of a workspace: looking at what changed, and asking what is where."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

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
_MANY = 0.5
"""Part of the files from which on all is made anew."""
_MOST_DEAD = 0.3


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
    same: list[tuple[int, int]]
    """Files that are the same at another time: number, time."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.changed or self.gone or self.same)


class Index:
    """What is known of a workspace's files; to be closed."""

    def __init__(self, root: Path, folder: Path | None = None) -> None:
        """Look at all files, and read those that changed.

        `folder` is where what is known is kept; by default in qcode's cache.
        """
        self.root = Path(os.path.realpath(root))
        self._file: Path | None = _file(self.root, folder)
        self.is_partial = False
        """There are more files than are looked at."""
        seen = self._look()
        try:
            self.store, self.files = self._refreshed(seen)
        except (*Damaged, OSError):
            _forget(self._file)
            try:
                self.store, self.files = self._refreshed(seen)
            except (*Damaged, OSError):  # nothing can be kept there
                self._file = None
                self.store, self.files = self._refreshed(seen)
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

    def _look(self) -> list[_Seen]:
        found: list[_Seen] = []
        is_regular = stat.S_ISREG
        known: dict[str, bool] = {}
        latest = time.time_ns() - _TICK_NS
        for base, entries in folders(self.root, self.root):
            for entry in entries:
                name = entry.name
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if not is_regular(status.st_mode):
                    continue
                suffix = name[name.rfind(".") :] if "." in name else name
                if suffix not in known:
                    known[suffix] = bool(grammar(name))
                may = known[suffix] or ("." not in name and bool(status.st_mode & 0o100))
                mtime = status.st_mtime_ns if status.st_mtime_ns < latest else -1
                found.append(_Seen(base + name, mtime, status.st_size, may))
            if len(found) >= _MOST_FILES:
                self.is_partial = True
                break
        found.sort()
        return found

    def _refreshed(self, seen: list[_Seen]) -> tuple[Store, dict[str, Row]]:
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = Store(self._file, self.root)
        try:
            rows = store.files()
            news = self._compared(seen, rows)
            if news.is_empty:
                return store, rows
            try:
                self._update(store, rows, seen, news)
            except sqlite3.OperationalError as error:
                if not any(word in str(error) for word in ("locked", "readonly", "full")):
                    raise
                if rows:  # another process is at it, or nothing may be written
                    return store, rows
                store.close()
                self._file = None
                return self._refreshed(seen)
            return store, store.files()
        except BaseException:
            store.close()
            raise

    def _compared(self, seen: list[_Seen], rows: dict[str, Row]) -> _News:
        news = _News([], [], [])
        gone = dict(rows)
        for one in seen:
            row = gone.pop(one.path, None)
            if row is None:
                news.changed.append(one)
            elif not one.has_symbols or (row.mtime == one.mtime >= 0 and row.size == one.size):
                continue
            elif row.size == one.size and self._digest(one) == row.digest:
                if row.mtime != one.mtime:
                    news.same.append((row.id, one.mtime))
            else:
                news.changed.append(one)
        news.gone.extend(gone.values())
        return news

    def _digest(self, one: _Seen) -> str:
        with contextlib.suppress(OSError):
            return digested(b"" if one.size > LARGEST else beneath.read(self.root / one.path))
        return "?"

    def _update(self, store: Store, rows: dict[str, Row], seen: list[_Seen], news: _News) -> None:
        is_whole = len(news.changed) > max(200, _MANY * len(rows))
        with store.change():
            if is_whole:
                store.empty()
                rows, news = {}, _News(seen, [], [])
            for row in news.gone:
                store.drop(row.id)
            for number, mtime in news.same:
                store.touch(number, mtime)
            top = int(store.about("top") or 0)
            added: list[int] = []
            for one, its in self._read(news.changed):
                if (old := rows.get(one.path)) is not None:
                    store.drop(old.id)
                top += 1
                store.add(top, one.path, one.mtime, one.size, its)
                added.append(top)
            store.tell("top", str(top))
            store.write_words()
            store.rank(ranks.of_all(store) if is_whole else ranks.of_some(store, added))
            dead = 0 if is_whole else int(store.about("dead") or 0)
            dead += len(news.gone) + len(news.changed) - (len(seen) if is_whole else 0)
            if dead > 500 and dead > _MOST_DEAD * len(seen):
                store.clean({row.id for row in store.files().values()})
                dead = 0
            store.tell("dead", str(dead))

    def _read(self, wanted: list[_Seen]) -> Iterator[tuple[_Seen, Content | None]]:
        by_path = {one.path: one for one in wanted}
        for one in wanted:
            if not one.has_symbols:
                yield one, None
        for path, its in contents(
            self.root, [(one.path, one.size) for one in wanted if one.has_symbols]
        ):
            yield by_path[path], its


def _file(root: Path, folder: Path | None) -> Path:
    name = hashlib.blake2b(os.fsencode(root), digest_size=12).hexdigest()
    return (folder or paths.cache_dir() / "repomap") / f"{name}.db"


def forget(root: Path, folder: Path | None = None) -> None:
    """Throw away what is kept of a workspace."""
    _forget(_file(Path(os.path.realpath(root)), folder))


def _forget(file: Path | None) -> None:
    if file is not None:
        for suffix in ("", "-journal"):
            with contextlib.suppress(OSError):
                os.unlink(f"{file}{suffix}")
