"""Two results set against each other, task by task.

Only tasks that both have, in the very same form, count: where the tasks as a whole are not
the same, each is looked up in the `tasks.jsonl` of both. What else was not the same is said.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from qcode.errors import UsageError
from qcode.evals.harness.trial import Header, Trial
from qcode.evals.reports.columns import UNKNOWN
from qcode.evals.reports.results import Arm, Results
from qcode.evals.reports.stats import (
    ROUNDS,
    Difference,
    Interval,
    mcnemar,
    mean,
    median,
    paired_bootstrap,
    wilson_by_task,
)
from qcode.evals.reports.summary import known, tokens, tries
from qcode.evals.reports.taxonomy import TITLES, classify
from qcode.evals.reports.told import told
from qcode.record import Record

Won: TypeAlias = Literal["first", "second", "neither"]

TASKS = "tasks.jsonl"
_MOST_NAMED = 5


class Changed(Record):
    """A task on which both differ."""

    task: str
    won: Won
    first: float
    """Its pass rate."""
    second: float
    first_why: str
    """What became of the trials that did not pass, in a line; empty: all passed."""
    second_why: str


class Ratio(Record):
    """How much more the second takes: the median over tasks of second to first."""

    name: str
    first: float | None
    """The median over tasks of what a trial takes, in the mean."""
    second: float | None
    ratio: float | None
    """None: no task has a figure of both."""
    tasks: int
    """That have a figure of both."""


class Pair(Record):
    """One agent and model of the first against one of the second."""

    first: Arm
    second: Arm
    tasks: int
    """That were judged on both sides."""
    first_rate: float | None
    """Mean over tasks of their pass rates."""
    second_rate: float | None
    first_interval: Interval
    second_interval: Interval
    difference: Difference
    """By how much the second's rate is higher; paired bootstrap over tasks."""
    first_won: int
    """Tasks on which the first has the higher rate."""
    second_won: int
    chance: float
    """McNemar's exact test: of so uneven a split if neither were better."""
    ratios: tuple[Ratio, ...]
    changed: tuple[Changed, ...]
    first_errors: int
    """Trials of these tasks that were not judged."""
    second_errors: int


class Comparison(Record):
    """Two results set against each other."""

    first: Header
    second: Header
    differs: Mapping[str, tuple[str, str]]
    """What else was not the same in both: seed, limits, settings, versions, machine."""
    only_first: tuple[str, ...]
    """Tasks that only the first was given."""
    only_second: tuple[str, ...]
    other: tuple[str, ...]
    """Tasks that go by the same name and are not the same."""
    pairs: tuple[Pair, ...]


def compare(
    first: Results, second: Results, *, arms: tuple[str, str] = ("", ""), seed: int = 0
) -> Comparison:
    """Set the second results against the first.

    Where each was made by one agent and model, those are compared, whoever they are; else
    those of the same names. `arms` picks one of each: part of its agent's or model's name.

    Raises:
        UsageError: they have no task in common, or it cannot be told who is to be compared.
    """
    shared, other = _shared(first, second)
    mine, theirs = _tasks(first), _tasks(second)
    pairs = [
        _pair(first, second, one, two, shared, seed)
        for one, two in _matched(_picked(first, arms[0]), _picked(second, arms[1]))
    ]
    if not any(pair.tasks for pair in pairs):
        raise UsageError(
            "no task was judged on both sides", hint="look at their errors: `qcode eval report`"
        )
    return Comparison(
        first.header,
        second.header,
        MappingProxyType(_differences(first.header, second.header)),
        tuple(sorted(mine - theirs)),
        tuple(sorted(theirs - mine)),
        tuple(sorted(other)),
        tuple(pairs),
    )


def _tasks(results: Results) -> set[str]:
    return {trial.task for trial in results.trials}


def _shared(first: Results, second: Results) -> tuple[set[str], set[str]]:
    """Return the tasks that are the same in both, and those that have only the name in common.

    Raises:
        UsageError: there is none of the former, or it cannot be told.
    """
    common = _tasks(first) & _tasks(second)
    digests = first.header.tasks_digest, second.header.tasks_digest
    if not common:
        raise UsageError(
            f"they have no task in common: {_some(_tasks(first))} and {_some(_tasks(second))}",
            hint="compare results of the same suite",
        )
    if digests[0] == digests[1] and digests[0]:
        return common, set()
    mine, theirs = task_digests(first.folder), task_digests(second.folder)
    same = {task for task in common if mine.get(task, "") == theirs.get(task) is not None}
    if not same:
        what = f"their tasks differ ({digests[0][:12] or 'none'} and {digests[1][:12] or 'none'})"
        known_both = mine and theirs
        raise UsageError(
            f"{what}, all {len(common)} of the same names too"
            if known_both
            else f"{what}, and there is no `{TASKS}` on both sides to tell which",
            hint="run both with the same version of the suite",
        )
    return same, common - same


def task_digests(folder: Path | None) -> dict[str, str]:
    """Return a digest of each task that an evaluation kept; nothing, where it kept none."""
    found: dict[str, str] = {}
    if folder is None:
        return found
    try:
        lines = (folder / TASKS).read_bytes().splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            task = json.loads(line)
            whole = json.dumps(task, sort_keys=True)
        except (ValueError, RecursionError):
            continue
        if isinstance(task, dict) and isinstance(name := task.get("id"), str):
            found[name] = hashlib.sha256(whole.encode()).hexdigest()
    return found


