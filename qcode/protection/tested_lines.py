"""Code of other languages that asks whether it is being tested; by lines, pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from qcode.protection.finding import Finding
from qcode.protection.plain_code import lines_of

_HELPS = re.compile(r"(?:^|/)(?:\w*test_?(?:ing|utils?|helpers?|kit|support)\w*)(?:/|\.\w+$)")
"""Files that have to do with tests by profession."""


def _words(*names: str) -> frozenset[str]:
    return frozenset(" ".join(names).split())


_ASKED: Sequence[tuple[frozenset[str], re.Pattern[str]]] = (
    (
        _words("js jsx ts tsx mjs cjs mts cts vue svelte"),
        re.compile(
            r"JEST_WORKER_ID|\bVITEST(?:_\w+)?\b|\bNODE_ENV\b.{0,12}(?:= ){2,3}[\"']test"
            r"|\bNODE_ENV\b.{0,12}! (?:= ){1,2}[\"']test"
            r"|typeof (?:jest|vi|describe|expect|mocha)\b"
            r"|(?:globalThis|global) \. (?:jest|it|describe|expect|vitest|mocha)\b"
            r"|process \. argv .*(?:jest|mocha|vitest)|import \. meta \. vitest"
            r"|stack .*(?:jest|\.test\.|\.spec\.|mocha)"
        ),
    ),
    (
        _words("go"),
        re.compile(
            r"\btesting \. Testing \(|flag \. Lookup \( \"test\.|os \. Args .*\.test"
            r"|^(?:import )?\"testing\"$|GO_TEST\b|runtime \. Caller.*_test"
        ),
    ),
    (_words("rs"), re.compile(r"\bcfg ! \( (?:not \( )?test\b|\# \[ cfg \( not \( test")),
    (
        _words("rb"),
        re.compile(
            r"defined \? \( (?:: : )?(?:RSpec|Minitest)|const_defined \? \( : (?:RSpec|Mini)"
            r"|ENV \[ [\"'](?:RAILS|RACK)_ENV[\"'] \] = = [\"']test|Rails \. env \. test \?"
            r"|\$ PROGRAM_NAME .*spec|caller .*(?:_spec|_test|rspec)"
        ),
    ),
    (_words("php"), re.compile(r"PHPUNIT_|PHPUnit|debug_backtrace .*[tT]est")),
    (
        _words("java kt scala groovy"),
        re.compile(
            r"org \. junit|org\.junit|getStackTrace .*(?:junit|Test)|surefire|org \. testng"
        ),
    ),
    (_words("cs fs"), re.compile(r"xunit|NUnit|UnitTestDetector|testhost|\. TestTools")),
    (
        _words("c cc cpp h hpp swift ex lua dart sh bash"),
        re.compile(
            r"\"GTEST_|UNIT_TESTING\b|XCTestConfigurationFilePath|NSClassFromString .*XCTest"
            r"|Mix \. env .*: test|FLUTTER_TEST|BATS_(?:TEST|VERSION)|PYTEST_CURRENT_TEST"
        ),
    ),
)


def looked_for(path: str, extension: str, before: bytes, after: bytes) -> list[Finding]:
    """Return the lines that a change brought and that ask for a test."""
    pattern = next((each for names, each in _ASKED if extension in names), None)
    if pattern is None or _HELPS.search(path):
        return []
    old, new = (lines_of(extension, data.decode("utf-8", "replace")) for data in (before, after))
    had = Counter(each.text for each in old)
    found = []
    for at, each in enumerate(new):
        if had[each.text] > 0:
            had[each.text] -= 1
        elif pattern.search(each.text) or (
            extension == "rs"
            and _is_for_tests(each.text, new[at + 1].text if new[at + 1 :] else "")
        ):
            why = "it asks whether it is being tested"
            found.append(Finding("special-cased", why, each.number))
    return found


def _is_for_tests(text: str, after: str) -> bool:
    """Whether something of Rust that is no module of tests is there for tests alone."""
    return text == "# [ cfg ( test ) ]" and not after.startswith(
        ("mod ", "pub mod ", "use ", "# [")
    )
