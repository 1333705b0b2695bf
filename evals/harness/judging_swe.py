"""Judging as SWE-bench does: a task's own tests are put in place and run, each is counted.

They are a patch, as in SWE-bench, or whole files (`overlay`), as in tasks of one's own commits.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from qcode.evals.harness.judging import Verdict, copy, run_check, write_over
from qcode.evals.harness.placing import ORIGINALS, Placed
from qcode.evals.harness.task import Content, Task
from qcode.evals.loaders import swe_judge

_NAMED = {"PYTEST_ADDOPTS": "-rA"}
"""Each test's outcome is to stand in the output, whatever the command says of that."""


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
    if task.check.cmd == swe_judge.UNJUDGED:
        why = swe_judge.WHY_UNJUDGED
        return Verdict(passed=False, reason="error", detail=why, output=f"{why}\n")
    room, repo = placed.top, placed.repo
    if placed.venv is None:
        room = placed.top / "check"
        shutil.rmtree(room, ignore_errors=True)
        repo = room / "repo"
        room.mkdir()
        copy(placed.repo, repo)

    def run(line: str, folder: Path, limit_s: float) -> swe_judge.Ran:
        checked = run_check(
            line, folder, room, environ, {**_NAMED, **variables, "EVAL_REPO": str(repo)},
            limit_s=limit_s, lent=(placed.top,), venv=placed.venv, confines=confines,
            stop=stop,
        )  # fmt: skip
        return swe_judge.Ran(checked.code, checked.output)

    try:
        with _overlaid(repo, task.check.overlay):
            found = swe_judge.judge(task.check, repo, placed.top / ORIGINALS, run)
    finally:
        if placed.venv is None:
            shutil.rmtree(room, ignore_errors=True)
    reason = found.reason
    if reason == "error" and found.output and task.check.more.get("fail_to_pass"):
        # No test was seen to run, and that is what code does that cannot be imported: it is the
        # agent's affair where it changed something, and must not drop out of the rates. So is a
        # new module that it did not write, where pytest says that it could not collect a test.
        misses = not task.more.get("base") and re.search(r"^ERROR \S", found.output, re.MULTILINE)
        reason = "still_failing" if is_changed or misses else "error"
    return Verdict(found.passed, reason, found.detail, found.output)


@contextmanager
def _overlaid(repo: Path, files: Mapping[str, Content]) -> Iterator[None]:
    """Have hidden tests stand in a repository; what stood there is put back."""
    saved = {name: (repo / name).read_bytes() for name in files if (repo / name).is_file()}
    write_over(repo, files)
    try:
        yield
    finally:
        for name in files:
            if name in saved:
                (repo / name).parent.mkdir(parents=True, exist_ok=True)
                (repo / name).write_bytes(saved[name])
            else:
                (repo / name).unlink(missing_ok=True)
