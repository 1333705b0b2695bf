"""Which commands are recognisably tests, checks or builds; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from qcode.manifests import Purpose
from qcode.shell.words import Unknown, read

LONGEST = 200
"""Characters of a command that is remembered."""

_RUNNER = r"(?:make|just|task|npm|pnpm|yarn|bun) (?:-\S+ )*(?:run )?"
_TESTS = (
    r"pytest|py\.test|unittest|tox|nox|jest|vitest|mocha|ava|rspec|phpunit|ctest|behave|nose2",
    r"(?:go|cargo|mvnw?|gradlew?|mix|dotnet|swift|deno|dart|rake|sbt|dune) (?:-\S+ )*test\S*",
    r"(?:cargo nextest|zig build test|mvn verify|playwright test|meson test|bazel test|stack test)",
    rf"{_RUNNER}(?:(?:unit-?)?tests?(?:[:_-]\S+)?|unit|e2e|check)",
)
_LINTS = (
    r"ruff check|ruff format --(?:check|diff)|flake8|pylint|mypy|pyright|ty check|eslint|stylelint",
    r"black --(?:check|diff)|isort --check\S*|prettier --check|biome (?:check|lint)|tsc --noEmit",
    r"golangci-lint run|go vet|staticcheck|cargo (?:clippy|check)|cargo fmt .*--check|rubocop",
    r"shellcheck|hadolint|mix (?:credo|dialyzer)|mix format --check\S*|deno lint|dart analyze",
    rf"{_RUNNER}(?:lint|typecheck|types|type-check|fmt-check|format-check)(?:[:_-]\S+)?",
)
_BUILDS = (
    rf"make(?: -j ?\d*)?\Z|{_RUNNER}(?:build|all|compile)",
    r"(?:go|cargo|dotnet|swift|zig|dune|stack|bazel) build|cmake --build|ninja|tsc|vite build",
    r"(?:mvn|mvnw) (?:-\S+ )*(?:package|compile)|(?:gradle|gradlew) (?:-\S+ )*(?:build|assemble)",
    r"mix compile|sbt compile|python -m build",
)
_FORMS: tuple[tuple[Purpose, tuple[str, ...]], ...] = (
    ("lint", _LINTS), ("test", _TESTS), ("build", _BUILDS),
)  # fmt: skip
_WRAPPERS = (
    ("uv", "run"), ("poetry", "run"), ("pipenv", "run"), ("hatch", "run"), ("pdm", "run"),
    ("bundle", "exec"), ("npx",), ("pnpm", "exec"), ("yarn", "exec"), ("time",), ("bunx",),
)  # fmt: skip
_PYTHON = re.compile(r"python(?:[23](?:\.\d+)?)?")
_LOOKS = frozenset({"--version", "--help", "-h", "-V", "--collect-only", "--co", "--fixtures"})
"""With one of these nothing is tested."""


def purpose_of(command: str) -> Purpose | None:
    """Return what a command is for, if that is plain: one program, with its own exit code."""
    text = command.strip()
    if not text or len(text) > LONGEST or "\n" in text:
        return None
    found = read(text)
    if isinstance(found, Unknown) or len(found) != 1 or found[0].is_globbed:
        return None
    words = _bare(found[0].texts)
    if not words or not _LOOKS.isdisjoint(words):
        return None
    line = " ".join(words)
    return next((purpose for purpose, known in _known() if known.match(line)), None)


@cache
def _known() -> tuple[tuple[Purpose, re.Pattern[str]], ...]:
    return tuple(
        (purpose, re.compile(rf"(?:{'|'.join(forms)})(?= |\Z)")) for purpose, forms in _FORMS
    )


def counts(command: str, exit_code: int) -> bool:
    """Whether an exit code tells how it went, and not that it could not be done at all."""
    if exit_code in (126, 127) or exit_code < 0 or exit_code > 128:
        return False
    # 2 to 5: interrupted, a fault of its own, wrong use, nothing collected.
    return not ("pytest" in command and exit_code > 1)


def _bare(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words without what only starts the program, and without its directory."""
    out = tuple(words)
    for _ in range(4):
        wrapper = next((one for one in _WRAPPERS if out[: len(one)] == one), None)
        if wrapper:
            out = out[len(wrapper) :]
        elif out[:1] == ("timeout",) and len(out) > 2 and re.fullmatch(r"[\d.]+[smh]?", out[1]):
            out = out[2:]
        else:
            break
    if not out:
        return ()
    name = out[0].rsplit("/", 1)[-1]
    if _PYTHON.fullmatch(name) and out[1:2] == ("-m",) and out[2:3] != ("build",):
        return out[2:]
    return ("python" if _PYTHON.fullmatch(name) else name, *out[1:])
