"""The facts of one workspace as a small file: read, written whole, forgotten with time.

It is the person's, in the state directory; nothing of it is taken from the repository.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from qcode.errors import QcodeError
from qcode.facts.place import file_of
from qcode.files_safe import read_small
from qcode.manifests import MANIFESTS, PURPOSES, Purpose
from qcode.record import Record
from qcode.workspace import digest

DAYS = 30
"""After which a fact that was not seen again is forgotten."""
MOST = 40
"""Facts of one workspace; the oldest go first."""


def today() -> date:
    """Return the day that facts are noted under."""
    return datetime.now(UTC).date()


class Fact(Record):
    """What is known of one command."""

    purpose: Purpose
    command: str
    passed: int = 0
    """How often it passed."""
    failed: int = 0
    last: str = ""
    """`passed` or `failed`, or nothing where a person wrote it down."""
    seconds: float = 0.0
    """The last time."""
    flaky: bool = False
    """Whether it passed and failed on the very same files."""
    session: str = ""
    """That saw it last."""
    date: str = ""
    """On which that was, YYYY-MM-DD."""
    rests_on: tuple[tuple[str, str], ...] = ()
    """Manifests and digests of their contents: when one changes, the fact is forgotten."""
    kept: bool = False
    """Whether a person wrote it down: it is kept until they forget it."""


class Store:
    """The facts of one workspace."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.file = file_of(folder, root)
        self.root = root

    def load(self) -> tuple[Fact, ...]:
        """Return all facts, also those that hold no more; none if there is no file.

        Raises:
            QcodeError: the file is damaged.
        """
        data = self.data()
        if data is None:
            return ()
        try:
            workspace, facts = parsed(data)
        except ValueError as error:
            raise QcodeError(
                f"the facts in `{self.file}` are damaged: {error}", hint="mend or delete it"
            ) from error
        return facts if workspace in (None, _name(self.root)) else ()

    def data(self) -> bytes | None:
        """Return the file as it is; None if there is none.

        Raises:
            QcodeError: it cannot be read.
        """
        try:
            return read_small(self.file)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise QcodeError(f"cannot read the facts `{self.file}`: {error.strerror}") from error

    def put(self, data: bytes, instead_of: bytes | None) -> tuple[Fact, ...]:
        """Take what a person wrote for the facts; return them.

        `instead_of` is what they had before them: where the file is another by now, nothing
        is written.

        Raises:
            ValueError: it is not what facts look like, or they are others by now.
            QcodeError: they cannot be written.
        """
        workspace, facts = parsed(data)
        if workspace not in (None, _name(self.root)):
            raise ValueError(f"it is of another workspace: {workspace}")
        with self._locked():
            if self.data() != instead_of:
                raise ValueError("the facts were changed by somebody else meanwhile")
            self._write(facts)
        return facts

    def valid(self, today: date) -> tuple[Fact, ...]:
        """Return the facts that hold: not too old, and what they rest on is as it was.

        Raises:
            QcodeError: the file is damaged.
        """
        facts = self.load()
        present = manifests(self.root) if facts else {}
        return tuple(fact for fact in facts if holds(fact, today, present))

    def change(self, how: Callable[[Sequence[Fact]], Iterable[Fact]]) -> tuple[Fact, ...]:
        """Replace the facts by what a function makes of them, as a whole; return the new ones.

        Raises:
            QcodeError: the file is damaged, or cannot be written.
        """
        with self._locked():
            facts = tuple(how(self.load()))[-MOST:]
            self._write(facts)
        return facts

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Have the file alone; what cannot be done to it is a `QcodeError`."""
        import fcntl

        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(
                self.file.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)  # two sessions may end at once
                yield
            finally:
                os.close(lock)
        except OSError as error:
            raise QcodeError(f"cannot write the facts `{self.file}`: {error.strerror}") from error

    def text(self, facts: Sequence[Fact]) -> str:
        """Return the file's text."""
        whole = {"workspace": _name(self.root), "facts": [_entry(fact) for fact in facts]}
        return json.dumps(whole, ensure_ascii=True, indent=1) + "\n"

    def _write(self, facts: Sequence[Fact]) -> None:
        descriptor, name = tempfile.mkstemp(dir=self.file.parent, prefix=f".{self.file.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as new:
                new.write(self.text(facts))
                new.flush()
                os.fsync(new.fileno())
            os.replace(name, self.file)
        except BaseException:
            os.unlink(name)
            raise


def parsed(data: bytes) -> tuple[str | None, tuple[Fact, ...]]:
    """Return the workspace that a file names, if it does, and its facts.

    Raises:
        ValueError: it is not what facts look like; the words say why.
    """
    try:
        read = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(str(error)) from error
    entries = read.get("facts") if isinstance(read, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it has no list `facts`")
    try:
        return read.get("workspace"), tuple(_fact(entry) for entry in entries)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"an entry is not as it should be: {error}") from error


def _name(root: Path) -> str:
    return os.fsencode(root).decode("utf-8", "backslashreplace")


def holds(fact: Fact, today: date, present: Mapping[str, str]) -> bool:
    """Whether a fact is to be told; `present` are the manifests as they are now."""
    if fact.kept:
        return True
    try:
        age = today - date.fromisoformat(fact.date)
    except ValueError:
        return False
    fresh = age <= timedelta(days=DAYS)
    return fresh and all(present.get(name) == known for name, known in fact.rests_on)


def manifests(root: Path) -> dict[str, str]:
    """Return the manifests at the top of a workspace with digests of their contents."""
    found = {}
    for name in MANIFESTS:
        try:
            found[name] = digest(read_small(root / name))
        except OSError:
            continue
    return found


_RESTS = (
    (re.compile(r"\bmake\b"), ("Makefile", "makefile", "GNUmakefile")),
    (re.compile(r"\bjust\b"), ("justfile", "Justfile")),
    (re.compile(r"\b(?:npm|npx|yarn|pnpm|bunx?|jest|vitest|mocha|eslint|tsc)\b"),
     ("package.json",)),
    (re.compile(r"\bcargo\b"), ("Cargo.toml",)),
    (re.compile(r"\bgo\b"), ("go.mod",)),
    (re.compile(r"\bmvnw?\b"), ("pom.xml",)),
    (re.compile(r"\bgradlew?\b"), ("build.gradle", "build.gradle.kts")),
    (re.compile(r"\btox\b"), ("tox.ini",)),
    (re.compile(r"\bnox\b"), ("noxfile.py",)),
    (re.compile(r"pytest|unittest|ruff|mypy|flake8|pylint|pyright|\buv\b|\bpoetry\b"),
     ("pyproject.toml", "setup.cfg", "pytest.ini")),
)  # fmt: skip


def rests_on(command: str, present: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the manifests that a command rests on, as they are now."""
    names = [name for pattern, names in _RESTS if pattern.search(command) for name in names]
    return tuple((name, present[name]) for name in dict.fromkeys(names) if name in present)


def _entry(fact: Fact) -> dict[str, Any]:
    out: dict[str, Any] = {"purpose": fact.purpose, "command": fact.command}
    if fact.kept:
        out["kept"] = True
    if fact.last:
        out |= {"passed": fact.passed, "failed": fact.failed, "last": fact.last,
                "seconds": fact.seconds, "flaky": fact.flaky}  # fmt: skip
    out |= {"session": fact.session, "date": fact.date}
    if fact.rests_on:
        out["rests_on"] = dict(fact.rests_on)
    return out


def _fact(entry: dict[str, Any]) -> Fact:
    purpose, command = entry["purpose"], entry["command"]
    if purpose not in PURPOSES:
        raise ValueError(f"`purpose` must be one of {', '.join(PURPOSES)}, not {purpose!r}")
    if not isinstance(command, str) or not command.strip():
        raise ValueError("`command` must be a text")
    last = entry.get("last", "")
    if last not in ("", "passed", "failed"):
        raise ValueError("`last` must be `passed` or `failed`")
    return Fact(
        cast("Purpose", purpose),
        command,
        int(entry.get("passed", 0)),
        int(entry.get("failed", 0)),
        last,
        float(entry.get("seconds", 0)),
        entry.get("flaky") is True,
        str(entry.get("session", "")),
        str(entry.get("date", "")),
        tuple((str(name), str(known)) for name, known in entry.get("rests_on", {}).items()),
        entry.get("kept") is True,
    )
