"""What the map knows, on disk: one SQLite file a workspace, that can always be made again.

A file that changed gets a new number, so that what was said of the old one need not be
looked for: words name numbers of which some are no more. A file in another form, of
another workspace or damaged is as good as none.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from qcode.repomap.reading import Content
from qcode.repomap.symbols import Symbol
from qcode.repomap.words import placed

_FORMAT = 1
"""To be raised with every change of what is stored, or how it is found."""
_BUSY_S = 2.0
_COUNT = 255
"""How often a word is in a file is told up to this, in the low byte of an entry."""
_AT_ONCE = 1_000_000
"""Entries that are held before they are written."""
_SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE files (
    id INTEGER PRIMARY KEY, path BLOB, mtime INTEGER, size INTEGER,
    digest TEXT, grammar TEXT, weight REAL, length INTEGER, rank REAL
);
CREATE TABLE symbols (id INTEGER PRIMARY KEY, data TEXT);
CREATE TABLE names (name TEXT, id INTEGER, PRIMARY KEY (name, id)) WITHOUT ROWID;
CREATE TABLE words (word TEXT, part INTEGER, files BLOB, PRIMARY KEY (word, part)) WITHOUT ROWID;
"""

Damaged = (sqlite3.DatabaseError, ValueError, TypeError, OverflowError)
"""What reading a file of another form, or a damaged one, raises."""


def identity(root: Path) -> str:
    """Return what a file says of itself under `is`: its form, and whose it is."""
    return f"{_FORMAT} {os.fsencode(root).hex()}"


class Row(NamedTuple):
    """What is known of a file, but for its content."""

    id: int
    path: str
    mtime: int
    """In ns; -1 if it cannot tell whether the file changed."""
    size: int
    digest: str
    grammar: str
    weight: float
    length: int
    """Words in it, each as often as it is there."""
    rank: float
    """What others refer to it."""


