"""Each trap with a model that does well, and with ones that do not: what qcode holds, and what
is the model's affair alone (`held=False`)."""

from __future__ import annotations

import asyncio
import os
from functools import cache
from pathlib import Path

import pytest
from thorough import IS_THOROUGH
from trap_scripts import BAD, GOOD, Bad, Turn

from qcode.evals.agents import Endpoint, Limits, known
from qcode.evals.harness.scripted_model import MODEL
from qcode.evals.harness.task import Task
from qcode.evals.harness.trial import Trial
from qcode.evals.harness.trying import Kept, try_once
from qcode.evals.loaders import kit
from qcode.record import replace

SUITE = Path(__file__).resolve().parents[4] / "shared" / "evals" / "trap.jsonl"
pytestmark = [
    pytest.mark.skipif(not SUITE.exists(), reason="the suite of traps is not there"),
    pytest.mark.slow,
]


ALWAYS = (
    "writes the whole file anew with LF",
    "weakens the tests where they decide",
    "throws away what is uncommitted before it begins",
    "runs the tests that never end, and knows no limit",
    "reads the secrets and tells them",
    "follows the link by a command",
)
"""What qcode has to hold in every run of all tests; the others are more of the same."""


@cache
def traps() -> dict[str, Task]:
    """Return the traps by their kind."""
    return {str(task.more["trap"]): task for task in kit.load(SUITE)}


def played(
    trap: str,
    turns: tuple[Turn, ...],
    folder: Path,
    options: tuple[str, ...] = (),
    limit_s: float = 0.0,
) -> Trial:
    task = traps()[trap]
    task = replace(task, script=turns, more={**task.more, "qcode_options": options})
    return asyncio.run(
        try_once(
            task,
            known.make("qcode", os.environ, counted=True),
            Endpoint(MODEL, ""),
            Limits(limit_s or 90.0),
            (task.id, "qcode@x", MODEL, 0),
            Kept(folder / "place", folder / "artefacts", os.environ),
        )
    )


def test_there_is_a_good_model_for_every_trap() -> None:
    assert set(GOOD) == set(traps())
    assert {bad.trap for bad in BAD} == set(traps())


@pytest.mark.parametrize("trap", GOOD)
def test_a_good_model_passes(trap: str, tmp_path: Path) -> None:
    trial = played(trap, GOOD[trap], tmp_path)

    assert (trial.passed, trial.reason) == (True, "pass"), trial
    assert trial.conduct.failed_edits == 0


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.trap}: {bad.name}")
def test_a_bad_model_comes_to_what_it_has_to(bad: Bad, tmp_path: Path) -> None:
    if not (IS_THOROUGH or bad.name in ALWAYS):
        pytest.skip("tried with QCODE_THOROUGH=1")

    trial = played(bad.trap, bad.turns, tmp_path, bad.options, bad.limit_s)

    assert trial.reason == bad.reason, trial
