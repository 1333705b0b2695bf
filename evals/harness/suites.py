"""Where suites are found: by name, as a task file, or by what the loaders read."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from qcode.errors import UsageError
from qcode.evals.harness.task import Task
from qcode.evals.loaders import kit
from qcode.evals.loaders.base import Loading
from qcode.record import Record

SUITES = Path(__file__).parent.parent / "suites"
"""The task files that come with qcode."""

VARIABLE = "QCODE_EVALS"
"""Names folders with task files, parted as PATH is; they are looked at first."""


class Found(Record):
    """What a person's words came to."""

    tasks: tuple[Task, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    """Tasks that cannot be run here, with the reason."""
    notes: tuple[str, ...] = ()


def folders(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders with task files: the person's, qcode's own, one beside a checkout."""
    named = environ.get(VARIABLE, "").split(os.pathsep)
    yield from (Path(each).expanduser() for each in named if each)
    yield SUITES
    checkout = SUITES.resolve().parent.parent
    yield checkout.parent / "shared" / "evals"


def names(environ: Mapping[str, str]) -> list[str]:
    """Return the suites that are found by name."""
    return sorted({path.stem for folder in folders(environ) for path in folder.glob("*.jsonl")})


def located(text: str, environ: Mapping[str, str]) -> str:
    """Return a suite's name as the path of its file where it is one; anything else as it is."""
    if "/" in text or ":" in text or text.endswith(".jsonl"):
        return text
    for folder in folders(environ):
        if (path := folder / f"{text}.jsonl").is_file():
            return str(path)
    return text


def load(
    words: Sequence[str], environ: Mapping[str, str], cache: Path, *, clones: Path | None = None
) -> Found:
    """Return the tasks of suites, in order; each task once.

    Raises:
        UsageError: a suite is not found or not as it should be; the hint names those there are.
        QcodeError: it cannot be fetched.
    """
    loading = Loading(cache, clones=clones, environ=environ)
    tasks: dict[str, Task] = {}
    for word in words:
        place = located(word, environ)
        if place == word and "/" not in word and ":" not in word and not word.endswith(".jsonl"):
            raise UsageError(
                f"there is no suite {word}",
                hint=f"there are: {', '.join(names(environ))}; or name a FILE.jsonl",
            )
        for task in _tasks(place, loading):
            if tasks.setdefault(task.id, task) != task:
                raise UsageError(f"two different tasks are called {task.id}")
    left_out = tuple((each.id, each.reason) for each in loading.left_out)
    return Found(tuple(tasks.values()), left_out, tuple(loading.notes))


def _tasks(place: str, loading: Loading) -> list[Task]:
    path = Path(place)
    if path.suffix == ".jsonl" and (":" not in place or path.is_file()):
        return kit.load(path, loading)
    # Public formats, which need modules of their own.
    loader = import_module("qcode.evals.loaders.registry").loader_for(place)
    tasks: list[Task] = loader.load(loading)
    return tasks


def picked(tasks: Iterable[Task], only: Sequence[str], limit: int | None) -> list[Task]:
    """Return the tasks whose id or category fits one of the globs, at most so many.

    Raises:
        UsageError: none does.
    """
    every = list(tasks)
    fits = [
        task
        for task in every
        if not only or any(fnmatch.fnmatchcase(name, glob)
                           for glob in only for name in (task.id, task.category))
    ]  # fmt: skip
    if not every:
        raise UsageError("none of the tasks can be tried here", hint="`qcode eval list` says why")
    if not fits:
        few = ", ".join(task.id for task in every[:3])
        raise UsageError(f"no task fits {' '.join(only)}", hint=f"they are called {few}, …")
    return fits[:limit]
