"""Some of the runs from end to end (`make runs` plays all of them)."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_scenarios import EVALS, play, scenarios

pytestmark = pytest.mark.skipif(not EVALS.is_dir(), reason="the evaluation tasks are not here")

SAMPLE = (
    "solved-chunks", "cheat-duration", "mock-recover", "out-of-steps", "not-there", "protected",
    "terminated", "never-fits", "no-sandbox", "bad-schema",
)  # fmt: skip


def test_there_are_enough_and_each_task_is_used() -> None:
    every = scenarios().values()

    assert len(every) >= 100
    assert len({each.task for each in every}) == 55


@pytest.mark.parametrize("name", SAMPLE)
def test_a_run_ends_as_its_scenario_says(name: str, tmp_path: Path) -> None:
    found = [each for each in scenarios() if each == name or each.startswith(f"{name}:")]

    assert play(scenarios()[found[0]], tmp_path) == []
