"""How the tests of an exercise are run in each language, and what that takes on this machine.

The commands are those of aider's benchmark (github.com/Aider-AI/aider, `benchmark/benchmark.py`,
`cpp-test.sh`, `npm-test.sh`), Apache-2.0; so is that tests which a track has skipped, so that
learners take them one by one, are all run.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from qcode.evals.harness.task import Content
from qcode.evals.loaders.base import as_bytes, as_content
from qcode.record import Record

TIMEOUT_S = 180.0
"""Of one run of the tests; aider's benchmark gives as much."""


class Language(Record):
    """One language of exercises."""

    name: str
    """As Exercism calls its track."""
    needs: tuple[str, ...]
    """Programs without which no test can be run."""
    command: str
    """Run in the exercise's folder; `{tests}` are its test files, `{slug}` its name."""
    proof: str
    """What the output has where at least one test passed, as `grep -E` reads it."""
    unskip: tuple[str, str] = ("", "")
    """A form in test files, and what stands there instead."""
    given: tuple[str, ...] = ()
    """Files that are no part of a solution, whatever the exercise says; as in aider's."""
    never: tuple[str, ...] = ()
    """Files that would change how tests are run, and stand in no exercise."""


LANGUAGES: Mapping[str, Language] = {
    each.name: each
    for each in (
        Language(
            "python", (), "python -P -m pytest -q -p no:cacheprovider {tests}",
            r"(^|[ ,])[1-9][0-9]* passed",
        ),
        Language(
            "rust", ("cargo",), "CARGO_NET_OFFLINE=true cargo test -- --include-ignored",
            r"^test result: ok\. [1-9]", given=("Cargo.toml",),
            never=(".cargo/config", ".cargo/config.toml", "build.rs"),
        ),
        Language("go", ("go",), "go test ./...", r"^ok[[:space:]]"),
        Language(
            "javascript", ("node", "npm"), "npm run --silent test",
            r"^[[:space:]]*Tests:?[[:space:]].*[1-9][0-9]* passed",
            (r"\bx(test|it|describe)\(", r"\1("),
        ),
        # The name of the folder is the name of the exercise to its CMakeLists.txt.
        Language(
            "cpp", ("cmake", "make", "c++"),
            'at=$(mktemp -d)/{slug} && cp -R . "$at" && mkdir -p "$at/build" && cd "$at/build" '
            "&& cmake -DEXERCISM_RUN_ALL_TESTS=1 -G 'Unix Makefiles' .. && make",
            "^All tests passed", given=("CMakeLists.txt",),
        ),
        Language(
            "java", ("javac", "java"), "{gradle} test --offline --console=plain",
            "^BUILD SUCCESSFUL",
            (r"(?m)^\s*@Disabled(?:\([^)]*\))?[ \t]*\r?\n", ""),
        ),
    )
}  # fmt: skip

_JEST = "jest babel-jest core-js @babel/core @exercism/babel-preset-javascript"
"""The packages that the exercises' tests are run with."""

_BY_SUFFIX = {
    ".py": "python", ".rs": "rust", ".go": "go", ".js": "javascript", ".cpp": "cpp",
    ".h": "cpp", ".java": "java",
}  # fmt: skip


def language_of(solutions: tuple[str, ...]) -> str:
    """Return the language of files by how they end; nothing: none of those known."""
    for name in solutions:
        if found := _BY_SUFFIX.get(Path(name).suffix):
            return found
    return ""


def missing(language: Language, track: Path, environ: Mapping[str, str]) -> str:
    """Return why tests of a language cannot be run here; nothing: they can."""
    path = environ.get("PATH", "")
    lacking = [name for name in language.needs if shutil.which(name, path=path) is None]
    if lacking:
        return f"{' and '.join(lacking)} not installed"
    if language.name == "javascript" and modules(track) is None:
        return f"no node_modules: run `npm install --prefix {track} {_JEST}` once"
    if language.name == "java" and not gradle(environ):
        return "gradle is neither installed nor was it ever fetched by a `gradlew`"
    return ""


def modules(track: Path) -> Path | None:
    """Return where the packages that JavaScript's tests need were installed."""
    found = track / "node_modules"
    return found if found.is_dir() else None


def gradle(environ: Mapping[str, str]) -> str:
    """Return the command that runs Gradle without a network; nothing: there is none."""
    if shutil.which("gradle", path=environ.get("PATH", "")):
        return "gradle"
    fetched = Path(environ.get("HOME", "/nowhere"), ".gradle/wrapper/dists")
    return "sh ./gradlew" if fetched.is_dir() and any(fetched.iterdir()) else ""


def command(
    language: Language, tests: tuple[str, ...], slug: str, track: Path, environ: Mapping[str, str]
) -> str:
    """Return the shell command that runs the tests of one exercise."""
    words = " ".join(map(shlex.quote, tests))
    line = language.command.replace("{tests}", words).replace("{slug}", shlex.quote(slug))
    line = line.replace("{gradle}", gradle(environ))
    if language.name == "javascript" and (installed := modules(track)) is not None:
        line = f"ln -sfn {shlex.quote(str(installed))} node_modules && {line}"
    return proved(line, language.proof)


def proved(line: str, proof: str) -> str:
    """Return a command that passes only if the one given does, and is seen to have tested.

    What is tested may end the program that tests, with an exit code of its own; and its last line
    is not taken for the judge's.
    """
    return (
        f'log=$(mktemp); ( {line} ) >"$log" 2>&1; code=$?; cat "$log"; '
        f'if [ $code = 0 ] && ! grep -Eq {shlex.quote(proof)} "$log"; then '
        "echo 'no test was seen to pass'; exit 1; fi; "
        'if tail -n 1 "$log" | grep -q \'^{\'; then echo "the tests end with $code"; fi; '
        "exit $code"
    )


def with_all_tests(language: Language, value: Content) -> Content:
    """Return a test file in which nothing is skipped for learners."""
    form, instead = language.unskip
    if not form:
        return value
    try:
        text = as_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        return value
    runs = isinstance(value, Mapping) and bool(value.get("exec"))
    return as_content(re.sub(form, instead, text).encode("utf-8"), runs=runs)
