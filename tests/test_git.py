from __future__ import annotations

from pathlib import Path

import pytest
from program import git, repository

from qcode.git import dirty_files


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return repository(tmp_path / "work", {"a.py": "1\n", "sub/b.py": "2\n"})


def test_changed_new_and_deleted_files_are_told(work: Path) -> None:
    (work / "a.py").write_text("changed\n")
    (work / "sub" / "b.py").unlink()
    (work / "ü new.txt").write_text("x")

    found = dirty_files(work / "sub")

    assert set(found) == {"a.py", "sub/b.py", "ü new.txt"}
    assert found["sub/b.py"] == (0, 0)


def test_no_repository_has_none(tmp_path: Path) -> None:
    assert dirty_files(tmp_path) == {}


@pytest.mark.parametrize("kind", ["clean", "process"])
def test_programs_that_a_repository_names_are_not_run(work: Path, kind: str) -> None:
    (work / ".gitattributes").write_text("*.py filter=evil.one\n")
    git(work, "config", f"filter.evil.one.{kind}", "touch PWNED; cat")
    git(work, "config", "filter.evil.one.required", "true")
    git(work, "config", "core.fsmonitor", "touch PWNED")
    (work / "a.py").write_text("9\n")

    assert "a.py" in dirty_files(work)
    assert not list(work.rglob("PWNED"))
