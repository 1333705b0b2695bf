"""Rates with what is not known about them; pure, and the same on every machine.

Sources: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
JASA 22 (1927); M. Chen et al., "Evaluating Large Language Models Trained on Code" (2021),
section 2.1, for pass@k; Q. McNemar, Psychometrika 12 (1947), in its exact form; B. Efron,
"Bootstrap Methods", Annals of Statistics 7 (1979); L. Kish, "Survey Sampling" (1965), for the
design effect of samples that come in clusters.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from qcode.record import Record

Z = 1.959963984540054
"""The normal distribution's 97.5 % point: intervals are of 95 %."""
ROUNDS = 10_000
"""Of the bootstrap: the ends of an interval are then sure to about half a point."""
MOST_DRAWS = 20_000_000
"""Over all rounds; with very many tasks there are fewer rounds, since each says more."""
LEAST_ROUNDS = 1_000


class Interval(Record):
    """Where a value may well lie."""

    low: float
    high: float


class Difference(Record):
    """What the second of two is more than the first."""

    value: float
    low: float
    high: float


class Tried(Record):
    """How often one task was tried, and with what result."""

    passed: int
    total: int


def wilson(passed: float, total: float, z: float = Z) -> Interval:
    """Return the interval of a rate; with nothing tried it is all of 0 to 1.

    The numbers need not be whole: an effective sample may be smaller than what was drawn.
    """
    if total <= 0:
        return Interval(0.0, 1.0)
    rate, squared = passed / total, z * z
    middle = (rate + squared / (2 * total)) / (1 + squared / total)
    spread = rate * (1 - rate) / total + squared / (4 * total * total)
    half = z * math.sqrt(max(0.0, spread)) / (1 + squared / total)
    # At the ends it touches 0 and 1 by its formula; rounding must not put it inside.
    low = 0.0 if passed <= 0 else max(0.0, middle - half)
    high = 1.0 if passed >= total else min(1.0, middle + half)
    return Interval(low, high)


def design_effect(tasks: Sequence[Tried]) -> float:
    """Return how many trials count as one, since trials of one task are alike.

    1 where each task was tried once, and at most the trials per task: then only tasks count.
    The variance of a ratio over clusters is set against that of as many single draws. Where
    all passed or all failed nothing can be told of it, and only tasks count.
    """
    tried = [task for task in tasks if task.total]
    total = sum(task.total for task in tried)
    if not tried or total == len(tried):
        return 1.0
    most = total / len(tried)
    rate = sum(task.passed for task in tried) / total
    if not 0 < rate < 1 or len(tried) == 1:
        return most
    squares = sum((task.passed - rate * task.total) ** 2 for task in tried)
    variance = len(tried) / (len(tried) - 1) * squares / total**2
    return min(most, max(1.0, variance / (rate * (1 - rate) / total)))


def wilson_by_task(tasks: Sequence[Tried], z: float = Z) -> Interval:
    """Return the interval of the rate over all trials, which are as many as they are worth.

    With one trial a task it is Wilson's own.
    """
    effect = design_effect(tasks)
    passed, total = sum(task.passed for task in tasks), sum(task.total for task in tasks)
    return wilson(passed / effect, total / effect, z)


def pass_at_k(total: int, passed: int, k: int) -> float:
    """Return the chance that of `k` trials one passes, as `total` of which `passed` show it.

    Unbiased: the share of all choices of `k` trials that hold one that passed.

    Raises:
        ValueError: `k` is not among 1 to `total`, or `passed` not among 0 to `total`.
    """
    if not 1 <= k <= total or not 0 <= passed <= total:
        raise ValueError(f"pass@{k} cannot be told from {passed} of {total}")
    return 1.0 - math.comb(total - passed, k) / math.comb(total, k)


def mean_pass_at_k(tasks: Sequence[Tried], k: int) -> tuple[float, int] | None:
    """Return pass@k over the tasks that were tried so often, and how many those are.

    None: there is no such task.
    """
    found = [pass_at_k(task.total, task.passed, k) for task in tasks if task.total >= k]
    return (math.fsum(found) / len(found), len(found)) if found else None


def paired_bootstrap(
    first: Sequence[float], second: Sequence[float], *, seed: int = 0, rounds: int = ROUNDS
) -> Difference:
    """Return by how much the second's mean is higher, with an interval of 95 %.

    Both have a value for each task, in the same order. Tasks are drawn anew, so that what
    makes a task hard for both does not widen the interval. With no task it is -1 to 1.

    Raises:
        ValueError: there are not as many of both.
    """
    deltas = [b - a for a, b in zip(first, second, strict=True)]
    count = len(deltas)
    if not count:
        return Difference(0.0, -1.0, 1.0)
    draw = random.Random(seed).choices
    rounds = max(LEAST_ROUNDS, min(rounds, MOST_DRAWS // count))
    means = sorted(math.fsum(draw(deltas, k=count)) / count for _ in range(rounds))
    return Difference(
        math.fsum(deltas) / count,
        quantile_of_sorted(means, 0.025),
        quantile_of_sorted(means, 0.975),
    )


def mcnemar(first: int, second: int) -> float:
    """Return the chance of so uneven a split if neither were better, two-sided and exact.

    `first` and `second` are the tasks that only the one or only the other won; those on which
    both did equally well say nothing of it.

    Raises:
        ValueError: one of them is negative.
    """
    if first < 0 or second < 0:
        raise ValueError(f"{min(first, second)} tasks were won")
    total, fewer = first + second, min(first, second)
    ways = sum(math.comb(total, won) for won in range(fewer + 1))
    return min(1.0, 2 * ways / (1 << total))


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return what so large a share of the values is below, between two by where it lies.

    None: there is no value.
    """
    return quantile_of_sorted(sorted(values), share) if values else None


def median(values: Sequence[float]) -> float | None:
    """Return the middle one; None: there is no value."""
    return quantile(values, 0.5)


def mean(values: Sequence[float]) -> float | None:
    """Return the mean; None: there is no value."""
    return math.fsum(values) / len(values) if values else None


def quantile_of_sorted(values: Sequence[float], share: float) -> float:
    """Return a quantile of values that are in order, of which there is at least one."""
    at = share * (len(values) - 1)
    below = math.floor(at)
    if below + 1 >= len(values):
        return values[-1]
    return values[below] + (at - below) * (values[below + 1] - values[below])
