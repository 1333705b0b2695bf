"""Which command tests a project, where a person leaves it to qcode (`--verify auto`).

Asked in this order: what sessions found out here, what the project's CI runs, its manifests,
what its instructions say, and tests that lie about. A command whose program is not installed
here, or that is not plainly a test, is passed over.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from qcode.errors import UsageError
from qcode.facts.commands import purpose_of
from qcode.manifests import project
from qcode.record import Record
from qcode.sandbox.repositories import read_small

_DOCUMENTS = ("AGENTS.md", "CONTRIBUTING.md", "README.md", "README.rst", "CLAUDE.md")
_CODE = re.compile(r"^(?:    |\t)?\$? ?(\S.*?)\s*$", re.MULTILINE)
_FENCE = re.compile(r"^ {0,3}```[^\n]*\n(.*?)^ {0,3}```", re.MULTILINE | re.DOTALL)
_RUN = re.compile(r"^(\s*)(?:- )?run:\s*(\|[+-]?|>[+-]?)?[ \t]*(.*)$")
_SCRIPT = re.compile(r"^(\s*)script:\s*(.*)$")
_MOST_FILES = 2_000
_DEEP = 3


class Detected(Record):
    """A command that tests the project, and how that is known."""

    command: str
    evidence: str


def detect(root: Path, learned: Sequence[str] = ()) -> Detected:
    """Return the command with the best evidence; `learned` is what sessions found out.

    Raises:
        UsageError: there is none.
    """
    for found in _candidates(root, learned):
        if purpose_of(found.command) == "test" and can_run(found.command, root):
            return found
    raise UsageError(
        f"no command that tests `{root}` is known", hint='name it: --verify "make test"'
    )


def _candidates(home: Path, learned: Sequence[str]) -> Iterator[Detected]:
    for command in learned:
        yield Detected(command, "earlier sessions ran it here")
    yield from _of_ci(home)
    its = project(home)
    for purpose, command in its.commands:
        if purpose == "test":
            yield Detected(command, f"by {', '.join(its.manifests[:3])}")
    yield from _of_documents(home)
    yield from _of_files(home)


def _of_ci(folder: Path) -> Iterator[Detected]:
    for path in sorted(folder.glob(".github/workflows/*.y*ml")):
        for command in _github_commands(read_small(str(path))):
            yield Detected(command, f"{path.relative_to(folder)} runs it")
    for command in _gitlab_commands(read_small(str(folder / ".gitlab-ci.yml"))):
        yield Detected(command, ".gitlab-ci.yml runs it")


def _github_commands(text: str) -> Iterator[str]:
    lines = text.split("\n")
    for number, line in enumerate(lines):
        match = _RUN.match(line)
        if match is None:
            continue
        if not match[2]:
            yield match[3].strip().strip("'\"")
            continue
        for inner in lines[number + 1 :]:
            if inner.strip() and len(inner) - len(inner.lstrip()) <= len(match[1]):
                break
            if inner.strip():
                yield inner.strip()


def _gitlab_commands(text: str) -> Iterator[str]:
    lines = text.split("\n")
    for number, line in enumerate(lines):
        match = _SCRIPT.match(line)
        if match is None:
            continue
        if match[2]:
            yield match[2].strip("[]'\" ")
        for inner in lines[number + 1 :]:
            if not inner.strip().startswith("- "):
                break
            yield inner.strip()[2:].strip("'\"")


def _of_documents(folder: Path) -> Iterator[Detected]:
    for name in _DOCUMENTS:
        for block in _FENCE.findall(read_small(str(folder / name))):
            for command in _CODE.findall(block):
                yield Detected(command, f"{name} says so")


def _of_files(folder: Path) -> Iterator[Detected]:
    files = list(_walk(folder, _DEEP))
    if any(re.fullmatch(r"test_\w+\.py|\w+_test\.py", os.path.basename(name)) for name in files):
        runner = (
            "pytest" if shutil.which("pytest") or _imports_pytest(folder, files) else "unittest"
        )
        yield Detected(f"{_python()} -m {runner}", "there are tests in Python")


def _imports_pytest(folder: Path, files: Iterable[str]) -> bool:
    tests = [name for name in files if os.path.basename(name).startswith("test_")]
    return any("import pytest" in read_small(str(folder / name)) for name in tests[:20])


def _python() -> str:
    return "python" if shutil.which("python") else "python3"


def _walk(folder: Path, depth: int) -> Iterator[str]:
    count = 0
    waiting = [("", depth)]
    while waiting and count < _MOST_FILES:
        inside, left = waiting.pop()
        try:
            entries = sorted(os.scandir(folder / inside), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            name = f"{inside}/{entry.name}".lstrip("/")
            if entry.name.startswith(".") or entry.name in ("node_modules", "venv", "vendor"):
                continue
            count += 1
            if entry.is_dir(follow_symlinks=False):
                if left:
                    waiting.append((name, left - 1))
            else:
                yield name


def whole(command: str) -> bool:
    """Whether a command seems to run all tests, and not one file or some by name."""
    narrowing = ("-k", "-run", "--filter", "-t")
    return not any(
        word in narrowing or not {"/", ":", "."}.isdisjoint(word)
        for word in command.split()[1:]
        if word != "./..."
    )


def can_run(command: str, root: Path) -> bool:
    """Whether the program of a command is installed, or lies in the project."""
    word = next((word for word in command.split() if "=" not in word.split("/")[0]), "")
    if "/" in word:
        return os.access(root / word, os.X_OK)
    return shutil.which(word) is not None
