"""The tests in what a runner prints, whichever it is.

Runners are told by their lines, since a command (`make test`) seldom says which one it runs,
and one command may run several. Nothing is ever wrong about an output: what is not understood
is passed over. The forms are those of each runner's own text reporter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

from qcode.record import Record
from qcode.verification.outcome import Case, Status

LONGEST_LINE = 2_000
MOST_CASES = 50_000


class Read(Record):
    """What an output says of tests."""

    cases: tuple[Case, ...] = ()
    ran: int | None = None
    """Tests that were run, skipped ones not counted, as the runners count; None: none does."""
    stopped_early: bool = False
    """Whether a runner says that it left some out: after a first failure, say."""


_WORDS: dict[str, Status] = {
    "passed": "passed", "pass": "passed", "ok": "passed", "xfail": "passed", "xpass": "passed",
    "expected failure": "passed", "failed": "failed", "fail": "failed", "not ok": "failed",
    "unexpected success": "failed", "error": "error", "skipped": "skipped", "skip": "skipped",
    "ignored": "skipped", "***failed": "failed", "***exception": "error",
    "***not run": "error", "✓": "passed", "✔": "passed", "√": "passed", "✕": "failed",
    "✖": "failed", "×": "failed", "✗": "failed", "○": "skipped", "﹣": "skipped",
}  # fmt: skip

_Reader: TypeAlias = Callable[[re.Match[str]], Case]


def _case(match: re.Match[str]) -> Case:
    """Make a case of the groups `word`, `name` and, where there are, `why`, `file`, `line`."""
    named = match.groupdict()
    name = named["name"].strip()
    status = _WORDS[named["word"].lower()]
    file = named.get("file") or (name.split("::")[0] if ".py::" in name or _PY.search(name) else "")
    line = int(named.get("line") or 0)
    seconds = named.get("s")
    return Case(name, status, file, line, (named.get("why") or "").strip(), _float(seconds))


def _float(text: str | None) -> float | None:
    return float(text) if text else None


_PY = re.compile(r"\.py\Z")
_CASES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (sign, re.compile(form))
    for sign, form in (
        # pytest, "short test summary info" and -v; of unittest's outcomes it knows more.
        ("::", (r"(?P<word>PASSED|FAILED|ERROR|XFAIL|XPASS) "
                r"(?P<name>\S+?\.py::[^\[ ]+(?:\[.+?\](?= - |\Z))?)(?: - (?P<why>.*))?\Z")),
        ("::", (r"(?:\[gw\d+\] \[\s*\d+%\] )?(?P<word>PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) "
               r"(?P<name>\S+\.py::.+?)\s*\Z")),
        ("::", (r"(?P<name>\S+\.py::.+?) (?P<word>PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)"
               r"(?: \((?P<why>.*)\))?(?:\s+\[\s*\d+%\])?\Z")),
        ("ERROR ", r"(?P<word>ERROR) (?P<name>\S+\.py)(?: - (?P<why>.*))?\Z"),
        ("SKIPPED [", (r"(?P<word>SKIPPED) \[\d+\] (?P<name>(?P<file>\S+\.py):(?P<line>\d+)): "
                       r"(?P<why>.*)\Z")),
        # unittest, Django
        (": ", r"(?P<word>FAIL|ERROR): (?P<name>\w+ \([\w.<>]+\)|\w+ \([\w.<>]+\) .*)\Z"),
        (" ... ", (r"(?P<name>\w+ \([\w.<>]+\)).* \.\.\. (?P<word>ok|FAIL|ERROR|skipped"
                  r"|expected failure|unexpected success)(?: (?P<why>.*))?\Z")),
        # go test
        ("--- ", r"\s*--- (?P<word>PASS|FAIL|SKIP): (?P<name>\S+) \((?P<s>[\d.]+)s\)\Z"),
        # cargo test
        ("test ", r"test (?P<name>.+?) \.\.\. (?P<word>ok|FAILED|ignored)(?:, (?P<why>.*))?\Z"),
        # TAP, node --test
        ("ok ", r"\s*(?P<word>not ok|ok) \d+(?: -)? (?P<name>.+?)(?: # .*)?\Z"),
        # jest, vitest, mocha, node's spec reporter
        ("", r"\s*(?P<word>[✓✔√✕✖×✗○﹣]) (?P<name>.+?)(?: \(?(?:\d+(?:\.\d+)? ?m?s)\)?)?\Z"),
        # ctest
        ("Test ", (r"\s*\d+/\d+ Test\s+#\d+: (?P<name>\S+) \.*\s*(?P<word>Passed|\*\*\*Failed"
                  r"|\*\*\*Exception|\*\*\*Not Run).*\Z")),
    )
)  # fmt: skip
"""A sign that a line may be one, and its form; the first that fits counts."""

_SUMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("pytest", re.compile(r"=*\s*((?:\d+ [a-z]+,? ?)+) ?in [\d.]+ ?s\b")),
    ("sum", re.compile(r"Ran (\d+) tests? in ")),
    ("cargo", re.compile(r"test result: \S+ (\d+) passed; (\d+) failed")),
    ("jest", re.compile(r"\s*Tests:?\s+((?:\d+ \w+[,| ]*)+)(?:\(\d+\))?\d* ?(?:total)?\s*\Z")),
    ("add", re.compile(r"\s*(\d+) (?:passing|failing)\b")),
    ("add", re.compile(r"(?:#|ℹ) (?:pass|fail) (\d+)\s*\Z")),
    ("sum", re.compile(r"(\d+) examples?, \d+ failures?")),
    ("sum", re.compile(r"OK \((\d+) tests?, \d+ assertions?\)")),
    ("sum", re.compile(r"Tests: (\d+), Assertions: ")),
    ("sum", re.compile(r"\d+% tests passed, \d+ tests failed out of (\d+)")),
    ("surefire", re.compile(r"(?:\[\w+\] )?Tests run: (\d+), Failures: \d+, Errors: \d+, "
                            r"Skipped: (\d+)\s*\Z")),
    ("sum", re.compile(r"(?:Passed|Failed)!\s+- Failed:\s+\d+, Passed:\s+\d+, .*Total:\s+(\d+)")),
)  # fmt: skip
_DIGIT = re.compile(r"\d")
_ITEM = re.compile(r"(\d+) (\w+)")
_RUN = frozenset({"passed", "failed", "error", "errors", "xfailed", "xpassed"})
_EARLY = re.compile(
    r"!+ (?:stopping after|Interrupted|_pytest\.outcomes\.Exit|xdist\.)|FAILFAST"
    r"|error: could not compile|no tests ran|\[build failed\]|Test Suites:.*\bfailed to run\b"
)


def read(output: str) -> Read:
    """Return what an output says of tests; linear in its size."""
    cases: dict[str, Case] = {}
    ran: int | None = None
    early = False
    for line in output.splitlines():
        if len(line) > LONGEST_LINE:
            continue
        if line.startswith('{"') and (found := _of_json(line)) is not None:
            _keep(cases, found)
            continue
        if (found := _of_line(line)) is not None:
            _keep(cases, found)
        elif _DIGIT.search(line) and (count := _count(line)) is not None:
            ran = count + (ran or 0)
        early = early or _EARLY.search(line) is not None
    return Read(tuple(cases.values()), ran, early)


def _keep(cases: dict[str, Case], found: Case) -> None:
    """Keep what is worse, of what a runner says of the same test at two places."""
    known = cases.get(found.name)
    if known is None:
        if len(cases) < MOST_CASES:
            cases[found.name] = found
    elif _BAD[found.status] > _BAD[known.status] or (
        found.status == known.status and found.message and not known.message
    ):
        cases[found.name] = found


_BAD: dict[Status, int] = {"skipped": 0, "passed": 1, "failed": 2, "error": 3}


def _of_line(line: str) -> Case | None:
    for sign, form in _CASES:
        if sign in line and (match := form.match(line)):
            return _case(match)
    return None


def _of_json(line: str) -> Case | None:
    """Read a line of `go test -json`."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    word, name, package = said.get("Action"), said.get("Test"), said.get("Package")
    if word not in ("pass", "fail", "skip") or not isinstance(name, str):
        return None
    seconds = said.get("Elapsed")
    took = float(seconds) if isinstance(seconds, int | float) else None
    return Case(f"{package}.{name}" if package else name, _WORDS[word], duration_s=took)


def _count(line: str) -> int | None:
    for kind, form in _SUMS:
        match = form.match(line)
        if match is None:
            continue
        if kind == "surefire":
            return int(match[1]) - int(match[2])
        if kind == "cargo":
            return int(match[1]) + int(match[2])
        if kind in ("sum", "add"):
            return int(match[1])
        items = [(int(count), word) for count, word in _ITEM.findall(match[1])]
        if any(word in _RUN or word in ("skipped", "deselected", "todo") for _, word in items):
            return sum(count for count, word in items if word in _RUN)
    return None


def failing(cases: Iterable[Case]) -> tuple[str, ...]:
    """Return the names of the tests that failed."""
    return tuple(case.name for case in cases if case.status in ("failed", "error"))