class Store:
    """An open file."""

    def __init__(self, path: Path | None, root: Path) -> None:
        """Open what is there, or begin anew; None: in memory.

        Raises:
            sqlite3.Error: it cannot be opened, or is of no use.
        """
        self.path = path
        self._root = root
        self._words: dict[str, array[int]] = {}
        self._waiting = 0
        self._db = sqlite3.connect(
            str(path or ":memory:"), timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._db.execute("PRAGMA cell_size_check=ON")
            self._db.execute("PRAGMA cache_size=-16000")
            self._db.execute("PRAGMA synchronous=OFF" if path is None else "PRAGMA synchronous=1")
            if not self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                self._begin()
            elif self.about("is") != identity(self._root):
                raise sqlite3.DatabaseError("it is of another form or workspace")
        except BaseException:
            self._db.close()
            raise

    def _begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        if not self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self.tell("is", identity(self._root))
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Make all changes in between at once, or none.

        Raises:
            sqlite3.OperationalError: another process changes it.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.write_words()
            self._db.execute("COMMIT")
        except BaseException:
            self._words.clear()
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    # ------------------------------------------------------------------ reading

    def about(self, key: str) -> str:
        """Return what was told under a key."""
        found = self._db.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return str(found[0]) if found else ""

    def files(self) -> dict[str, Row]:
        """Return all files by path."""
        found: dict[str, Row] = {}
        for number, data, *rest in self._db.execute("SELECT * FROM files"):
            path = data.decode("utf-8", "surrogateescape")
            found[path] = Row(number, path, *rest)
        return found

    def symbols(self, ids: Iterable[int]) -> dict[int, list[Symbol]]:
        """Return what files define."""
        found: dict[int, list[Symbol]] = {}
        for number in ids:
            row = self._db.execute("SELECT data FROM symbols WHERE id = ?", (number,)).fetchone()
            found[number] = [Symbol(*each) for each in json.loads(row[0])] if row else []
        return found

    def defining(self, name: str) -> list[int]:
        """Return the numbers of files that define a name."""
        rows = self._db.execute("SELECT id FROM names WHERE name = ?", (name,))
        return [int(row[0]) for row in rows]

    def names_like(self, part: str, most: int) -> list[str]:
        """Return names that have a part, in whatever case; the shortest first."""
        escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        rows = self._db.execute(
            "SELECT DISTINCT name FROM names WHERE name LIKE ? ESCAPE '\\' "
            "ORDER BY length(name), name LIMIT ?",
            (f"%{escaped}%", most),
        )
        return [str(row[0]) for row in rows]

    def having(self, word: str) -> array[int]:
        """Return the files that have a word: each number with a low byte that says how often."""
        found: array[int] = array("Q")
        for (data,) in self._db.execute("SELECT files FROM words WHERE word = ?", (word,)):
            found.frombytes(data)
        return found

    def count_having(self, word: str) -> int:
        """Return how many files have a word, some of which may be no more."""
        row = self._db.execute(
            "SELECT sum(length(files)) FROM words WHERE word = ?", (word,)
        ).fetchone()
        return int(row[0] or 0) // 8

    # ------------------------------------------------------------------ changing

    def tell(self, key: str, value: str) -> None:
        """Keep something under a key."""
        self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, value))

    def add(self, number: int, path: str, mtime: int, size: int, content: Content | None) -> Row:
        """Add a file under a new number; return what is known of it but for its rank."""
        told = content or Content("", "", 1.0, [], {})
        length = sum(told.words.values())
        row = Row(*(number, path, mtime, size, told.digest, told.grammar, told.weight, length, 0.0))
        self._db.execute(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (number, path.encode("utf-8", "surrogateescape"), *row[2:]),
        )
        if told.symbols:
            data = json.dumps(told.symbols, separators=(",", ":"))
            self._db.execute("INSERT INTO symbols VALUES (?, ?)", (number, data))
            names = {symbol.name for symbol in told.symbols if symbol.kind != "impl"}
            self._db.executemany(
                "INSERT OR IGNORE INTO names VALUES (?, ?)", [(name, number) for name in names]
            )
        entry = number << 8
        held = self._words
        for words in (told.words, placed(path)):
            for word, count in words.items():
                value = entry | min(_COUNT, count)
                if word in held:
                    held[word].append(value)
                else:
                    held[word] = array("Q", (value,))
        self._waiting += len(told.words)
        if self._waiting > _AT_ONCE:
            self.write_words()
        return row

    def empty(self) -> None:
        """Forget all files, but no number that was given."""
        for table in ("files", "symbols", "names", "words"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608  # names of ours

    def drop(self, number: int) -> None:
        """Forget a file; the words keep its number."""
        for symbol in self.symbols([number])[number]:
            self._db.execute("DELETE FROM names WHERE name = ? AND id = ?", (symbol.name, number))
        self._db.execute("DELETE FROM symbols WHERE id = ?", (number,))
        self._db.execute("DELETE FROM files WHERE id = ?", (number,))

    def touch(self, number: int, mtime: int) -> None:
        """Note that a file is the same although its time is another."""
        self._db.execute("UPDATE files SET mtime = ? WHERE id = ?", (mtime, number))

    def rank(self, ranks: Mapping[int, float]) -> None:
        """Note what files are worth to others."""
        self._db.executemany(
            "UPDATE files SET rank = ? WHERE id = ?",
            [(value, number) for number, value in ranks.items()],
        )

    def names(self) -> Iterator[tuple[str, int]]:
        """Yield each name with each file that defines it, by name."""
        yield from self._db.execute("SELECT name, id FROM names ORDER BY name, id")

    def names_of(self, number: int) -> set[str]:
        """Return the names that a file defines."""
        return {symbol.name for symbol in self.symbols([number])[number]}

    def counts(self) -> dict[str, int]:
        """Return by word how many files have it, of those that are in more than one."""
        rows = self._db.execute(
            "SELECT word, sum(length(files)) AS size FROM words GROUP BY word HAVING size > 8"
        )
        return {word: size // 8 for word, size in rows}

    def clean(self, alive: set[int]) -> None:
        """Leave out of the words the numbers that are no more, and join what was added apart."""
        joined: dict[str, array[int]] = {}
        for word, data in self._db.execute("SELECT word, files FROM words ORDER BY word, part"):
            entries: array[int] = array("Q")
            entries.frombytes(data)
            kept = [entry for entry in entries if entry >> 8 in alive]
            joined.setdefault(word, array("Q")).extend(kept)
        self._db.execute("DELETE FROM words")
        self._db.executemany(
            "INSERT INTO words VALUES (?, 0, ?)",
            ((word, found.tobytes()) for word, found in joined.items() if found),
        )

    def write_words(self) -> None:
        """Write the words of the files that were added so far."""
        if not self._words:
            return
        row = self._db.execute("SELECT value FROM about WHERE key = 'parts'").fetchone()
        part = int(row[0]) + 1 if row else 0
        self._db.executemany(
            "INSERT INTO words VALUES (?, ?, ?)",
            ((word, part, self._words[word].tobytes()) for word in sorted(self._words)),
        )
        self.tell("parts", str(part))
        self._words.clear()
        self._waiting = 0
