"""A results folder: `results.jsonl`, the header first, then a line a trial, each whole or absent.

```
DIR/results.jsonl     appended to and synced, one writer at a time
DIR/tasks.jsonl       the tasks as they were, so that going on needs no suite
DIR/trials/…          what is kept of each trial
DIR/work/…            folders of trials under way; what is found there at opening was killed
```

Where a project lies around the results folder, whose settings test runners, package managers
and agents would find above a trial's folder and obey, `work` is in the temporary directory.

A process may be killed at any byte: a torn last line is cut off at the next opening, and a
trial that is not there whole was never run.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from qcode.errors import QcodeError, UsageError
from qcode.evals.harness import processes
from qcode.evals.harness.records import digest, from_json, to_json
from qcode.evals.harness.task import Task
from qcode.evals.harness.trial import Header, Trial
from qcode.record import Record

RESULTS = "results.jsonl"
TASKS = "tasks.jsonl"
TRIALS = "trials"
WORK = "work"
_MOST_NAME = 120
"""Characters of a folder's name, before what tells it apart."""
_OBEYED = (
    *(".git", ".hg", "pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "conftest.py"),
    *("package.json", "Cargo.toml", "go.mod", "go.work", "pom.xml", "build.gradle", "Makefile"),
    *("AGENTS.md", "QCODE.md", "QWEN.md", "CLAUDE.md", ".qcode", ".qwen", ".claude"),
)
"""What is looked for in the folders above, by one tool or another."""


class Read(Record):
    """What a results folder holds."""

    header: Header
    trials: tuple[Trial, ...]


def read(folder: Path) -> Read:
    """Return what stands in a results folder, without touching it.

    Raises:
        QcodeError: there are no results, or they are of another kind.
    """
    path = folder / RESULTS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"no results in `{folder}`: {error.strerror}",
            hint="name the folder that `qcode eval` made, evals-results/…",
        ) from error
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    if not lines:
        raise QcodeError(f"`{path}` is empty", hint="the evaluation was killed before it began")
    return Read(
        from_json(Header, _parsed(path, 1, lines[0])),
        tuple(
            from_json(Trial, _parsed(path, number, line))
            for number, line in enumerate(lines[1:], 2)
        ),
    )


