from __future__ import annotations

import json
from pathlib import Path

import pytest
from ends import BAD, GOOD
from schemas import faults

from qcode.errors import QcodeError, UsageError
from qcode.record import replace
from qcode.secrets import Masker
from qcode.ui.reports.summary import MOST_BYTES
from qcode.ui.reports.writing import Wanted, check_wanted, without_secrets, write_reports


def test_reports_are_written_and_a_summary_is_added(tmp_path: Path) -> None:
    names = {name: str(tmp_path / name) for name in ("report", "summary", "code_quality")}
    (tmp_path / "report").write_text("old")
    (tmp_path / "summary").write_text("# Before\n")

    check_wanted(Wanted(**names))
    write_reports(BAD, Wanted(**names), Masker())

    report = json.loads((tmp_path / "report").read_text())
    assert faults("report", report) == []
    assert (tmp_path / "summary").read_text().startswith("# Before\n## ❌ qcode")
    assert len(json.loads((tmp_path / "code_quality").read_text())) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_summary_keeps_to_what_the_step_may_still_say(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    summary.write_bytes(b"x" * (MOST_BYTES - 500))
    write_reports(GOOD, Wanted(summary=str(summary)), Masker())

    assert MOST_BYTES - 500 < summary.stat().st_size <= MOST_BYTES


def test_secrets_are_in_no_report(tmp_path: Path) -> None:
    secret = "correct-horse_battery"
    ended = replace(
        BAD,
        **dict.fromkeys(("answer", "task", "error"), f"it is {secret}!"),
        verification=[replace(BAD.verification[0], output=secret, command=f"run {secret}")],
        receipt={"commands": [{"command": secret}]},
        structured={"a": [secret]},
    )
    wanted = Wanted(*(str(tmp_path / name) for name in "abc"))
    write_reports(ended, wanted, Masker([secret]))

    for name in "abc":
        assert secret not in (tmp_path / name).read_text()
    assert without_secrets(ended, Masker([secret])).end is ended.end


def test_what_cannot_be_written_is_one_line_and_the_rest_is_written(tmp_path: Path) -> None:
    wanted = Wanted(str(tmp_path / "no/report"), str(tmp_path / "summary"), str(tmp_path))

    with pytest.raises(QcodeError, match=r"cannot write .*/no/report`.*; cannot write") as failed:
        write_reports(GOOD, wanted, Masker())

    assert "\n" not in str(failed.value)
    assert (tmp_path / "summary").exists()
    with pytest.raises(UsageError, match="there is no folder"):
        check_wanted(wanted)


def test_a_summary_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(QcodeError, match="cannot write the summary .*: Is a directory"):
        write_reports(GOOD, Wanted(summary=str(tmp_path)), Masker())
