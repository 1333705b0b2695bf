"""Figures of one evaluation: how often, how dear, how long, by who tried; pure.

Trials that ended in an error of the set-up or the endpoint are in no rate and in no figure:
they are counted beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from qcode.evals.harness.trial import Header, Trial
from qcode.evals.reports.results import Arm, Key, Results
from qcode.evals.reports.stats import (
    Interval,
    Tried,
    mean,
    mean_pass_at_k,
    median,
    quantile,
    wilson_by_task,
)
from qcode.evals.reports.taxonomy import KINDS, Failure, Kind, classify
from qcode.evals.reports.told import told
from qcode.record import Record

ALL = "all"
"""The suite of a row over several of them."""
_KS = (1, 2, 3, 5, 10, 20, 50, 100)
"""Of pass@k that is told, as far as tasks were tried so often, and for all that they were."""


class PassAt(Record):
    """The chance that one of so many trials passes."""

    k: int
    value: float
    tasks: int
    """That were tried so often."""


class Row(Record):
    """One agent and model on one suite."""

    arm: Arm
    suite: str
    tasks: int
    trials: int
    """That were judged."""
    errors: int
    """That were not, besides."""
    passed: int
    solved: int
    """Tasks with a trial that passed."""
    rate: float | None
    """None: nothing was judged."""
    interval: Interval
    pass_at: tuple[PassAt, ...]
    read_tokens: float | None
    """Of a trial, its mean; None where no agent or server tells."""
    cached_tokens: float | None
    written_tokens: float | None
    cost_usd: float | None
    tokens_per_pass: float | None
    """Read, cached and written, of all trials, for each that passed; None: none did."""
    cost_per_pass: float | None
    total_cost_usd: float | None
    wall_median_s: float | None
    wall_p90_s: float | None
    model_share: float | None
    """Of the wall time, waiting for the model."""
    steps: float | None
    """Of a trial, the median."""
    calls: int | None
    """Of all trials together, as all that follows; None where the agent does not tell."""
    failed_calls: int | None
    unread_calls: int | None
    repaired_calls: int | None
    edits: int | None
    failed_edits: int | None
    loops: int | None
    blocked: int | None
    denied: int | None
    kinds: Mapping[Kind, int] = MappingProxyType({})
    """How many trials are of each class, without those that passed; in the order of `KINDS`."""


class Summary(Record):
    """All that a report tells."""

    header: Header
    rows: tuple[Row, ...]
    """By arm and suite; where there are several suites, a row over all stands before them."""
    trials: tuple[Trial, ...]
    failures: Mapping[Key, Failure]
    """The class of each trial."""
    damaged: int = 0

    @property
    def wholes(self) -> tuple[Row, ...]:
        """One row for each arm: over all suites."""
        found: dict[Arm, Row] = {}
        for row in self.rows:
            found.setdefault(row.arm, row)
        return tuple(found.values())


def summarise(results: Results) -> Summary:
    """Return the figures; the same results give the same ones."""
    failures = {
        trial.key: classify(trial, told(None if trial.passed else results.artefacts(trial)))
        for trial in results.trials
    }
    rows = []
    for arm in results.arms:
        trials = results.of(arm)
        suites = sorted({trial.suite for trial in trials})
        if len(suites) > 1:
            rows.append(row(arm, ALL, trials, failures))
        for suite in suites:
            of_suite = [trial for trial in trials if trial.suite == suite]
            rows.append(row(arm, suite, of_suite, failures))
    return Summary(results.header, tuple(rows), results.trials, failures, results.damaged)


def row(arm: Arm, suite: str, trials: Sequence[Trial], failures: Mapping[Key, Failure]) -> Row:
    """Return the figures of some trials."""
    judged = [trial for trial in trials if trial.reason != "error"]
    tasks = tries(judged)
    passed = sum(trial.passed for trial in judged)
    efforts = [trial.effort for trial in judged]
    conducts = [trial.conduct for trial in judged]
    used = known(map(tokens, judged))
    costs = known(effort.cost_usd for effort in efforts)
    walls = [effort.wall_s for effort in efforts]
    timed = [effort for effort in efforts if effort.model_s is not None]
    counted = Counter(failures[trial.key].kind for trial in trials if not trial.passed)

    def each(field: str) -> float | None:
        return mean(known(getattr(effort, field) for effort in efforts))

    def all_of(field: str) -> int | None:
        found = known(getattr(conduct, field) for conduct in conducts)
        return int(sum(found)) if found else None

    return Row(
        arm=arm,
        suite=suite,
        tasks=len({trial.task for trial in trials}),
        trials=len(judged),
        errors=len(trials) - len(judged),
        passed=passed,
        solved=sum(task.passed > 0 for task in tasks.values()),
        rate=passed / len(judged) if judged else None,
        interval=wilson_by_task(list(tasks.values())),
        pass_at=_pass_at(list(tasks.values())),
        read_tokens=each("read_tokens"),
        cached_tokens=each("cached_tokens"),
        written_tokens=each("written_tokens"),
        cost_usd=mean(costs),
        # What is unknown of some trials is taken to be like that of the others.
        tokens_per_pass=_per_pass(mean(used), len(judged), passed),
        cost_per_pass=_per_pass(mean(costs), len(judged), passed),
        total_cost_usd=sum(costs) if costs else None,
        wall_median_s=median(walls),
        wall_p90_s=quantile(walls, 0.9),
        model_share=_share(
            sum(effort.model_s or 0.0 for effort in timed), sum(effort.wall_s for effort in timed)
        ),
        steps=median(known(effort.steps for effort in efforts)),
        calls=all_of("calls"),
        failed_calls=all_of("failed_calls"),
        unread_calls=all_of("unread_calls"),
        repaired_calls=all_of("repaired_calls"),
        edits=all_of("edits"),
        failed_edits=all_of("failed_edits"),
        loops=all_of("loops"),
        blocked=all_of("blocked"),
        denied=all_of("denied"),
        kinds=MappingProxyType({kind: counted[kind] for kind in KINDS if counted[kind]}),
    )


def tries(trials: Iterable[Trial]) -> dict[str, Tried]:
    """Return how often each task was tried and passed, in order; errors are no tries."""
    passed, total = Counter[str](), Counter[str]()
    for trial in trials:
        if trial.reason != "error":
            total[trial.task] += 1
            passed[trial.task] += trial.passed
    return {task: Tried(passed[task], total[task]) for task in sorted(total)}


def known(values: Iterable[float | None]) -> list[float]:
    """Return the values that are known."""
    return [value for value in values if value is not None]


def tokens(trial: Trial) -> int | None:
    """Return all tokens of a trial; None: nothing is known of them."""
    effort = trial.effort
    parts = known((effort.read_tokens, effort.cached_tokens, effort.written_tokens))
    return int(sum(parts)) if parts else None


def _per_pass(each: float | None, trials: int, passed: int) -> float | None:
    return each * trials / passed if each is not None and passed else None


def _share(part: float, whole: float) -> float | None:
    return min(1.0, part / whole) if whole > 0 else None


def _pass_at(tasks: Sequence[Tried]) -> tuple[PassAt, ...]:
    most = max((task.total for task in tasks), default=0)
    found = []
    for k in sorted({k for k in (*_KS, most) if 1 <= k <= most}):
        if (value := mean_pass_at_k(tasks, k)) is not None:
            found.append(PassAt(k, *value))
    return tuple(found)
