"""What every loader works with: files as `Content`, and a place to say what was left out."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeAlias

from qcode.errors import UsageError
from qcode.evals.harness.task import Content, Task
from qcode.record import Record

MOST_BYTES = 32 << 20
"""Of the files of one task: it is one line of JSON, and is held in memory."""


class LeftOut(Record):
    """A task of a benchmark that cannot be run here, and why."""

    id: str
    reason: str


class Loading:
    """What loaders are given besides their source, and what they say besides their tasks."""

    def __init__(
        self, cache: Path, *, clones: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        """Prepare it.

        `cache` is where downloads are kept, `clones` a folder of git clones named
        `owner__name`; `environ` tells which programs are installed (`PATH`, `HOME`).
        """
        self.cache = cache
        self.clones = clones
        self.environ = os.environ if environ is None else environ
        self.left_out: list[LeftOut] = []
        self.notes: list[str] = []
        """Lines for the person: what was downloaded, and how to pin it."""

    def leave_out(self, name: str, reason: str) -> None:
        """Say that a task is not run, in one line."""
        self.left_out.append(LeftOut(name, reason))

    def note(self, line: str) -> None:
        """Say something once."""
        if line not in self.notes:
            self.notes.append(line)

    @property
    def home(self) -> Path:
        """The person's home."""
        return Path(self.environ.get("HOME") or Path.home())


Load: TypeAlias = Callable[[Path, Loading], list[Task]]


def content(path: Path) -> Content:
    """Return a file as a task has it: text where it is UTF-8, else base64.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        data = path.read_bytes()
        runs = bool(path.stat().st_mode & stat.S_IXUSR)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return as_content(data, runs=runs)


def as_content(data: bytes, *, runs: bool = False) -> Content:
    """Return bytes as a task has them; `runs` is the executable bit."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        coded = {"b64": base64.b64encode(data).decode("ascii")}
        return {**coded, "exec": True} if runs else coded
    return {"text": text, "exec": True} if runs else text


def as_bytes(value: Content) -> bytes:
    """Return what a file of a task holds; a file that is not to be there holds nothing."""
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode("utf-8")
    if "b64" in value:
        return base64.b64decode(value["b64"])
    return str(value["text"]).encode("utf-8")


def tree(
    folder: Path, *, skip: Iterable[str] = (), most_bytes: int = MOST_BYTES
) -> dict[str, Content]:
    """Return the files below a folder by their relative paths, sorted.

    Links are left out, since they may lead anywhere; so are `.git` and what matches `skip`:
    globs of relative paths, where `name/*` stands for all that is below.

    Raises:
        UsageError: they are larger than a task may be, or cannot be read.
    """
    found: dict[str, Content] = {}
    size = 0
    for name in walk(folder, skip=tuple(skip)):
        found[name] = content(folder / name)
        size += (folder / name).stat().st_size
        if size > most_bytes:
            raise UsageError(
                f"{folder} holds more than {most_bytes >> 20} MB",
                hint="a task has its files in one line; leave large ones out",
            )
    return found


def walk(folder: Path, *, skip: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the relative paths of the regular files below a folder, sorted."""
    names: list[str] = []
    for top, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each not in _NEVER]
        base = os.path.relpath(top, folder)
        for file in files:
            name = file if base == "." else f"{base}/{file}"
            path = Path(top, file)
            if file in _NEVER or path.is_symlink() or not path.is_file():
                continue
            if not any(fnmatch(name, glob) for glob in skip):
                names.append(name)
    yield from sorted(names)


_NEVER = frozenset({".git", "__pycache__", ".pytest_cache", "node_modules", ".gradle"})


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        UsageError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}") from error


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a file of JSON lines with their numbers, from 1; blank lines pass.

    A file that is one JSON array of objects, as exports of tables are, is read as well; its
    numbers count the objects.

    Raises:
        UsageError: it cannot be read, or a line is no JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no UTF-8 text: {error.reason}") from error
    if text.lstrip().startswith("["):
        values = read_json(path)
        rows = list(enumerate(values, 1))
    else:
        rows = []
        # Not splitlines(): it would also part lines at separators that JSON leaves as they are.
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                rows.append((number, json.loads(line)))
            except ValueError as error:
                raise UsageError(f"{path}:{number}: this line is no JSON: {error}") from error
    for number, value in rows:
        if not isinstance(value, dict):
            raise UsageError(f"{path}:{number}: this is no JSON object")
        yield number, value
