from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from program import git, repository

from qcode.manifests import project
from qcode.surroundings import surroundings
from qcode.worktree import glance


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return repository(tmp_path / "work", {"a.py": "1\n", "sub/b.py": "2\n", "ü c": "3\n"})


def write(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def test_branch_and_changed_files_are_seen(work: Path) -> None:
    git(work, "checkout", "-qb", "feature/x")
    (work / "a.py").write_text("more\n")
    (work / "sub/b.py").unlink()
    (work / "new.py").write_text("untracked\n")

    seen = glance(str(work / "sub"))

    assert seen is not None
    assert (seen.top, seen.branch, seen.operation) == (str(work), "feature/x", "")
    assert seen.changed == ("a.py", "sub/b.py")


@pytest.mark.parametrize("version", ["2", "3"])
def test_what_was_added_is_not_changed(work: Path, version: str) -> None:
    (work / "a.py").write_text("more\n")
    (work / "later.py").write_text("x\n")
    git(work, "update-index", "--index-version", version)
    git(work, "add", "a.py")
    git(work, "add", "-N", "later.py")  # needs flags that only version 3 has

    seen = glance(str(work))

    assert seen is not None
    assert seen.changed is not None
    assert "a.py" not in seen.changed


def test_an_index_of_another_form_tells_only_the_branch(work: Path) -> None:
    git(work, "update-index", "--index-version", "4")

    seen = glance(str(work))

    assert seen is not None
    assert (seen.branch, seen.changed) == (git(work, "branch", "--show-current").strip(), None)


def test_a_linked_worktree_and_no_branch_are_seen(work: Path, tmp_path: Path) -> None:
    git(work, "worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    (tmp_path / "other/a.py").write_text("there\n")

    seen = glance(str(tmp_path / "other"))

    assert seen is not None
    assert (seen.branch, seen.changed) == ("", ("a.py",))


def test_an_operation_under_way_is_told(work: Path) -> None:
    (work / ".git/MERGE_HEAD").write_text("0" * 40)

    assert "a merge is under way" in surroundings(work)


def test_no_repository_has_no_state(tmp_path: Path) -> None:
    assert glance(str(tmp_path)) is None
    assert surroundings(tmp_path).count("\n") == 1


@given(data=st.binary(max_size=300))
def test_no_index_is_too_broken(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("broken")
    (folder / ".git").mkdir()
    (folder / ".git/index").write_bytes(b"DIRC\0\0\0\2" + data)

    assert glance(str(folder)) is not None


@pytest.mark.parametrize(
    "files, commands",
    [
        ({"Makefile": "test: a\n\tx\nVAR := 1\nlint build:\n"}, ["make test", "make lint"]),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n[tool.ruff]\n"}, ["pytest", "ruff check"]),
        ({"pyproject.toml": "[tool.mypy]", "uv.lock": "", "tests": ""},
         ["uv run python -m unittest", "uv run mypy"]),
        ({"package.json": json.dumps({"scripts": {"test": "vitest", "lint": "eslint"}}),
          "pnpm-lock.yaml": ""}, ["pnpm test", "pnpm run lint"]),
        ({"package.json": json.dumps({"scripts": {"test": "echo Error: no test specified"}})}, []),
        ({"package.json": "[" * 100_000}, []),
        ({"package.json": '{"scripts": 3}'}, []),
        ({"go.mod": "module x"}, ["go test ./...", "go vet ./...", "go build ./..."]),
        ({"Cargo.toml": ""}, ["cargo test", "cargo clippy", "cargo build"]),
        ({"README.md": "make test"}, []),
    ],
)  # fmt: skip
def test_commands_follow_from_manifests(
    tmp_path: Path, files: Mapping[str, str], commands: list[str]
) -> None:
    assert [command for _, command in project(write(tmp_path / "p", files)).commands] == commands


def test_it_is_a_few_short_lines(work: Path) -> None:
    write(work, {"Makefile": "test:\nlint:\nbuild:\n", "pyproject.toml": "", "package.json": "{}"})
    for number in range(50):
        (work / f"{number}\n{'x' * 200}").write_text("x")
    git(work, "add", ".")
    for number in range(50):
        (work / f"{number}\n{'x' * 200}").write_text("other")

    lines = surroundings(work).splitlines()

    assert len(lines) <= 7
    assert max(map(len, lines)) <= 241
    assert "test: `make test`; lint: `make lint`; build: `make build`" in lines[-1]


def test_below_the_top_the_tops_manifests_are_told(work: Path) -> None:
    write(work, {"go.mod": "module x"})

    shown = surroundings(work / "sub")

    assert f"- what follows is of {work}" in shown
    assert "go test ./..." in shown


def test_a_manifest_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Makefile")

    assert project(tmp_path).manifests == ("Makefile",)
