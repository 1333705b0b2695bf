"""A results folder read for telling: `results.jsonl`, a header and then a trial a line.

Reading takes no lock and repairs nothing: a report can be made while an evaluation runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from qcode.errors import UsageError
from qcode.evals.harness.trial import REASONS, Conduct, Effort, Header, Trial
from qcode.record import Record

FILE = "results.jsonl"
MOST_BYTES = 512 << 20
"""Of a results file; one trial takes about 1 KB."""

R = TypeVar("R", bound=Record)
Key = tuple[str, str, str, int]


class Arm(Record):
    """Who tried: one scaffold with one model."""

    agent: str
    model: str

    @property
    def name(self) -> str:
        """Both, in one line."""
        return f"{self.agent} × {self.model}"

    @property
    def scaffold(self) -> str:
        """The agent without its version."""
        return self.agent.partition("@")[0]


class Results(Record):
    """What is known of one evaluation."""

    header: Header
    trials: tuple[Trial, ...]
    """Each once, in the order of their identity."""
    folder: Path | None = None
    """Where the artefacts lie; None: nowhere."""
    damaged: int = 0
    """Lines that could not be read, without a torn last one."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Who tried, in order."""
        found = {(trial.agent, trial.model) for trial in self.trials}
        return tuple(Arm(*pair) for pair in sorted(found))

    def of(self, arm: Arm) -> tuple[Trial, ...]:
        """Return what one of them tried."""
        return tuple(t for t in self.trials if (t.agent, t.model) == (arm.agent, arm.model))

    def artefacts(self, trial: Trial) -> Path | None:
        """Return the folder with what is kept of a trial; None: there is none.

        A results file may come from somebody else: what leads out of the folder is not followed.
        """
        if self.folder is None or not trial.artefacts:
            return None
        base = self.folder.resolve()
        found = (base / trial.artefacts).resolve()
        return found if found != base and found.is_relative_to(base) and found.is_dir() else None


def read(place: Path) -> Results:
    """Return the results of a folder, or of its results file.

    Raises:
        UsageError: there is no such file, it is no results file, or it is too large.
    """
    path = place if place.is_file() else place / FILE
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"`{path}` is larger than {MOST_BYTES >> 20} MiB")
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(
            f"cannot read `{path}`: {error.strerror}",
            hint="name the folder that `qcode eval` wrote",
        ) from error
    # What stands behind the last line end was being written when the writer was killed.
    objects = [_object(line) for line in lines[:-1] if line.strip()]
    header = objects[0] if objects else None
    if header is None or "trials" not in header or "task" in header:
        raise UsageError(f"`{path}` is no results file", hint="its first line is to be a header")
    try:
        first = header_from_json(header)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"`{path}`: the header cannot be read: {error}") from error
    trials: list[Trial] = []
    damaged = 0
    for each in objects[1:]:
        try:
            trials.append(trial_from_json(each if each is not None else {}))
        except (KeyError, TypeError, ValueError):
            damaged += 1
    return Results(first, last_of_each(trials), path.parent, damaged)


def last_of_each(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """Return each trial once, in order; what was run again stands for what was before."""
    found = {trial.key: trial for trial in trials}
    return tuple(found[key] for key in sorted(found))


def trial_from_json(data: Mapping[str, Any]) -> Trial:
    """Return a trial; fields that are not known yet are passed over.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    nested = {
        "effort": _record(Effort, data.get("effort") or {}),
        "conduct": _record(Conduct, data.get("conduct") or {}),
    }
    trial = _record(Trial, {**data, **nested})
    if trial.reason not in REASONS:
        raise ValueError(f"no reason `{trial.reason}`")
    return trial


def header_from_json(data: Mapping[str, Any]) -> Header:
    """Return a header; fields that are not known yet are passed over.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    return _record(Header, data)


def to_json(record: Record) -> dict[str, Any]:
    """Return a record as a JSON object, with all its fields."""
    return {name: _plain(getattr(record, name)) for name in fields(type(record))}


def _plain(value: object) -> Any:
    match value:
        case Record():
            return to_json(value)
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
        case tuple() | list():
            return [_plain(each) for each in value]
        case Path():
            return str(value)
        case _:
            return value


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _record(kind: type[R], data: Mapping[str, Any]) -> R:
    hints = _hints(kind)
    values: dict[str, Any] = {}
    for name in fields(kind):
        if name in data:
            values[name] = _value(hints[name], data[name], f"`{name}`")
    return kind(**values)


def fields(kind: type[Record]) -> tuple[str, ...]:
    """Return the names of a record's fields, in order."""
    names: tuple[str, ...] = kind.__match_args__
    return names


@cache
def _hints(kind: type[Record]) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(hint: Any, value: Any, name: str) -> Any:
    """Return a value as a field has it: arrays as tuples, numbers and texts of their own kind."""
    takes = _TAKES.get(hint)
    if isinstance(value, list):
        value = tuple(value)
    if takes is not None and not takes(value):
        raise TypeError(f"{name} is {type(value).__name__}")
    return value


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, str) for each in value)


_TAKES: dict[Any, Callable[[Any], bool]] = {
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    int: _is_int,
    float: _is_number,
    int | None: lambda value: value is None or _is_int(value),
    float | None: lambda value: value is None or _is_number(value),
    tuple[str, ...]: _are_texts,
    Effort: lambda value: isinstance(value, Effort),
    Conduct: lambda value: isinstance(value, Conduct),
    Mapping[str, float]: lambda value: (
        isinstance(value, Mapping) and all(map(_is_number, value.values()))
    ),
    Mapping[str, Any]: lambda value: isinstance(value, Mapping),
    Mapping[str, str]: lambda value: (
        isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values())
    ),
}