def _parsed(path: Path, number: int, line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError as error:
        raise QcodeError(
            f"`{path}`, line {number}: not JSON ({error})",
            hint="only whole lines are ever written; something else changed the file",
        ) from error


def read_tasks(folder: Path) -> list[Task]:
    """Return the tasks that an evaluation was made with.

    Raises:
        QcodeError: they are not there.
    """
    try:
        text = (folder / TASKS).read_bytes().decode("utf-8")
    except OSError as error:
        raise QcodeError(f"no tasks in `{folder}`: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise QcodeError(f"the tasks in `{folder}` are no UTF-8 text any more") from error
    try:
        return [from_json(Task, json.loads(line)) for line in text.split("\n") if line]
    except ValueError as error:
        raise QcodeError(f"the tasks in `{folder}` are not those it began with: {error}") from error


def work_for(folder: Path) -> Path:
    """Return where trials of a results folder work: always the same place for the same folder."""
    top = folder.resolve()
    if not any((above / name).exists() for above in (top, *top.parents) for name in _OBEYED):
        return top / WORK
    told = hashlib.sha256(os.fsencode(top)).hexdigest()[:16]
    return Path(tempfile.gettempdir()).resolve() / f"qcode-eval-{os.getuid()}-{told}"


def name_of(text: str) -> str:
    """Return a text as part of a path: letters, digits and a few signs."""
    return re.sub(r"[^A-Za-z0-9._@+-]+", "-", text).strip(".-") or "x"


def told_apart(text: str) -> str:
    """Return a text as part of a path that no other text has."""
    name = name_of(text)
    if name == text and len(name) <= _MOST_NAME:
        return name
    return f"{name[:_MOST_NAME]}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"


class Store:
    """An open results folder; the only writer of it, kept so by a lock."""

    def __init__(self, folder: Path, descriptor: int, header: Header) -> None:
        self.folder = folder
        self.header = header
        self._descriptor = descriptor
        self.trials: list[Trial] = []

    @classmethod
    def create(cls, folder: Path, header: Header, tasks: Sequence[Task]) -> Self:
        """Begin an evaluation's results.

        Raises:
            UsageError: something is there already, or the folder cannot be made.
        """
        path = folder / RESULTS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UsageError(f"cannot write results to `{folder}`: {error.strerror}") from error
        try:
            _lock(descriptor, folder)
            if os.fstat(descriptor).st_size:
                raise UsageError(
                    f"there are results in `{folder}`", hint=f"go on with --resume {folder}"
                )
            # Tasks first: where there is a header, there is all that going on needs.
            _write_whole(folder / TASKS, b"".join(map(_line, tasks)))
            store = cls(folder, descriptor, header)
            store._append(header)
        except BaseException:
            os.close(descriptor)
            raise
        return store

    @classmethod
    def reopen(cls, folder: Path) -> Self:
        """Go on with an evaluation; what a killed one left half done is cleared away.

        Raises:
            QcodeError: there is none, another process works on it, or its tasks are others now.
        """
        path = folder / RESULTS
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(
                f"no results in `{folder}`: {error.strerror}",
                hint="name the folder that `qcode eval` made, evals-results/…",
            ) from error
        try:
            _lock(descriptor, folder)
            data = path.read_bytes()
            os.ftruncate(descriptor, data.rfind(b"\n") + 1)
            os.lseek(descriptor, 0, os.SEEK_END)
            held = read(folder)
            if digest(read_tasks(folder)) != held.header.tasks_digest:
                raise QcodeError(f"the tasks in `{folder}` are not those it began with")
            store = cls(folder, descriptor, held.header)
            store.trials = list(held.trials)
            store.clear()
        except BaseException:
            os.close(descriptor)
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self.close()

    @property
    def work(self) -> Path:
        """Where trials under way have their folders."""
        return work_for(self.folder)

    def artefacts(self, key: tuple[str, str, str, int]) -> Path:
        """Return the folder of what is kept of a trial."""
        task, agent, model, number = key
        who = told_apart(f"{agent}+{model}")
        return self.folder / TRIALS / who / told_apart(task) / str(number)

    def add(self, trial: Trial) -> None:
        """Write a trial down; it is on the disk when this returns."""
        self._append(trial)
        self.trials.append(trial)

    def drop(self, keys: Iterable[tuple[str, str, str, int]]) -> None:
        """Forget trials, so that they are run again; all of them or none."""
        gone = set(keys)
        kept = [trial for trial in self.trials if trial.key not in gone]
        lines = [_line(self.header), *map(_line, kept)]
        # Written over the very file, so that the lock holds: shorter, then cut; a kill in
        # between is why it is first written beside and renamed.
        path = self.folder / RESULTS
        _write_whole(path, b"".join(lines))
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        _lock(descriptor, self.folder)
        os.lseek(descriptor, 0, os.SEEK_END)
        os.close(self._descriptor)
        self._descriptor = descriptor
        self.trials = kept

    def place(self, key: tuple[str, str, str, int]) -> Path:
        """Return a new, empty folder for a trial to work in.

        Raises:
            QcodeError: it cannot be made, or somebody else's is in its place.
        """
        task, _, _, number = key
        told = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:8]
        try:
            self.work.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.work.stat().st_uid != os.getuid() or self.work.is_symlink():
                raise QcodeError(f"`{self.work}` is not yours", hint="remove it, or set TMPDIR")
            # Short: some tools put sockets below it. The rest of the key is told apart by a digest.
            place = self.work / f"{name_of(task)[:60]}-{number}-{told}"
            remove(place)
            place.mkdir()
        except OSError as error:
            raise QcodeError(f"cannot make a folder for {task}: {error.strerror}") from error
        return place

    def remove_place(self, place: Path) -> None:
        """Remove a trial's folder, and the folder of all such once it is empty."""
        remove(place)
        with contextlib.suppress(OSError):
            self.work.rmdir()

    def clear(self) -> None:
        """End and remove what trials under way left; what is kept of none goes as well."""
        if self.work.exists():
            processes.end_leftovers(self.work)
            remove(self.work)
        known = {self.folder / trial.artefacts for trial in self.trials if trial.artefacts}
        for folder in (self.folder / TRIALS).glob("*/*/*"):
            if folder not in known:
                remove(folder)

    def close(self) -> None:
        """Give the folder up."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, record: Record) -> None:
        line = _line(record)
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise QcodeError(
                f"cannot write results to `{self.folder}`: {error.strerror}",
                hint=f"make room, then --resume {self.folder}",
            ) from error


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(
            f"another process works on `{folder}`", hint="wait for it, or end it"
        ) from error


def _line(record: Record) -> bytes:
    # ASCII: a lone surrogate of a model's can be written so, and no line ends but at its end.
    return json.dumps(to_json(record), ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _write_whole(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def remove(folder: Path) -> None:
    """Remove a folder whatever a program made of it: read-only folders are opened first."""

    def open_up(_function: object, name: str, _error: BaseException) -> None:
        parent = Path(name).parent
        for path in (parent, Path(name)):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        if Path(name).is_dir() and not Path(name).is_symlink():
            shutil.rmtree(name, ignore_errors=True)
        else:
            Path(name).unlink(missing_ok=True)

    try:
        if sys.version_info >= (3, 12):
            shutil.rmtree(folder, onexc=open_up)
        else:
            shutil.rmtree(folder, onerror=lambda f, n, e: open_up(f, n, e[1]))
    except FileNotFoundError:
        pass
    except RecursionError:
        # Folders in folders, deeper than Python goes before 3.13; for `rm` that is no limit.
        subprocess.run(["rm", "-rf", "--", str(folder)], check=False, stderr=subprocess.DEVNULL)
