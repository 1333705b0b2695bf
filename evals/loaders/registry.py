"""Which loader takes what a person names: `exercism:PATH`, a task file, or a suite's name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

from qcode.errors import UsageError
from qcode.evals.harness.task import Task
from qcode.evals.loaders import kit, source
from qcode.evals.loaders.base import Loading
from qcode.record import Record

SUITES = Path(__file__).parent.parent / "suites"
"""Where the task files are that come with qcode."""

KINDS: Mapping[str, str] = {
    "exercism": "exercism",
    "polyglot": "polyglot",
    "quixbugs": "quixbugs",
    "swebench": "swebench",
    "terminal-bench": "terminal_bench",
    "harbor": "harbor",
    "bfcl": "bfcl",
}
"""What stands before the colon, and the module that reads it: loaded when it is asked for."""


class Loader(Record):
    """What a person named, ready to be read."""

    kind: str
    """One of `KINDS`, or `kit`: a task file."""
    source: str
    """A path or URL, with its pin."""

    @property
    def is_calls(self) -> bool:
        """Whether it has questions that are answered by tool calls, rather than tasks."""
        return self.kind == "bfcl"

    def find(self, loading: Loading) -> Path:
        """Return where it lies, fetched if need be.

        Raises:
            UsageError: it does not exist.
            QcodeError: it cannot be fetched.
        """
        return source.find(self.source, loading)

    def load(self, loading: Loading) -> list[Task]:
        """Return its tasks; what cannot be run here is in `loading.left_out`.

        Raises:
            UsageError: it does not exist, is not as it should be, or has no tasks at all.
            QcodeError: it cannot be fetched.
        """
        if self.is_calls:
            raise UsageError(
                f"{self.kind}:{self.source} has no tasks: it is played by itself, with a model",
                hint=f"qcode eval {self.kind}:{self.source} -m MODEL",
            )
        path = self.find(loading)
        if self.kind == "kit":
            return kit.load(path, loading)
        module = import_module(f"qcode.evals.loaders.{KINDS[self.kind]}")
        tasks: list[Task] = module.load(path, loading)
        return tasks


def loader_for(text: str, *, suites: Path = SUITES) -> Loader:
    """Return the loader for what a person wrote; nothing is read or fetched yet.

    Raises:
        UsageError: nothing is known by that name.
    """
    kind, colon, rest = text.partition(":")
    if colon and kind in KINDS:
        if not rest:
            raise UsageError(f"{text} names no place", hint=f"write {kind}:PATH or {kind}:URL")
        return Loader(kind, rest)
    address = text.partition("#")[0]
    if Path(urlsplit(address).path or address).suffix == ".jsonl":
        return Loader("kit", text)
    if (suites / f"{text}.jsonl").is_file() and "/" not in text:
        return Loader("kit", str(suites / f"{text}.jsonl"))
    names = named(suites)
    every = [*names, *(f"{each}:" for each in KINDS)]
    near = difflib.get_close_matches(text, every, 1)
    raise UsageError(
        f"there is no suite {text}",
        hint=f"did you mean {near[0]}?" if near else f"there are: {', '.join(every)}, FILE.jsonl",
    )


def named(suites: Path = SUITES) -> tuple[str, ...]:
    """Return the suites that come with qcode, by name."""
    return tuple(sorted(each.stem for each in suites.glob("*.jsonl")))
