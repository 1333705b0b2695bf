"""Which rules "always" would remember: as narrow as they are of use."""

from __future__ import annotations

import re
from collections.abc import Iterable

from qcode.shell.words import Simple, Word

_CHECKERS = (
    "pytest py.test mypy pyright ruff flake8 pylint black isort bandit tox nox jest vitest mocha "
    "ava eslint tsc stylelint rspec rubocop phpunit phpstan ctest golangci-lint shellcheck"
)
_SUBCOMMANDS = {
    "cargo": "build check test clippy fmt doc bench",
    "go": "build test vet",
    "ruff": "check format",
    "dotnet": "build test",
    "swift": "build test",
    "zig": "build test",
    "npm": "test",
    "git": "",
}
_MODULES = "pytest unittest mypy ruff black flake8 pylint isort compileall doctest"
_PLAIN = re.compile(r"[A-Za-z0-9_@%+:,./=-]+")


def proposals(commands: Iterable[Simple]) -> tuple[str, ...]:
    """Return a rule for each command; none at all where one cannot have any."""
    rules = [_rule(command) for command in commands]
    return tuple(dict.fromkeys(rules)) if all(rules) else ()


def _rule(command: Simple) -> str:
    kept = _kept(command.texts)
    if kept and not any(word.globbed for word in command.words[:kept]):
        return f"shell({' '.join(command.texts[:kept])} *)"
    words = [_quoted(word) for word in command.words]
    return f"shell({' '.join(words)})" if all(words) else ""


def _kept(words: tuple[str, ...]) -> int:
    """Return how many first words say enough; 0: all of them are needed."""
    name = words[0]
    if name in _SUBCOMMANDS:
        return 2 if len(words) > 1 and words[1] in _SUBCOMMANDS[name].split() else 0
    if name in ("python", "python3") and len(words) > 2 and words[1] == "-m":
        return 3 if words[2] in _MODULES.split() else 0
    return 1 if name in _CHECKERS.split() else 0


def _quoted(word: Word) -> str:
    if word.globbed:
        return ""
    if _PLAIN.fullmatch(word.text):
        return word.text
    if "'" not in word.text:
        return f"'{word.text}'"
    return "" if re.search(r'["$`!\\]', word.text) else f'"{word.text}"'