def _picked(results: Results, wanted: str) -> list[Arm]:
    found = [arm for arm in results.arms if wanted in arm.agent or wanted in arm.model]
    found = [arm for arm in results.arms if arm.name == wanted] or found
    if not found:
        names = "; ".join(arm.name for arm in results.arms) or "nobody yet"
        raise UsageError(f"nobody there is called `{wanted}`", hint=f"there are: {names}")
    return found


def _matched(first: Sequence[Arm], second: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    """Return who is set against whom.

    Raises:
        UsageError: it cannot be told.
    """
    if len(first) == len(second) == 1:
        return [(first[0], second[0])]
    keys: tuple[Callable[[Arm], object], ...] = (
        lambda arm: arm,
        lambda arm: (arm.scaffold, arm.model),
    )
    for key in keys:
        here, there = Counter(map(key, first)), Counter(map(key, second))
        once = [arm for arm in first if here[key(arm)] == there[key(arm)] == 1]
        if once:
            return [(arm, next(t for t in second if key(t) == key(arm))) for arm in once]
    raise UsageError(
        f"nobody is in both: {'; '.join(arm.name for arm in first)} and "
        f"{'; '.join(arm.name for arm in second)}",
        hint="pick one of each by part of a name",
    )


def _pair(first: Results, second: Results, one: Arm, two: Arm, shared: set[str], seed: int) -> Pair:
    mine = [trial for trial in first.of(one) if trial.task in shared]
    theirs = [trial for trial in second.of(two) if trial.task in shared]
    tried, others = tries(mine), tries(theirs)
    both = sorted(tried.keys() & others.keys())
    rates = {
        task: (tried[task].passed / tried[task].total, others[task].passed / others[task].total)
        for task in both
    }
    firsts, seconds = [rates[task][0] for task in both], [rates[task][1] for task in both]
    won = Counter(_won(*rates[task]) for task in both)
    changed = [
        Changed(
            task,
            _won(*rates[task]),
            *rates[task],
            _why(first, mine, task),
            _why(second, theirs, task),
        )
        for task in both
        if _won(*rates[task]) != "neither"
    ]
    return Pair(
        one,
        two,
        len(both),
        mean(firsts),
        mean(seconds),
        wilson_by_task([tried[task] for task in both]),
        wilson_by_task([others[task] for task in both]),
        paired_bootstrap(firsts, seconds, seed=seed, rounds=ROUNDS),
        won["first"],
        won["second"],
        mcnemar(won["first"], won["second"]),
        tuple(_ratio(name, figure, mine, theirs, both) for name, figure in _FIGURES.items()),
        tuple(changed),
        sum(trial.reason == "error" for trial in mine),
        sum(trial.reason == "error" for trial in theirs),
    )


def _won(first: float, second: float) -> Won:
    return "first" if first > second else "second" if second > first else "neither"


def _why(results: Results, trials: Sequence[Trial], task: str) -> str:
    """Return what became of a task's trials that did not pass: the commonest class, its line."""
    found = [
        classify(trial, told(results.artefacts(trial)))
        for trial in trials
        if trial.task == task and not trial.passed and trial.reason != "error"
    ]
    if not found:
        return ""
    counted = Counter(failure.kind for failure in found)
    kind = max(counted, key=lambda kind: (counted[kind], kind))
    evidence = next(failure.evidence for failure in found if failure.kind == kind)
    return ": ".join(filter(None, (TITLES[kind], evidence)))


_FIGURES: Mapping[str, Callable[[Trial], float | None]] = {
    "tokens": tokens,
    "written tokens": lambda trial: trial.effort.written_tokens,
    "steps": lambda trial: trial.effort.steps,
    "cost": lambda trial: trial.effort.cost_usd,
    "wall time": lambda trial: trial.effort.wall_s,
}


def _ratio(
    name: str,
    figure: Callable[[Trial], float | None],
    first: Sequence[Trial],
    second: Sequence[Trial],
    tasks: Sequence[str],
) -> Ratio:
    ones, twos = _means(figure, first), _means(figure, second)
    both = [(ones[task], twos[task]) for task in tasks if task in ones and task in twos]
    return Ratio(
        name,
        median([one for one, _ in both]),
        median([two for _, two in both]),
        median([two / one for one, two in both if one > 0]),
        len(both),
    )


def _means(figure: Callable[[Trial], float | None], trials: Sequence[Trial]) -> dict[str, float]:
    """Return the mean of a figure over the judged trials of each task, where it is known."""
    values: dict[str, list[float]] = {}
    for trial in trials:
        if trial.reason != "error":
            values.setdefault(trial.task, []).extend(known([figure(trial)]))
    return {task: sum(found) / len(found) for task, found in values.items() if found}


def _differences(first: Header, second: Header) -> dict[str, tuple[str, str]]:
    """Return what was not the same, by its name, each side in a line."""
    found = {}
    for name in ("suites", "trials", "seed", "machine"):
        one, two = _shown(getattr(first, name)), _shown(getattr(second, name))
        if one != two:
            found[name] = one, two
    for name in ("limits", "settings", "versions"):
        ones: Mapping[str, Any] = getattr(first, name)
        twos: Mapping[str, Any] = getattr(second, name)
        for key in sorted({*ones, *twos}):
            one, two = _shown(ones.get(key)), _shown(twos.get(key))
            if one != two:
                found[f"{name}: {key}"] = one, two
    return found


def _shown(value: object) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _some(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:_MOST_NAMED]) or "none"
    return f"{shown}, …" if len(names) > _MOST_NAMED else shown
