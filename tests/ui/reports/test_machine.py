from __future__ import annotations

import pytest
from ends import BAD, FAILED, GOOD
from schemas import faults

from qcode.events import TurnEnd
from qcode.headless.ended import Ended
from qcode.record import replace
from qcode.ui.reports.details import ChangedFile, Details
from qcode.ui.reports.machine import OUTPUT_CHARS, report_json
from qcode.ui.reports.verdict import MEANINGS, headline, meaning


@pytest.mark.parametrize(
    "ended",
    [
        GOOD,
        BAD,
        replace(GOOD, structured={"a": 1}, attempts=({"exit_code": 0},), attempt=1, commit="c0"),
        replace(GOOD, end=TurnEnd.BUDGET, exit_code=4, verification=(), baseline=()),
    ],
)  # fmt: skip
def test_every_report_fits_its_schema(ended: Ended) -> None:
    assert faults("report", report_json(ended)) == []


def test_it_says_all_that_is_known() -> None:
    details = Details((ChangedFile("a.py", 3, 1), ChangedFile("b.bin")), {"fixed": ["t.py::b"]})
    report = report_json(GOOD, details)

    assert report["meaning"] == "finished; every verification passed"
    assert report["subtype"] == "success"
    assert report["files_changed"] == [
        {"path": "a.py", "added": 3, "removed": 1},
        {"path": "b.bin", "added": None, "removed": None},
    ]
    assert report["comparison"] == {"fixed": ["t.py::b"]}
    assert report["baseline"] == [
        {
            **FAILED.to_json(),
            "runs": 2,
            "flaky": [],
            "output": "1 failed, 1 passed\n",
            "counts": {"passed": 1, "failed": 1, "error": 0, "skipped": 0},
            "cases": [
                {
                    "name": "t.py::a",
                    "status": "passed",
                    "file": "t.py",
                    "line": 3,
                    "message": "",
                    "duration_ms": 250,
                },
                {
                    "name": "t.py::b",
                    "status": "failed",
                    "file": "t.py",
                    "line": 9,
                    "message": "assert 1 == 2",
                    "duration_ms": 500,
                },
            ],
        }
    ]


def test_of_long_output_the_end_is_kept() -> None:
    long = replace(FAILED, output="x" * OUTPUT_CHARS + "the end")
    (outcome,) = report_json(replace(GOOD, baseline=[long]))["baseline"]

    assert len(outcome["output"]) == OUTPUT_CHARS
    assert outcome["output"].endswith("the end")


def test_every_exit_code_has_words() -> None:
    for code in MEANINGS:
        assert meaning(replace(BAD, exit_code=code))
    assert meaning(replace(BAD, exit_code=129)) == "ended with exit code 129"
    assert [headline(each) for each in (GOOD, replace(GOOD, verification=()), BAD)] == [
        "verified",
        "finished",
        "not accepted",
    ]
