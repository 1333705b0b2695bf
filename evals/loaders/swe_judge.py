"""Whether an issue is solved: the hidden tests put in, run, and each one's outcome looked at."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qcode.errors import QcodeError
from qcode.evals.harness.task import Check
from qcode.evals.harness.trial import Reason
from qcode.evals.loaders import source
from qcode.evals.loaders.predictions import Part, parts
from qcode.record import Record

UNJUDGED = "exit 1"
"""The check of an instance whose tests cannot be run here."""
WHY_UNJUDGED = (
    "no environment is described for this instance, so its tests are not run here: "
    "`qcode eval report DIR --official DATASET` has them run"
)

Run = Callable[[str, Path, float], "Ran"]
"""Runs a shell command in a folder, at most so many seconds, confined as its maker likes."""


class Ran(Record):
    """What a command came to."""

    exit_code: int | None
    """None: it was stopped at its time limit."""
    output: str


class Verdict(Record):
    """What the tests said."""

    passed: bool
    reason: Reason
    detail: str
    output: str
    resolved: tuple[int, int] = (0, 0)
    """Tests that were to be made pass and do, of all of those."""
    kept: tuple[int, int] = (0, 0)
    """Tests that passed before and do, of all of those."""


def keep_originals(check: Check, folder: Path, into: Path) -> None:
    """Copy the files that the tests' patch touches, before anybody works there."""
    for name in _paths(check):
        if (folder / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / name, into / name)


def judge(check: Check, folder: Path, originals: Path, run: Run) -> Verdict:
    """Run the hidden tests in the agent's folder, which is as it was afterwards.

    In place, since the environment has the package installed from there. What the agent did to
    the tests' files is set aside: they are those of the start, with the patch on top.
    """
    more = check.more
    names = _paths(check)
    saved = {name: _bytes(folder / name) for name in names}
    try:
        for name in names:
            _put(folder / name, _bytes(originals / name))
        if names or str(more.get("patch") or "").strip():
            try:
                source.git("apply", "--whitespace=nowarn", "-", folder=folder, data=_encoded(more))
            except QcodeError as error:
                why = f"the tests' patch does not apply: {error.message}"
                return Verdict(False, "error", why, "")
        ran = run(check.cmd, folder, check.timeout_s)
    finally:
        for name, data in saved.items():
            _put(folder / name, data)
    return verdict(more, ran)


def verdict(more: Mapping[str, Any], ran: Ran) -> Verdict:
    """Return what an output means for the tests that count."""
    cases = read(str(more.get("parser") or "pytest"), ran.output)
    wanted, before = list(more.get("fail_to_pass", ())), list(more.get("pass_to_pass", ()))
    failing = [name for name in wanted if cases.get(name) != "PASSED"]
    broken = [name for name in before if cases.get(name) not in ("PASSED", "XFAIL")]
    counts = (len(wanted) - len(failing), len(wanted)), (len(before) - len(broken), len(before))
    reason: Reason
    if wanted and not failing and not broken:
        return Verdict(True, "pass", "", ran.output, *counts)
    if ran.exit_code is None:
        reason, detail = "timeout", "the tests did not end"
    elif not wanted:
        reason, detail = "error", "the task names no test that is to pass"
    elif not cases:
        reason, detail = "error", "no test's outcome stands in the output"
    elif failing:
        reason, detail = "still_failing", f"{len(failing)} of {len(wanted)}: {failing[0]}"
    else:
        reason, detail = "broke_tests", f"{len(broken)} of {len(before)}: {broken[0]}"
    return Verdict(False, reason, detail, ran.output, *counts)


_PYTEST = re.compile(r"(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\s+(\S+::.*?)(?: - .*)?\s*\Z")
_DJANGO = re.compile(r"(.*?) \.\.\. (ok|FAIL|ERROR|skipped.*|expected failure)\s*\Z", re.IGNORECASE)
_DJANGO_NAME = re.compile(r"test\w* \([\w.]+\)\Z")
_DJANGO_FAILED = re.compile(r"^(?:FAIL|ERROR): (test\w* \([\w.]+\))", re.MULTILINE)
_SYMPY = re.compile(r"(test_\w+) (ok|F|E|f|s|X|\[OK\]|\[FAIL\])(?:\s.*)?\Z")
_SYMPY_FAILED = re.compile(r"^_+ \S+:(test_\w+) _+$", re.MULTILINE)


def read(parser: str, output: str) -> dict[str, str]:
    """Return the outcome of each test in an output: `PASSED`, `FAILED`, `SKIPPED`, `XFAIL`, …

    `parser` is `pytest` (its summary, `-rA`), `django` (verbosity 2) or `sympy` (`--verbose`).
    """
    cases: dict[str, str] = {}
    if parser == "django":
        return _read_django(output)
    if parser == "sympy":
        words = {"ok": "PASSED", "[OK]": "PASSED", "s": "SKIPPED", "f": "XFAIL", "X": "XPASS"}
        for line in output.splitlines():
            if found := _SYMPY.match(line.strip()):
                cases[found[1]] = words.get(found[2], "FAILED")
        cases |= dict.fromkeys(_SYMPY_FAILED.findall(output), "FAILED")
        return cases
    for line in output.splitlines():
        if found := _PYTEST.match(line):
            # SWE-bench's own lists have names up to their first blank.
            cases[found[2]] = cases[found[2].split()[0]] = found[1]
    return cases


def _read_django(output: str) -> dict[str, str]:
    cases: dict[str, str] = {}
    words = {"ok": "PASSED", "fail": "FAILED", "error": "FAILED", "expected failure": "XFAIL"}
    above = ""
    for line in output.splitlines():
        line = line.rstrip()
        if found := _DJANGO.match(line):
            status = words.get(found[2].lower(), "SKIPPED")
            cases[found[1].strip()] = status
            if above and not _DJANGO_NAME.search(found[1]):
                # A test with a docstring has its name on the line above that.
                cases[above] = status
            above = ""
        elif _DJANGO_NAME.match(line):
            above = line
    return cases | dict.fromkeys(_DJANGO_FAILED.findall(output), "FAILED")


def _paths(check: Check) -> tuple[str, ...]:
    """Return what the tests' patch touches, under old names and new ones."""
    every: list[Part] = parts(str(check.more.get("patch") or ""))
    names = [name for part in every for name in (part.old, part.new) if name]
    if any(name.startswith("/") or ".." in name.split("/") for name in names):
        raise QcodeError("the tests' patch leads out of the repository")
    return tuple(dict.fromkeys(names))


def _encoded(more: Mapping[str, Any]) -> bytes:
    patch = str(more.get("patch") or "")
    return (patch if patch.endswith("\n") else f"{patch}\n").encode("utf-8")


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _put(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
