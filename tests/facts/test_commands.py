from __future__ import annotations

import pytest

from qcode.facts.commands import counts, purpose_of


@pytest.mark.parametrize(
    "command, purpose",
    [
        ("pytest -q", "test"),
        ("python3 -m pytest tests/test_a.py -x", "test"),
        (".venv/bin/python -m unittest", "test"),
        (".venv/bin/pytest", "test"),
        ("uv run pytest -q 2>&1", "test"),
        ("timeout 60 make test", "test"),
        ("make -s unit", "test"),
        ("npm test", "test"),
        ("npm run test:unit -- --watch=false", "test"),
        ("npx vitest run", "test"),
        ("go test ./...", "test"),
        ("cargo test --workspace", "test"),
        ("./gradlew test", "test"),
        ("bundle exec rspec", "test"),
        ("ruff check .", "lint"),
        ("npm run lint", "lint"),
        ("make lint", "lint"),
        ("cargo clippy", "lint"),
        ("python -m mypy", "lint"),
        ("make", "build"),
        ("make -j4", "build"),
        ("npm run build", "build"),
        ("cargo build --release", "build"),
        ("python -m build", "build"),
    ],
)
def test_commands_that_test_lint_and_build_are_known(command: str, purpose: str) -> None:
    assert purpose_of(command) == purpose


@pytest.mark.parametrize(
    "command",
    [
        *("", "ls", "echo pytest", "cat tests/test_a.py", "make clean", "make install", "git test"),
        *("pytest --version", "pytest -q | tail -5", "make lint && make test", "pytest || true"),
        *("cd sub && pytest", "pytest > out.txt", "X=1 pytest", "pytest &", "ruff check --help"),
        *("python test.py", "npm install", "pip install pytest", "pytest -k " + "x" * 300),
        *("pytest $FILES", "pytest -q; true", "pytest\nls", "make testing123 -C"),
    ],
)
def test_what_is_not_plain_is_none(command: str) -> None:
    assert purpose_of(command) is None


@pytest.mark.parametrize(
    "command, code, is_counted",
    [
        ("pytest -q", 0, True),
        ("pytest -q", 1, True),
        ("pytest -q", 5, False),
        ("make test", 2, True),
        ("make test", 127, False),
        ("make test", 137, False),
    ],
)
def test_an_exit_code_may_say_nothing(command: str, code: int, is_counted: bool) -> None:
    assert counts(command, code) is is_counted
