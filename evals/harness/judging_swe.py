"""Judging as SWE-bench does: the issue's own tests are put in place and run, each is counted."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

from qcode.evals.harness.judging import Verdict, copy, run_check
from qcode.evals.harness.placing import ORIGINALS, Placed
from qcode.evals.harness.task import Task
from qcode.evals.loaders import swe_judge


def judge_swe(
    task: Task,
    placed: Placed,
    environ: Mapping[str, str],
    variables: Mapping[str, str],
    *,
    is_changed: bool,
    confines: bool,
    stop: threading.Event | None = None,
) -> Verdict:
    """Return the verdict by the tests that have to pass now, and those that passed before.

    A project that is installed from the agent's own folder is judged there, and put back
    afterwards; else a copy will do. `is_changed` says whether the agent changed anything.

    Raises:
        OSError, QcodeError: the tests cannot be put in place or run.
    """
    room, repo = placed.top, placed.repo
    if placed.venv is None:
        room = placed.top / "check"
        shutil.rmtree(room, ignore_errors=True)
        repo = room / "repo"
        room.mkdir()
        copy(placed.repo, repo)

    def run(line: str, folder: Path, limit_s: float) -> swe_judge.Ran:
        checked = run_check(
            line, folder, room, environ, {**variables, "EVAL_REPO": str(repo)},
            limit_s=limit_s, lent=placed.top, venv=placed.venv, confines=confines,
            stop=stop,
        )  # fmt: skip
        return swe_judge.Ran(checked.code, checked.output)

    try:
        found = swe_judge.judge(task.check, repo, placed.top / ORIGINALS, run)
    finally:
        if placed.venv is None:
            shutil.rmtree(room, ignore_errors=True)
    reason = found.reason
    if reason == "error" and is_changed and found.output and task.check.more.get("fail_to_pass"):
        # No test was seen to run, and that is what code does that cannot be imported: it is the
        # agent's affair where it changed something, and must not drop out of the rates.
        reason = "still_failing"
    return Verdict(found.passed, reason, found.detail, found.output)
