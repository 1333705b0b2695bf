"""The suite `fresh`: each check fails on the start state, and passes with the known solution."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from thorough import IS_THOROUGH

from qcode.evals.harness.judging import Verdict, judge
from qcode.evals.harness.placing import changed, place, write_files
from qcode.evals.harness.suites import SUITES
from qcode.evals.harness.task import Content, Task
from qcode.evals.loaders import kit

TASKS = kit.load(SUITES / "fresh.jsonl")
SOLUTIONS: Mapping[str, Mapping[str, Content]] = json.loads(
    Path(__file__).with_name("fresh_solutions.json").read_text(encoding="utf-8")
)


async def judged(task: Task, top: Path) -> tuple[Verdict, Verdict, list[str]]:
    """Return the verdicts at the start and with the solution, and which files that changes."""
    placed = await place(task, top, os.environ)
    answer = top / "answer"  # a task that is judged by the agent's words would need some
    start = await judge(task, placed, os.environ, answer=answer)
    write_files(placed.repo, SOLUTIONS[task.id])
    solved = await judge(task, placed, os.environ, answer=answer)
    return start, solved, changed(placed)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS if IS_THOROUGH else TASKS[::5], ids=lambda task: task.id)
def test_the_solution_alone_passes(task: Task, tmp_path: Path) -> None:
    start, solved, differs = asyncio.run(judged(task, tmp_path / "top"))

    assert (start.passed, start.reason) == (False, "still_failing"), start
    assert (solved.passed, solved.reason) == (True, "pass"), solved
    assert differs == sorted(SOLUTIONS[task.id])


def test_the_mix_is_that_of_the_suite_small() -> None:
    kinds = Counter("-".join(task.id.split("-")[:2]) for task in TASKS)

    assert kinds.pop("fresh-bug") == 12
    assert kinds.pop("fresh-implement") == 3
    # Circular import and syntax error; the rest has one of each.
    assert kinds.pop("fresh-fix") == 2
    assert set(kinds.values()) == {1}
    assert {kind.removeprefix("fresh-") for kind in kinds} == {
        *("rename", "move", "config", "validate", "cli", "new", "write"),
    }
    assert len(TASKS) == 24


def test_each_task_is_told_apart_and_has_a_solution() -> None:
    ids = [task.id for task in TASKS]

    assert len(set(ids)) == len(ids)
    assert set(ids) == set(SOLUTIONS)
    assert {(task.suite, task.source, task.licence, task.time_limit_s) for task in TASKS} == {
        ("fresh", "qcode evals", "Apache-2.0", 300.0)
    }


def test_what_shows_a_bug_is_protected_and_no_task_holds_its_solution() -> None:
    for task in TASKS:
        if task.id.startswith("fresh-bug-"):
            shown = [name for name in task.files if name.startswith("test_")]
            assert shown == list(task.protect) == list(task.check.overlay)
        for name, text in SOLUTIONS[task.id].items():
            assert task.files.get(name) != text, (task.id, name)
