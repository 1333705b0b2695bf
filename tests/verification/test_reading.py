from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.tools.output import clean
from qcode.verification.reading import failing, read
from qcode.verification.running import _in_shell, _options
from qcode.verification.trimming import trimmed

TESTS = """
import unittest
import pytest

@pytest.mark.parametrize("word", ["a b", "c - d"])
def test_words(word):
    assert word != "c - d", "no dashes"

def test_fine():
    pass

@pytest.mark.skip(reason="not now")
def test_later():
    pass

@pytest.mark.xfail
def test_known():
    assert False

class TestOld(unittest.TestCase):
    def test_old(self):
        self.assertEqual(1, 1)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_some.py").write_text(TESTS)
    (folder / "test_unit.py").write_text(
        "import unittest\nclass T(unittest.TestCase):\n"
        "    def test_good(self): pass\n    def test_bad(self): self.fail('so')\n"
        "    @unittest.skip('later')\n    def test_skipped(self): pass\n"
    )
    return folder


def run(folder: Path, command: str) -> str:
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        _in_shell(command, _options(folder, 900)),
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return clean((done.stdout + done.stderr).encode())


@pytest.mark.parametrize("options", ["-q", "", "-v --color=yes"])
def test_each_test_of_pytest_is_known_by_name(folder: Path, options: str) -> None:
    found = read(run(folder, f"python -m pytest -p no:cacheprovider {options} test_some.py"))
    statuses = {case.name: case.status for case in found.cases}

    assert found.ran == 5
    assert not found.stopped_early
    assert failing(found.cases) == ("test_some.py::test_words[c - d]",)
    assert statuses["test_some.py::test_words[a b]"] == "passed"
    assert statuses["test_some.py::test_fine"] == "passed"
    assert statuses["test_some.py::TestOld::test_old"] == "passed"
    bad = next(case for case in found.cases if case.status == "failed")
    assert bad.file == "test_some.py"
    assert "no dashes" in bad.message


def test_a_pytest_that_stops_at_the_first_failure_says_so(folder: Path) -> None:
    assert read(run(folder, "python -m pytest -q -x -p no:cacheprovider .")).stopped_early


@pytest.mark.parametrize("options", ["", "-v"])
def test_unittest_names_what_fails_and_counts(folder: Path, options: str) -> None:
    found = read(run(folder, f"python -m unittest {options} test_unit"))

    assert found.ran == 3
    assert len(failing(found.cases)) == 1
    assert failing(found.cases)[0].startswith("test_bad (test_unit.T")


GO = "--- PASS: TestA (0.00s)\n--- FAIL: TestB (0.01s)\n    x_test.go:5: no\nFAIL\n"
GO_JSON = (
    '{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}\n'
    '{"Action":"fail","Package":"p","Test":"TestB"}\n'
)
CARGO = (
    "test a::works ... ok\ntest a::fails ... FAILED\n\n"
    "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n"
)
JEST = (
    " PASS  a.test.js\n  ✓ adds (3 ms)\n  ✕ subtracts (1 ms)\n\n"
    "Tests:       1 failed, 1 passed, 2 total\n"
)
VITEST = " ✓ src/a.test.ts (2 tests) 5ms\n      Tests  1 failed | 3 passed (4)\n"
TAP = "TAP version 13\nok 1 - adds\nnot ok 2 - fails\n# pass 1\n# fail 1\n"
NODE = "✔ adds (0.5ms)\n✖ fails (0.3ms)\nℹ tests 2\nℹ pass 1\nℹ fail 1\n"
CTEST = (
    "1/2 Test  #1: one ....   Passed    0.01 sec\n2/2 Test  #2: two ....***Failed    0.01 sec\n\n"
    "50% tests passed, 1 tests failed out of 2\n"
)
DOTNET = "Passed!  - Failed:     0, Passed:     5, Skipped:     0, Total:     5, Duration: 3 ms\n"


@pytest.mark.parametrize(
    "output,ran,bad,good",
    [
        (GO, None, ["TestB"], ["TestA"]),
        (GO_JSON, None, ["p.TestB"], ["p.TestA"]),
        (CARGO, 2, ["a::fails"], ["a::works"]),
        (JEST, 2, ["subtracts"], ["adds"]),
        (VITEST, 4, [], ["src/a.test.ts (2 tests)"]),
        (TAP, 2, ["fails"], ["adds"]),
        (NODE, 2, ["fails"], ["adds"]),
        ("  3 passing (12ms)\n  1 failing\n", 4, [], []),
        ("5 examples, 1 failure\n", 5, [], []),
        ("OK (5 tests, 7 assertions)\n", 5, [], []),
        (CTEST, 2, ["two"], ["one"]),
        ("[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 1\n", 4, [], []),
        (DOTNET, 5, [], []),
        ("hello\nall is well, 3 things passed by\n", None, [], []),
    ],
)
def test_other_runners_are_read_too(
    output: str, ran: int | None, bad: list[str], good: list[str]
) -> None:
    found = read(output)

    assert found.ran == ran
    assert list(failing(found.cases)) == bad
    assert [case.name for case in found.cases if case.status == "passed"] == good


@given(st.text() | st.text(alphabet='=.-:✓✕ \n[]%0123456789passedfailederrorRanTestokn{}"ESKIPD'))
def test_no_output_is_too_strange(output: str) -> None:
    found = read(output)

    assert found.ran is None or found.ran >= 0


def test_where_a_test_hangs_is_said_before_its_time_is_up(tmp_path: Path) -> None:
    (tmp_path / "stats.py").write_text("def mean(values):\n    while values:\n        pass\n")
    (tmp_path / "test_it.py").write_text("from stats import mean\ndef test_it(): mean([1])\n")
    command = f"{sys.executable} -m pytest -q -p no:cacheprovider"
    done = subprocess.run(
        ["timeout", "6", *_in_shell(f"exec {command}", _options(tmp_path, 5))],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = trimmed(clean((done.stdout + done.stderr).encode()), 3_000)

    assert re.search(r'stats.py", line [23] in mean', told)
    assert "site-packages" not in told
    assert "frozen" not in told

    (tmp_path / "setup.cfg").write_text("[tool:pytest]\nfaulthandler_timeout = 70\n")
    assert "faulthandler" not in _options(tmp_path, 5)
