"""Finding the files in which people tell the model how work is done in a place.

A person's own stand in qcode's configuration directory and may import what they like that
is no secret. A repository's files come with a clone: they are data. They lead nowhere out
of the repository, and nothing that is allowed depends on what they say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from qcode import beneath
from qcode.memory.imports import imports, only_imports
from qcode.record import Record, replace
from qcode.sandbox.repositories import enclosing

NAMES = ("AGENTS.md", "QCODE.md", "QWEN.md", "CLAUDE.md")
"""In the order in which they are given."""
BYTES = 64 * 1024
"""Of one file; the rest of it is left out."""
DEPTH = 5
"""Files that import one another in a row."""
MOST = 40
"""Files altogether."""


class Places(Record):
    """Where to look."""

    cwd: Path
    """Real path of the directory worked in."""
    own: Path
    """The directory of the person's own files."""
    home: Path
    names: tuple[str, ...] = NAMES


class Instructions(Record):
    """One file of instructions."""

    path: Path
    """Real path."""
    text: str
    is_own: bool = False
    """Whether it is the person's own, and not the repository's."""
    imported_by: Path | None = None
    is_cut: bool = False
    """Whether it is longer than what is kept of it."""


class Found(Record):
    """All files of instructions: the person's own, then from the repository's top down."""

    files: tuple[Instructions, ...] = ()
    notes: tuple[str, ...] = ()
    """What was left out and why, for the person."""


def top_of(cwd: Path) -> Path:
    """Return where looking begins: the top of the git repository, or the directory itself.

    A directory above that belongs to somebody else does not count, as its owner could put
    there what is read by whoever works below.
    """
    top = enclosing(str(cwd))
    if not top:
        return cwd
    try:
        owner = os.stat(top).st_uid
        return Path(top) if owner in (os.geteuid(), os.stat(cwd).st_uid) else cwd
    except OSError:
        return cwd


def find(places: Places, is_hidden: Callable[[Path], bool]) -> Found:
    """Return the files of instructions; what cannot be read is noted.

    `is_hidden` says of a real path whether it is kept from the model.
    """
    search = _Search(places, is_hidden)
    for folder, is_own in _folders(places):
        search.look(folder, is_own=is_own)
    return Found(tuple(search.files), tuple(search.notes))


def _folders(places: Places) -> Iterator[tuple[Path, bool]]:
    yield places.own, True
    top = top_of(places.cwd)
    yield top, False
    for part in places.cwd.relative_to(top).parts:
        top = top / part
        yield top, False


class _Search:
    def __init__(self, places: Places, is_hidden: Callable[[Path], bool]) -> None:
        self.files: list[Instructions] = []
        self.notes: list[str] = []
        self._places = places
        self._is_hidden = is_hidden
        self._top = top_of(places.cwd)
        self._own = Path(os.path.realpath(places.own))
        self._seen: set[Path] = set()

    def look(self, folder: Path, *, is_own: bool) -> None:
        """Take a directory's files, each content once."""
        contents: set[str] = set()
        for name in self._places.names:
            path = folder / name
            if not os.path.lexists(path):
                continue
            taken = self._take(path, is_own=is_own)
            if taken is None:
                continue
            same = " ".join(taken.text.split())
            if same not in contents:
                contents.add(same)
                self._add(taken, 0)

    def _add(self, file: Instructions, depth: int) -> None:
        if len(self.files) >= MOST:
            self.notes.append(f"{self.show(file.path)} is left out: there are {MOST} files already")
            return
        named = imports(file.text)
        leads_on = depth < DEPTH and any(os.path.isfile(self._meant(path, file)) for path in named)
        if file.text.strip() and not (leads_on and only_imports(file.text)):
            self.files.append(file)
        for path in named:
            self._import(path, file, depth + 1)

    def _import(self, named: str, file: Instructions, depth: int) -> None:
        path = self._meant(named, file)
        if not os.path.isfile(path):
            # `@alice` is a person and `@types/node` a package: what looks like a text is missed.
            if named.endswith((".md", ".txt", ".mdx", ".rst")):
                self._miss(named, file, "there is no such file")
        elif depth > DEPTH:
            self._miss(named, file, f"more than {DEPTH} files import one another")
        elif (taken := self._take(path, is_own=file.is_own, by=file)) is not None:
            self._add(replace(taken, imported_by=file.path), depth)

    def _meant(self, named: str, file: Instructions) -> Path:
        if named.startswith("~/"):
            return self._places.home / named[2:]
        return file.path.parent / named

    def _miss(self, named: str, file: Instructions, why: str) -> None:
        self.notes.append(f"`@{named}` in {self.show(file.path)} is not imported: {why}")

    def _take(
        self, path: Path, *, is_own: bool, by: Instructions | None = None
    ) -> Instructions | None:
        """Return a file that was not taken yet, and may be."""
        real = Path(os.path.realpath(path))
        if real in self._seen:
            return None
        shown = f"`{self.show(path)}`" + (f", imported by {self.show(by.path)}," if by else "")
        if why := self._refusal(real, is_own=is_own):
            self.notes.append(f"{shown} is left out: {why}")
            return None
        try:
            file, _ = beneath.open_stream(real)
            with file:
                data = file.read(BYTES + 1)
        except OSError as error:
            self.notes.append(f"{shown} cannot be read: {error.strerror}")
            return None
        if b"\0" in data:
            self.notes.append(f"{shown} is left out: it is no text")
            return None
        self._seen.add(real)
        is_cut = len(data) > BYTES
        if is_cut:
            self.notes.append(f"{shown} is cut: it is larger than {BYTES // 1024} KiB")
        text = data[:BYTES].decode("utf-8", "replace").removeprefix("\ufeff")
        return Instructions(real, text.replace("\r\n", "\n"), is_own=is_own, is_cut=is_cut)

    def _refusal(self, real: Path, *, is_own: bool) -> str:
        # The person's own directory is hidden from the model's tools, but not from this.
        if is_own and self._own in real.parents:
            return "" if real.suffix.lower() == ".md" else "only `.md` files are taken from there"
        if not is_own and self._top != real and self._top not in real.parents:
            return "it leads out of the repository"
        if ".git" in real.parts or (real.name.startswith(".") and real.suffix.lower() != ".md"):
            return "it is hidden"
        return "it is hidden" if self._is_hidden(real) else ""

    def show(self, path: Path) -> str:
        """Return a path for people: relative to the directory worked in, or to home."""
        return show(path, self._places)


def show(path: Path, places: Places) -> str:
    """Return a path for people: relative to the directory worked in, or to home."""
    cwd, top = places.cwd, top_of(places.cwd)
    if path.is_relative_to(top):
        return os.path.relpath(path, cwd)
    return f"~/{path.relative_to(places.home)}" if path.is_relative_to(places.home) else str(path)


def shares(sizes: Sequence[int], budget: int) -> list[int]:
    """Return how much of each there is room for: none gives way to one that has more."""
    out = [0] * len(sizes)
    left = budget
    waiting = sorted(range(len(sizes)), key=sizes.__getitem__)
    for position, index in enumerate(waiting):
        out[index] = min(sizes[index], left // (len(waiting) - position))
        left -= out[index]
    return out
