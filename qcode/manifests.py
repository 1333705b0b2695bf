"""What a project is made with, and how it is tested, by the files at its top.

Files are looked for and some are skimmed; nothing is run. What they say is the project's
word, not a promise that it works.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from qcode.record import Record
from qcode.sandbox.repositories import read_small

Purpose: TypeAlias = Literal["test", "lint", "build"]
PURPOSES: tuple[Purpose, ...] = ("test", "lint", "build")

MANIFESTS = (
    *("Makefile", "makefile", "GNUmakefile", "justfile", "Justfile", "Taskfile.yml"),
    *("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "tox.ini", "noxfile.py"),
    *("pytest.ini", "package.json", "deno.json", "deno.jsonc", "go.mod", "Cargo.toml"),
    *("pom.xml", "build.gradle", "build.gradle.kts", "build.sbt", "CMakeLists.txt", "meson.build"),
    *("Gemfile", "Rakefile", "composer.json", "mix.exs", "Package.swift", "pubspec.yaml"),
    *("stack.yaml", "dune-project", "build.zig", "WORKSPACE", "MODULE.bazel", "flake.nix"),
)
"""Names of files that say how a project is built."""


class Project(Record):
    """What is known of a project by its files."""

    manifests: tuple[str, ...] = ()
    commands: tuple[tuple[Purpose, str], ...] = ()
    """The commands that serve a purpose; the first one of it is the most likely."""

    def command(self, purpose: Purpose) -> str:
        """Return the most likely command for a purpose, or nothing."""
        return next((command for its, command in self.commands if its == purpose), "")


def project(folder: Path) -> Project:
    """Return what the files in a directory say."""
    try:
        names = frozenset(os.listdir(folder))
    except OSError:
        return Project()
    manifests = tuple(name for name in MANIFESTS if name in names)
    found: list[tuple[Purpose, str]] = []
    for look in _LOOKS:
        found += look(str(folder), names)
    return Project(manifests, tuple(dict.fromkeys(found)))


_Found: TypeAlias = "list[tuple[Purpose, str]]"
_WORDS: dict[str, Purpose] = {
    "test": "test", "tests": "test", "unit": "test", "lint": "lint", "check": "lint",
    "typecheck": "lint", "build": "build", "compile": "build",
}  # fmt: skip
"""Names of targets and scripts, and what they are for."""


def _runners(folder: str, names: frozenset[str]) -> _Found:
    """Targets of make and just."""
    out: _Found = []
    for file, program in (
        *(("Makefile", "make"), ("makefile", "make"), ("GNUmakefile", "make")),
        *(("justfile", "just"), ("Justfile", "just")),
    ):
        if file in names:
            text = read_small(f"{folder}/{file}")
            targets = set(re.findall(r"^([a-z]+)(?=[^:=\n]{0,80}:(?!=))", text, re.MULTILINE))
            targets.discard("check")  # with make it tests as often as it lints
            out += [(_WORDS[one], f"{program} {one}") for one in _WORDS if one in targets]
    return out


def _python(folder: str, names: frozenset[str]) -> _Found:
    if names.isdisjoint({"pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "tox.ini"}):
        return []
    text = read_small(f"{folder}/pyproject.toml") if "pyproject.toml" in names else ""
    start = ""
    if "uv.lock" in names:
        start = "uv run "
    elif "poetry.lock" in names:
        start = "poetry run "
    elif ".venv" in names and os.path.exists(f"{folder}/.venv/bin/python"):
        start = ".venv/bin/python -m "
    out: _Found = []
    if "pytest" in text or names & {"pytest.ini", "conftest.py"}:
        out.append(("test", f"{start}pytest"))
    elif names & {"tests", "test"}:
        module = start if start.endswith("-m ") else f"{start}python -m "
        out.append(("test", f"{module}unittest"))
    if "tox.ini" in names or "[tool.tox" in text:
        out.append(("test", "tox"))
    if "noxfile.py" in names:
        out.append(("test", "nox"))
    if "[tool.ruff" in text or names & {"ruff.toml", ".ruff.toml"}:
        out.append(("lint", f"{start}ruff check"))
    if "[tool.mypy" in text or "mypy.ini" in names:
        out.append(("lint", f"{start}mypy"))
    return out


def _node(folder: str, names: frozenset[str]) -> _Found:
    if "package.json" not in names:
        return []
    try:
        scripts = json.loads(read_small(f"{folder}/package.json"))["scripts"]
        known = {str(name) for name in scripts}
        words = str(scripts.get("test", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
    program = "npm"
    for lock, its in (("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lock", "bun"),
                      ("bun.lockb", "bun")):  # fmt: skip
        program = its if lock in names else program
    if "no test specified" in words:  # what `npm init` writes
        known.discard("test")
    short = "" if program == "bun" else "test"  # `bun test` is another thing
    return [
        (purpose, f"{program} {name}" if name == short else f"{program} run {name}")
        for name, purpose in _WORDS.items()
        if name in known
    ]


def _others(_folder: str, names: frozenset[str]) -> _Found:
    out: _Found = []
    for files, commands in _KNOWN:
        if not names.isdisjoint(files):
            out += zip(PURPOSES, commands, strict=False)
    return [(purpose, command) for purpose, command in out if command]


_KNOWN: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("Cargo.toml",), ("cargo test", "cargo clippy", "cargo build")),
    (("go.mod",), ("go test ./...", "go vet ./...", "go build ./...")),
    (("gradlew",), ("./gradlew test", "./gradlew check", "./gradlew build")),
    (("mvnw",), ("./mvnw test", "", "./mvnw package")),
    (("pom.xml",), ("mvn test", "", "mvn package")),
    (("build.gradle", "build.gradle.kts"), ("gradle test", "gradle check", "gradle build")),
    (("mix.exs",), ("mix test", "mix format --check-formatted", "mix compile")),
    (("Package.swift",), ("swift test", "", "swift build")),
    ((".rspec",), ("bundle exec rspec", "", "")),
    (("Rakefile",), ("rake test", "", "")),
    (("deno.json", "deno.jsonc"), ("deno test", "deno lint", "")),
    (("pubspec.yaml",), ("dart test", "dart analyze", "")),
    (("dune-project",), ("dune test", "", "dune build")),
    (("build.zig",), ("zig build test", "", "zig build")),
    (("build.sbt",), ("sbt test", "", "sbt compile")),
)
"""Files, and what tests, lints and builds where they are."""

_LOOKS: tuple[Callable[[str, frozenset[str]], _Found], ...] = (_runners, _python, _node, _others)
