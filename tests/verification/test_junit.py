from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from qcode.verification.junit import to_junit
from qcode.verification.outcome import Case, Outcome

CASES = (
    Case("t.py::test_a", "passed", "t.py", duration_s=0.5),
    Case("t.py::test_b", "failed", "t.py", 3, message='a < b & "c"'),
    Case("t.py::test_c", "skipped", message="later"),
)


def test_a_viewer_finds_each_test_and_the_counts() -> None:
    bad = Outcome("pytest -q", 1, "E assert <x>\x00\x1b", 1.5, cases=CASES, flaky=("t.py::x",))
    root = ET.fromstring(to_junit([bad, Outcome("sh check.sh", 0, "", 0.1)]))

    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("4", "1", "1")
    first, second = root
    assert [child.tag for child in first] == [
        "properties", "testcase", "testcase", "testcase", "system-out",
    ]  # fmt: skip
    failed = first.findall("testcase")[1]
    assert (failed.get("name"), failed.get("classname"), failed.get("line")) == (
        "test_b", "t.py", "3",
    )  # fmt: skip
    assert failed[0].tag == "failure"
    assert failed[0].get("message") == 'a < b & "c"'
    assert [case.get("name") for case in second] == ["sh check.sh"]


def test_a_command_that_failed_though_no_test_did_is_a_failure() -> None:
    root = ET.fromstring(to_junit([Outcome("make test", 2, "boom", 0.1, cases=CASES[:1])]))

    assert (root.get("tests"), root.get("failures")) == ("2", "1")


@given(st.text(), st.text())
def test_anything_can_stand_in_it(name: str, output: str) -> None:
    document = to_junit(
        [Outcome(name, 1, output, 0.0, cases=(Case(name, "failed", message=output),))]
    )

    assert ET.fromstring(document).tag == "testsuites"
