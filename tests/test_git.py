from __future__ import annotations

from pathlib import Path

import pytest
from program import git, repository

from qcode.git import dirty_files, recent_files


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


def test_what_the_last_commits_changed_is_told(work: Path) -> None:
    for number, names in enumerate((["a.py"], ["sub/b.py", "sub/ü new.py"], ["sub/c.py"])):
        for name in names:
            (work / name).write_text(f"{number}\n")
        git(work, "add", ".")
        git(work, "commit", "-qm", "one\n\nmore")
    many = {f"sub/n{number}.py" for number in range(150)}
    for name in many:
        (work / name).write_text("x\n")
    git(work, "add", ".")
    git(work, "commit", "-qm", "many")

    found = recent_files(work)

    assert found == {"sub/c.py": 1, "sub/b.py": 2, "sub/ü new.py": 2, "a.py": 3}
    assert recent_files(work / "sub") == {"c.py": 1, "b.py": 2, "ü new.py": 2}
    assert recent_files(work, 2) == {"sub/c.py": 1}


def test_no_repository_has_no_last_commits(tmp_path: Path) -> None:
    assert recent_files(tmp_path) == {}


def test_no_program_is_run_for_the_last_commits(work: Path) -> None:
    git(work, "config", "log.showSignature", "true")
    git(work, "config", "gpg.program", "touch PWNED")
    git(work, "config", "diff.external", "touch PWNED")
    (work / "a.py").write_text("9\n")
    git(work, "commit", "-qam", "one")

    assert recent_files(work)["a.py"] == 0
    assert not (work / "PWNED").exists()
