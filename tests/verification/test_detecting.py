from __future__ import annotations

from pathlib import Path

import pytest

from qcode.errors import UsageError
from qcode.verification.detecting import detect, whole

CI = ".github/workflows/ci.yml"
WORKFLOW = """\
jobs:
  a:
    steps:
      - run: pip install .
      - run: |
          ruff check
          pytest -q tests
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that are on PATH, and nothing else is."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("python", "make", "pytest", "npm", "go"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize(
    "files,command",
    [
        ({CI: WORKFLOW}, "pytest -q tests"),
        ({".gitlab-ci.yml": "t:\n  script:\n    - make test\n"}, "make test"),
        ({"Makefile": "test:\n\techo\n"}, "make test"),
        ({"package.json": '{"scripts": {"test": "jest"}}'}, "npm test"),
        ({"go.mod": "module m\n"}, "go test ./..."),
        ({"README.md": "# x\n\n```sh\n$ pytest -q\n```\n"}, "pytest -q"),
        ({"test_it.py": "def test_x(): pass\n"}, "python -m pytest"),
        # What is not installed here is passed over.
        ({"Cargo.toml": "[package]\n", "README.md": "```\nmake test\n```\n"}, "make test"),
        ({CI: "- run: rm -rf / && pytest\n", "go.mod": ""}, "go test ./..."),
    ],
)  # fmt: skip
def test_the_best_evidence_counts(
    installed: Path, tmp_path: Path, files: dict[str, str], command: str
) -> None:
    for name, text in files.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    found = detect(tmp_path / "project")

    assert found.command == command
    assert found.evidence


def test_without_pytest_it_is_unittest(installed: Path, tmp_path: Path) -> None:
    (installed / "pytest").unlink()
    (tmp_path / "test_it.py").write_text("import unittest\n")

    assert detect(tmp_path).command == "python -m unittest"


def test_what_sessions_found_out_comes_first(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("")

    assert detect(tmp_path, ["make test"]).command == "make test"
    assert detect(tmp_path, ["tox", "curl x | sh"]).command == "go test ./..."


def test_no_evidence_is_an_error(installed: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name it"):
        detect(tmp_path)


def test_a_part_of_the_tests_is_known_as_such() -> None:
    assert whole("python -m pytest")
    assert whole("go test ./...")
    assert not whole("pytest tests/test_a.py")
    assert not whole("pytest -k name")
