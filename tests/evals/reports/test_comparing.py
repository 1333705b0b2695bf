"""Two results set against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eval_results import AIDER, LARGE, QCODE, SMALL, conduct, effort, results, trial, write_results
from jsonschema import Draft202012Validator

from qcode.errors import UsageError
from qcode.evals.harness.trial import Trial
from qcode.evals.reports.compared import comparison_json, comparison_markdown, verdict
from qcode.evals.reports.comparing import TASKS, Pair, compare
from qcode.evals.reports.machine import rounded, schema
from qcode.evals.reports.results import Arm, read


def set_of(outcomes: str, **fields: Any) -> list[Trial]:
    """Return a trial for each letter: `x` failed, `e` was an error, `v` passed."""
    reasons: dict[str, Any] = {"v": "pass", "x": "still_failing", "e": "error"}
    return [trial(f"task-{at:02}", reasons[letter], **fields) for at, letter in enumerate(outcomes)]


def pair_of(first: str, second: str) -> Pair:
    (pair,) = compare(results(set_of(first)), results(set_of(second))).pairs
    return pair


def test_tasks_are_counted_by_who_won_them() -> None:
    pair = pair_of("vvxxve", "vxvvxv")

    assert (pair.tasks, pair.first_won, pair.second_won) == (5, 2, 2)
    assert (pair.first_rate, pair.second_rate) == (0.6, 0.6)
    assert (pair.difference.value, pair.chance) == (0.0, 1.0)
    assert (pair.first_errors, pair.second_errors) == (1, 0)
    assert [(each.task, each.won) for each in pair.changed] == [
        ("task-01", "first"),
        ("task-02", "second"),
        ("task-03", "second"),
        ("task-04", "first"),
    ]
    assert pair.changed[1].first_why == "said it was done, and the check fails: the check fails"
    assert pair.changed[1].second_why == ""


def test_what_is_compared_with_itself_is_no_different() -> None:
    pair = pair_of("vxvxvv", "vxvxvv")

    assert (pair.difference.low, pair.difference.high, pair.chance) == (0.0, 0.0, 1.0)
    assert pair.changed == ()
    assert all(ratio.ratio == 1 for ratio in pair.ratios)
    assert verdict(pair) == "no difference can be told, over 6 tasks"


@pytest.mark.parametrize(
    "first, second, says",
    [
        ("x" * 8, "v" * 8, "the second is better, over 8 tasks"),
        ("v" * 8, "x" * 8, "the first is better, over 8 tasks"),
        ("xxx", "vvv", "the second may be better, but that is not sure, over 3 tasks"),
        ("vxvx", "xvvx", "no difference can be told, over 4 tasks"),
    ],
)
def test_a_difference_is_told_where_both_tests_agree(first: str, second: str, says: str) -> None:
    assert verdict(pair_of(first, second)) == says


def test_the_difference_of_the_other_way_round_is_the_mirror() -> None:
    there, back = pair_of("vvxxvxx", "vxvvvvv"), pair_of("vxvvvvv", "vvxxvxx")

    assert there.difference.value == pytest.approx(-back.difference.value)
    assert there.difference.low == pytest.approx(-back.difference.high)
    assert there.chance == back.chance


def test_ratios_are_medians_of_tasks() -> None:
    first = [trial(f"t{at}", effort=effort(wall_s=10.0, cost_usd=None)) for at in range(3)]
    second = [trial(f"t{at}", effort=effort(wall_s=10.0 * 4**at)) for at in range(3)]

    (pair,) = compare(results(first), results(second)).pairs

    found = {ratio.name: ratio for ratio in pair.ratios}
    assert (found["wall time"].ratio, found["wall time"].tasks) == (4.0, 3)
    assert (found["tokens"].ratio, found["cost"].ratio) == (1.0, None)
    assert found["cost"].tasks == 0


def test_trials_of_one_task_are_one_pair() -> None:
    first = [trial("a", "pass" if n else "timeout", number=n) for n in range(2)]
    second = [trial("a", number=n) for n in range(2)]

    (pair,) = compare(results(first), results(second)).pairs

    assert (pair.tasks, pair.first_rate, pair.second_won) == (1, 0.5, 1)


def lay_tasks(folder: Path, **tasks: str) -> None:
    lines = [json.dumps({"id": name, "prompt": prompt}) for name, prompt in tasks.items()]
    (folder / TASKS).write_text("\n".join([*lines, "{torn"]))


def test_only_tasks_that_are_the_same_are_compared(tmp_path: Path) -> None:
    one = write_results(tmp_path / "a", [trial(task) for task in "abc"], tasks_digest="1" * 64)
    two = write_results(tmp_path / "b", [trial(task) for task in "bcd"], tasks_digest="2" * 64)
    lay_tasks(one, a="A", b="B", c="C")
    lay_tasks(two, b="B", c="another", d="D")

    found = compare(read(one), read(two))

    assert (found.only_first, found.only_second, found.other) == (("a",), ("d",), ("c",))
    assert found.pairs[0].tasks == 1
    text = comparison_markdown(found)
    assert "1 tasks that go by the same name and are not the same: `c`" in text


def test_what_else_was_not_the_same_is_said() -> None:
    first = results(set_of("v"), seed=1, limits={"max_steps": 30.0}, versions={"qcode": "1"})
    second = results(set_of("v"), seed=2, settings={"temperature": 0}, versions={"qcode": "2"})

    assert dict(compare(first, second).differs) == {
        "seed": ("1", "2"),
        "limits: max_steps": ("30", "–"),
        "settings: temperature": ("–", "0"),
        "versions: qcode": ("1", "2"),
    }


@pytest.mark.parametrize(
    "first, second, fields, why",
    [
        ("v", "", {}, "no task in common"),
        ("v", "v", {"tasks_digest": "9" * 64}, "their tasks differ"),
        ("e", "v", {}, "no task was judged on both sides"),
    ],
)
def test_results_without_a_task_in_common_are_refused(
    first: str, second: str, fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        compare(results(set_of(first)), results(set_of(second), **fields))

    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_one_against_one_is_compared_whoever_they_are() -> None:
    first, second = set_of("vx", agent=QCODE, model=LARGE), set_of("vv", agent=AIDER)

    (pair,) = compare(results(first), results(second)).pairs

    assert (pair.first, pair.second) == (Arm(QCODE, LARGE), Arm(AIDER, SMALL))


def test_of_several_those_of_the_same_name_are_compared() -> None:
    first = [*set_of("vx"), *set_of("xx", agent=AIDER), *set_of("vv", model=LARGE)]
    second = [*set_of("vv", agent="qcode@0.2.0"), *set_of("xv", agent="oneshot@1")]

    (pair,) = compare(results(first), results(second)).pairs

    assert (pair.first, pair.second) == (Arm(QCODE, SMALL), Arm("qcode@0.2.0", SMALL))


def test_arms_can_be_picked_from_one_evaluation() -> None:
    both = results([*set_of("vx"), *set_of("xx", agent=AIDER)])

    (pair,) = compare(both, both, arms=("qcode", "aider")).pairs

    assert (pair.first.scaffold, pair.second.scaffold) == ("qcode", "aider")


def test_nobody_in_common_is_told_with_names() -> None:
    first = results([*set_of("v"), *set_of("v", model=LARGE)])
    second = results([*set_of("v", agent=AIDER), *set_of("v", agent="oneshot@1")])

    with pytest.raises(UsageError, match="nobody is in both"):
        compare(first, second)
    with pytest.raises(UsageError, match="there are: qcode"):
        compare(first, second, arms=("opencode", ""))


def test_the_same_sets_give_the_same_comparison() -> None:
    first, second = results(set_of("vxvxxvvx")), results(set_of("vvvxvxvv"))

    assert compare(first, second) == compare(first, second)


def test_the_json_fits_its_schema() -> None:
    mixed = [*set_of("vx", conduct=conduct(edits=0)), *set_of("ve", agent=AIDER)]
    found = compare(results(mixed), results(mixed[::-1], seed=3))

    value = json.loads(json.dumps(rounded(comparison_json(found))))

    validator = Draft202012Validator(schema("compare"))
    validator.check_schema(schema("compare"))
    assert [error.message for error in validator.iter_errors(value)] == []
    assert value["pairs"][0]["verdict"]


def test_the_markdown_tells_what_was_lost_first() -> None:
    found = compare(results(set_of("xvvv")), results(set_of("vvvx")))

    lines = comparison_markdown(found).splitlines()

    tasks = [line for line in lines if line.startswith("| `task")]
    assert [line[:12] for line in tasks] == ["| `task-03` ", "| `task-00` "]
    assert "| ✓ | ✗ |" in tasks[0]
    assert "Difference: +0.0 points" in "\n".join(lines)
