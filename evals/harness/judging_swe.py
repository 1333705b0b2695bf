"""Judging as SWE-bench does: the issue's own tests are put in place and run, each is counted."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from qcode.evals.harness.judging import Checked, Verdict, copy, run_check
from qcode.evals.harness.placing import Placed, PlacingError, at_start
from qcode.evals.harness.surroundings import GIT, environment
from qcode.evals.harness.task import Task
from qcode.evals.harness.trial import Reason

_PYTEST = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\s+(\S+)")
_DJANGO = re.compile(r"^(.*?) \.\.\. (ok|OK|FAIL|ERROR|skipped.*|expected failure)\s*$")
_DJANGO_NAME = re.compile(r"^test\w* \([\w.]+\)\s*$")
_DJANGO_FAULT = re.compile(r"^(?:FAIL|ERROR): (test\w* \([\w.]+\))", re.MULTILINE)


def patched(patch: str) -> list[str]:
    """Return the files that a patch names, in order."""
    found: dict[str, None] = {}
    for match in re.finditer(r"^diff --git a/(\S+) b/(\S+)$", patch, re.MULTILINE):
        found |= dict.fromkeys(match.groups())
    return list(found)


def outcomes(parser: str, output: str) -> dict[str, str]:
    """Return how each test ended, by its name, out of what pytest -rA or Django's runner prints.

    Raises:
        PlacingError: the task names another parser.
    """
    match parser:
        case "pytest":
            lines = map(_PYTEST.match, output.splitlines())
            return {match[2]: match[1] for match in lines if match and "::" in match[2]}
        case "django":
            return _django(output)
    raise PlacingError(f"tests are read by the parser `pytest` or `django`, not `{parser}`")


def _django(output: str) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""  # of a test whose result stands on the next line, behind its docstring
    for line in output.splitlines():
        if ended := _DJANGO.match(line):
            word = ended[2].lower()
            how = {"ok": "PASSED", "fail": "FAILED", "error": "ERROR"}.get(word, "SKIPPED")
            found[ended[1].strip()] = how
            if name and not re.search(r"\(\S+\)$", ended[1].strip()):
                found[name] = how
            name = ""
        elif _DJANGO_NAME.match(line):
            name = line.strip()
    return found | dict.fromkeys(_DJANGO_FAULT.findall(output), "FAILED")


def judge_swe(
    task: Task,
    placed: Placed,
    environ: Mapping[str, str],
    variables: Mapping[str, str],
    *,
    confines: bool,
) -> Verdict:
    """Return the verdict by the tests that have to pass now, and those that passed before.

    Raises:
        PlacingError: the tests cannot be put in place.
    """
    more = task.check.more
    if placed.venv is None:
        # Without an environment of its own nothing is installed from the folder: a copy will do.
        room = placed.top / "check"
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir()
        repo = room / "repo"
        copy(placed.repo, repo)
    else:
        # The project is installed from this very folder; it is put back afterwards.
        room, repo = placed.top, placed.repo
    paths = patched(str(more.get("patch", "")))
    before = {name: _bytes(repo / name) for name in paths}
    try:
        _put_tests(task, placed, repo, paths, environ)
        checked = run_check(
            task.check.cmd, repo, room, environ, {**variables, "EVAL_REPO": str(repo)},
            limit_s=task.check.timeout_s, venv=placed.venv, confines=confines,
        )  # fmt: skip
    finally:
        for name, data in before.items():
            _put(repo / name, data)
        if placed.venv is None:
            shutil.rmtree(room, ignore_errors=True)
    return _verdict(task, checked)


def _put_tests(
    task: Task, placed: Placed, repo: Path, paths: Iterable[str], environ: Mapping[str, str]
) -> None:
    for name in paths:
        _put(repo / name, at_start(placed, name))
    patch = str(task.check.more.get("patch", ""))
    if not patch:
        return
    done = subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"],
        cwd=repo,
        input=patch.encode(),
        env=environment(environ, placed.home, {**GIT, "GIT_CEILING_DIRECTORIES": str(repo.parent)}),
        capture_output=True,
    )
    if done.returncode:
        why = " ".join(done.stderr.decode("utf-8", "replace").split())[-300:]
        raise PlacingError(f"the tests of {task.id} do not apply: {why}")


def _verdict(task: Task, checked: Checked) -> Verdict:
    more = task.check.more
    found = outcomes(str(more.get("parser", "pytest")), checked.output)
    wanted: list[str] = list(more.get("fail_to_pass", ()))
    kept: list[str] = list(more.get("pass_to_pass", ()))
    unsolved = [name for name in wanted if found.get(name) != "PASSED"]
    broken = [name for name in kept if found.get(name) not in ("PASSED", "XFAIL")]
    if not unsolved and not broken:
        return Verdict(passed=True, reason="pass", output=checked.output)
    detail = (
        f"{len(wanted) - len(unsolved)} of {len(wanted)} mended, "
        f"{len(kept) - len(broken)} of {len(kept)} kept; "
        f"failing: {', '.join((unsolved + broken)[:3])}"
        f"failing: {', '.join((unsolved + broken)[:3])}"
    )
    if checked.code is None:
        detail = f"the tests did not end within {task.check.timeout_s:g} s"
        return Verdict(passed=False, reason="timeout", detail=detail, output=checked.output)
    if not found:
        # Code that cannot be imported prints no test either: that is the agent's affair, as
        # the task was tried with these tests before.
        detail = f"no test ran (exit {checked.code}); {detail}"
    reason: Reason = "still_failing" if unsolved else "broke_tests"
    return Verdict(passed=False, reason=reason, detail=detail, output=checked.output)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _put(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
