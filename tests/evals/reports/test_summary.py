"""Figures by who tried."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from eval_results import (
    AIDER,
    FIXING,
    LARGE,
    QCODE,
    SMALL,
    conduct,
    effort,
    results,
    trial,
    write_journal,
    write_results,
)

from qcode.evals.harness.trial import Trial
from qcode.evals.reports.results import Arm, read
from qcode.evals.reports.stats import Interval, Tried, wilson
from qcode.evals.reports.summary import PassAt, Row, summarise, tokens, tries

UNKNOWN = effort(read_tokens=None, cached_tokens=None, written_tokens=None, cost_usd=None)


def only(trials: list[Trial]) -> Row:
    (row,) = summarise(results(trials)).rows
    return row


def test_a_row_tells_rates_effort_and_conduct() -> None:
    row = only(
        [
            trial("a", effort=effort(wall_s=10.0, model_s=5.0)),
            trial("b", effort=effort(wall_s=20.0, model_s=None, read_tokens=4_000)),
            trial("c", "still_failing", conduct=conduct(edits=0), changed=()),
            trial("d", "error", effort=effort(wall_s=9_999, cost_usd=9.0)),
        ]
    )

    assert (row.tasks, row.trials, row.errors, row.passed, row.solved) == (4, 3, 1, 2, 2)
    assert row.rate == pytest.approx(2 / 3)
    assert row.interval == wilson(2, 3)
    assert row.pass_at == (PassAt(1, 2 / 3, 3),)
    assert row.read_tokens == pytest.approx(8_000 / 3)
    assert row.tokens_per_pass == pytest.approx((3 * 6_300 + 8_000) / 2)
    assert row.cost_usd == pytest.approx(0.01)
    assert row.cost_per_pass == pytest.approx(0.015)
    assert (row.wall_median_s, row.wall_p90_s) == (20.0, 20.0)
    assert row.model_share == pytest.approx((5 + 18) / 30)
    assert (row.steps, row.calls, row.edits, row.failed_edits) == (4, 18, 4, 0)
    assert dict(row.kinds) == {"no_edit": 1, "setup_error": 1}


def test_errors_are_in_no_rate() -> None:
    judged = [trial("a"), trial("b", "still_failing")]

    without, with_them = only(judged), only([*judged, trial("c", "error"), trial("d", "error")])

    assert (with_them.rate, with_them.interval) == (without.rate, without.interval)
    assert (without.errors, with_them.errors) == (0, 2)


def test_where_nothing_was_judged_nothing_is_known() -> None:
    row = only([trial("a", "error")])

    assert (row.rate, row.interval, row.pass_at) == (None, Interval(0.0, 1.0), ())
    assert (row.wall_median_s, row.cost_per_pass, row.tokens_per_pass) == (None, None, None)


def test_what_no_agent_tells_is_not_zero() -> None:
    row = only([trial("a", effort=UNKNOWN, conduct=conduct(calls=None))])

    assert (row.read_tokens, row.cost_usd, row.tokens_per_pass, row.calls) == (None,) * 4


def test_what_is_unknown_of_some_trials_is_taken_to_be_like_the_others() -> None:
    row = only([trial("a"), trial("b", effort=UNKNOWN)])

    assert row.cost_usd == row.cost_per_pass == pytest.approx(0.01)
    assert row.total_cost_usd == pytest.approx(0.01)


def test_pass_at_k_goes_as_far_as_tasks_were_tried() -> None:
    row = only(
        [
            trial("a", "pass" if number == 0 else "still_failing", number=number)
            for number in range(4)
        ]
    )

    assert [(each.k, each.value) for each in row.pass_at] == [
        (1, 0.25),
        (2, 0.5),
        (3, 0.75),
        (4, 1.0),
    ]


def test_several_suites_have_a_row_over_all_before_them() -> None:
    summary = summarise(results([trial("a"), trial("t", suite="trap"), trial("a", agent=AIDER)]))

    assert [(row.arm.scaffold, row.suite, row.trials) for row in summary.rows] == [
        ("aider", "small", 1),
        ("qcode", "all", 2),
        ("qcode", "small", 1),
        ("qcode", "trap", 1),
    ]
    assert [row.suite for row in summary.wholes] == ["small", "all"]


def test_the_order_of_the_trials_does_not_matter() -> None:
    trials = [
        trial(task, agent=agent, model=model, number=number, effort=effort(cost_usd=0.1 * number))
        for task in "abc"
        for agent in (QCODE, AIDER)
        for model in (SMALL, LARGE)
        for number in range(3)
    ]
    mixed = trials[:]
    random.Random(1).shuffle(mixed)

    assert summarise(results(mixed)) == summarise(results(trials))


def test_tries_count_passes_by_task_without_errors() -> None:
    trials = [trial("b"), trial("a", "timeout"), trial("a", number=1), trial("c", "error")]

    assert tries(trials) == {"a": Tried(1, 2), "b": Tried(1, 1)}


def test_tokens_of_which_a_part_is_known_are_that_part() -> None:
    assert tokens(trial(effort=effort(cached_tokens=None))) == 2_300
    assert tokens(trial(effort=UNKNOWN)) is None


def test_failures_are_told_with_their_journals(tmp_path: Path) -> None:
    failed = trial(reason="still_failing", changed=(), artefacts="trials/a/0")
    folder = write_results(tmp_path, [failed])
    write_journal(folder / "trials/a/0", FIXING)

    found = summarise(read(folder)).failures[failed.key]

    assert found.evidence == (
        "2 edits, and nothing differs in the end; its last words: “The sum is right now.”"
    )


def test_an_arm_has_a_name() -> None:
    assert Arm(AIDER, SMALL).name == f"{AIDER} × {SMALL}"
