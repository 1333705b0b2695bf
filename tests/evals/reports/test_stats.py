"""Intervals, pass@k, the bootstrap and McNemar's test, against known values and brute force."""

from __future__ import annotations

import itertools
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as some

from qcode.evals.reports.stats import (
    Difference,
    Interval,
    Tried,
    design_effect,
    mcnemar,
    mean,
    mean_pass_at_k,
    median,
    paired_bootstrap,
    pass_at_k,
    quantile,
    wilson,
    wilson_by_task,
)

counts = some.integers(1, 200).flatmap(lambda n: some.tuples(some.integers(0, n), some.just(n)))


@pytest.mark.parametrize(
    "passed, total, low, high",
    [
        (0, 10, 0.0, 0.27753),  # z² / (n + z²)
        (10, 10, 0.72247, 1.0),
        (5, 10, 0.23659, 0.76341),
        (1, 1, 0.20655, 1.0),
        (81, 263, 0.2553, 0.3662),  # R. G. Newcombe, Statistics in Medicine 17 (1998), table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_values(
    passed: int, total: int, low: float, high: float
) -> None:
    found = wilson(passed, total)

    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


@given(counts)
def test_wilson_holds_the_rate_and_mirrors_failures(count: tuple[int, int]) -> None:
    passed, total = count

    found, mirrored = wilson(passed, total), wilson(total - passed, total)

    assert 0 <= found.low <= passed / total <= found.high <= 1
    assert found.low == pytest.approx(1 - mirrored.high)


@given(counts)
def test_wilsons_ends_are_the_rates_that_a_score_test_just_accepts(count: tuple[int, int]) -> None:
    passed, total = count
    found = wilson(passed, total)

    for end in (found.low, found.high):
        if 0 < end < 1:
            off = abs(passed / total - end) / math.sqrt(end * (1 - end) / total)
            assert off == pytest.approx(1.959964, abs=1e-4)


def test_nothing_tried_may_be_any_rate() -> None:
    assert wilson(0, 0) == Interval(0.0, 1.0)


@given(some.integers(1, 9).flatmap(lambda n: some.tuples(*[some.integers(0, n)] * 2, some.just(n))))
def test_pass_at_k_is_the_share_of_choices_that_hold_a_pass(
    drawn: tuple[int, int, int],
) -> None:
    passed, k, total = drawn[0], max(1, drawn[1]), drawn[2]
    trials = [True] * passed + [False] * (total - passed)

    choices = list(itertools.combinations(trials, k))

    expected = sum(map(any, choices)) / len(choices)
    assert pass_at_k(total, passed, k) == pytest.approx(expected)


@pytest.mark.parametrize("total, passed, k", [(3, 1, 4), (3, 1, 0), (3, 4, 1), (3, -1, 1)])
def test_pass_at_k_of_what_was_not_tried_is_refused(total: int, passed: int, k: int) -> None:
    with pytest.raises(ValueError, match="cannot be told"):
        pass_at_k(total, passed, k)


def test_mean_pass_at_k_leaves_out_tasks_that_were_tried_less_often() -> None:
    tasks = [Tried(1, 2), Tried(0, 2), Tried(1, 1)]

    assert mean_pass_at_k(tasks, 1) == (0.5, 3)
    assert mean_pass_at_k(tasks, 2) == (0.5, 2)
    assert mean_pass_at_k(tasks, 3) is None


def test_one_trial_a_task_is_wilsons_own_interval() -> None:
    tasks = [Tried(1, 1)] * 7 + [Tried(0, 1)] * 3

    assert wilson_by_task(tasks) == wilson(7, 10)


def test_trials_that_are_all_alike_count_as_their_tasks() -> None:
    tasks = [Tried(5, 5)] * 6 + [Tried(0, 5)] * 4

    assert design_effect(tasks) == 5
    assert wilson_by_task(tasks) == wilson(6, 10)


def test_where_all_passed_only_tasks_count() -> None:
    assert wilson_by_task([Tried(3, 3)] * 4) == wilson(4, 4)


@given(some.lists(some.integers(1, 5).map(lambda n: Tried(n // 2, n)), min_size=1, max_size=30))
def test_the_design_effect_is_between_one_and_the_trials_of_a_task(tasks: list[Tried]) -> None:
    most = sum(task.total for task in tasks) / len(tasks)

    assert 1 <= design_effect(tasks) <= most + 1e-9


def test_the_bootstrap_agrees_with_all_resamples_of_few_tasks() -> None:
    first, second = [0.0, 1.0, 0.0, 0.5, 0.0], [1.0, 0.0, 1.0, 0.5, 1.0]
    deltas = [b - a for a, b in zip(first, second, strict=True)]
    every = [statistics.fmean(drawn) for drawn in itertools.product(deltas, repeat=5)]

    found = paired_bootstrap(first, second, seed=3)

    assert found.value == pytest.approx(0.4)
    assert found.low == pytest.approx(quantile(every, 0.025), abs=0.11)
    assert found.high == pytest.approx(quantile(every, 0.975), abs=0.11)


@given(some.lists(some.tuples(some.floats(0, 1), some.floats(0, 1)), min_size=1, max_size=8))
def test_the_bootstrap_of_the_other_way_round_is_the_mirror(
    pairs: list[tuple[float, float]],
) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]

    there = paired_bootstrap(first, second, seed=1, rounds=1_000)
    back = paired_bootstrap(second, first, seed=1, rounds=1_000)

    assert there.value == pytest.approx(-back.value)
    assert there.low == pytest.approx(-back.high)
    assert there.low <= there.high


def test_the_bootstrap_is_the_same_with_the_same_seed() -> None:
    first, second = [0.0, 1.0] * 9, [1.0, 1.0, 0.0] * 6

    assert paired_bootstrap(first, second, seed=5) == paired_bootstrap(first, second, seed=5)


def test_tasks_on_which_both_are_equal_leave_no_doubt() -> None:
    assert paired_bootstrap([1.0, 0.0], [1.0, 0.0]) == Difference(0.0, 0.0, 0.0)


def test_no_task_leaves_all_in_doubt() -> None:
    assert paired_bootstrap([], []) == Difference(0.0, -1.0, 1.0)


def test_unequal_numbers_of_tasks_are_no_pairs() -> None:
    with pytest.raises(ValueError):
        paired_bootstrap([1.0], [])


@given(some.integers(0, 6), some.integers(0, 6))
def test_mcnemar_is_the_share_of_coin_tosses_as_uneven(first: int, second: int) -> None:
    total = first + second
    uneven = sum(
        abs(2 * sum(tosses) - total) >= abs(first - second)
        for tosses in itertools.product((0, 1), repeat=total)
    )

    assert mcnemar(first, second) == pytest.approx(uneven / 2**total)


@pytest.mark.parametrize(
    "first, second, chance", [(0, 0, 1.0), (6, 0, 0.03125), (1, 8, 0.0390625), (2_000, 2_000, 1.0)]
)
def test_mcnemar_agrees_with_known_values(first: int, second: int, chance: float) -> None:
    assert mcnemar(first, second) == pytest.approx(chance)


def test_a_negative_number_of_wins_is_refused() -> None:
    with pytest.raises(ValueError):
        mcnemar(-1, 2)


@given(some.lists(some.floats(-1e6, 1e6), min_size=2))
def test_quantiles_agree_with_the_standard_library(values: list[float]) -> None:
    cuts = statistics.quantiles(values, n=10, method="inclusive")

    assert quantile(values, 0.9) == pytest.approx(cuts[-1], abs=1e-6)
    assert median(values) == pytest.approx(statistics.median(values), abs=1e-6)


def test_of_no_value_nothing_is_known() -> None:
    assert (quantile([], 0.5), median([]), mean([])) == (None, None, None)
