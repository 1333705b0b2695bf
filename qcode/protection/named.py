"""Which files the verification runs, and which of its makefile's and package's parts."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from qcode.facts.commands import purpose_of
from qcode.files_safe import read_small
from qcode.protection.roles import CODE, TESTING_NAME, extension, is_test_folder
from qcode.record import Record
from qcode.shell.pieces import ANY, GLOB
from qcode.shell.through import SHELLS, program, seen

DEPTH = 4
"""Scripts that are run by scripts."""
FILES = 200

_MAKES = frozenset({"make", "gmake", "just", "task", "rake", "tox", "nox", "ctest", "pre-commit"})
_READS = {
    "make": ("GNUmakefile", "makefile", "Makefile"),
    "gmake": ("GNUmakefile", "makefile", "Makefile"),
    "just": ("justfile", "Justfile", ".justfile"),
    "task": ("Taskfile.yml", "Taskfile.yaml"),
    "rake": ("Rakefile",),
    "nox": ("noxfile.py",),
    "ctest": ("CMakeLists.txt",),
    "pre-commit": (".pre-commit-config.yaml",),
}
_NODE = frozenset({"npm", "pnpm", "yarn", "bun"})
_INTERPRETER = re.compile(
    r"(?:python|pypy)[\d.]*|node|deno|bun|ts-node|tsx|ruby|perl|php|lua|Rscript|julia"
)
_CHECKING = re.compile(rb"\bassert\b|\bassert\w+\(|\bunittest\b|\bexpect\(")
"""What stands in a program that checks, and seldom in one that is checked."""
_INCLUDE = re.compile(r"^[-s]?include\s+(.+)$|^import\s+['\"](.+)['\"]$", re.MULTILINE)
_RECIPE = re.compile(r"^(?:\t| {2,})[@+-]*(.*)$", re.MULTILINE)


class Named(Record):
    """What the commands run."""

    scripts: tuple[str, ...] = ()
    """Files that are run, or that say what is run; relative to the root."""
    data: tuple[str, ...] = ()
    """Files that are compared with, or read as input."""
    targets: tuple[str, ...] = ()
    """Of a makefile; empty: its first one."""
    entries: tuple[str, ...] = ()
    """Of `scripts` in a package.json."""
    tests: tuple[str, ...] = ()
    """Files of tests that are there, named or not."""


def named(root: Path, commands: Sequence[str]) -> Named:
    """Return what can be seen of what the commands run."""
    looking = _Looking(root)
    for command in commands:
        looking.text(command, "", 0)
    return Named(
        tuple(looking.scripts), tuple(looking.data), tuple(looking.targets), tuple(looking.entries)
    )


class _Looking:
    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self.scripts: dict[str, None] = {}
        self.data: dict[str, None] = {}
        self.targets: dict[str, None] = {}
        self.entries: dict[str, None] = {}

    def text(self, text: str, folder: str, depth: int) -> None:
        """Look at a shell text that is run in a folder."""
        if depth > DEPTH or len(self.scripts) > FILES:
            return
        found = seen(text)
        folders = [folder]
        for words in found.commands:
            if program(words) == "cd" and len(words) > 1:
                folders.append(os.path.join(folder, words[1]))
            for where in folders:
                self._command(words, where, depth)
        for each in found.redirections:
            if each.operator == "<":
                for where in folders:
                    if path := self._file(where, each.target):
                        self.data[path] = None

    def _command(self, words: tuple[str, ...], folder: str, depth: int) -> None:
        name = program(words)
        if name in _MAKES:
            self._make(name, words, folder, depth)
        elif name in _NODE:
            self._node(words, folder, depth)
        if name in ("python", "python3") and "-m" in words[:-1]:
            self._module(words[words.index("-m") + 1], folder, depth)
        if purpose_of(" ".join(words)) == "lint":
            return
        is_interpreter = _INTERPRETER.fullmatch(name) is not None
        for place, word in enumerate(words):
            for text in _paths(word):
                path = self._file(folder, text)
                if path:
                    runs = place == 0 or name in (*SHELLS, "source", ".")
                    self._one(path, name, words, depth, runs=runs, read=is_interpreter)

    def _one(
        self, path: str, name: str, words: tuple[str, ...], depth: int, *, runs: bool, read: bool
    ) -> None:
        if path in self.scripts:
            return
        code = extension(path) in CODE
        says_so = bool(TESTING_NAME.search(os.path.basename(path))) or is_test_folder(path)
        if runs:
            self.scripts[path] = None
            text = self._read(path)
            if extension(path) in ("sh", "bash", "") and b"\0" not in text[:1000]:
                self.text(text.decode("utf-8", "replace"), "", depth + 1)
        elif says_so and code:
            self.scripts[path] = None
        elif says_so or (name in ("diff", "cmp", "comm") and "-" in words):
            self.data[path] = None
        elif code and read and _CHECKING.search(self._read(path)):
            self.scripts[path] = None

    def _make(self, name: str, words: tuple[str, ...], folder: str, depth: int) -> None:
        rest = list(words[1:])
        files = _READS.get(name, ())
        while rest:
            word = rest.pop(0)
            if word in ("-C", "--directory") and rest:
                folder = os.path.join(folder, rest.pop(0))
            elif word in ("-f", "--file", "--makefile") and rest:
                files = (rest.pop(0),)
            elif not word.startswith("-") and "=" not in word and name in ("make", "gmake", "just"):
                self.targets[word] = None
        for file in files:
            path = self._file(folder, file)
            if path and path not in self.scripts:
                self.scripts[path] = None
                if name in ("make", "gmake", "just"):
                    text = self._read(path).decode("utf-8", "replace")
                    for one, other in _INCLUDE.findall(text):
                        for included in (one or other).split():
                            if below := self._file(folder, included):
                                self.scripts[below] = None
                    lines = _recipes(text, tuple(self.targets))
                    self.text("\n".join(lines), folder, depth + 1)

    def _node(self, words: tuple[str, ...], folder: str, depth: int) -> None:
        rest = [word for word in words[1:] if not word.startswith("-")]
        entry = rest[0] if rest else ""
        if entry in ("run", "run-script") and len(rest) > 1:
            entry = rest[1]
        entry = {"t": "test", "tst": "test"}.get(entry, entry)
        path = self._file(folder, "package.json")
        if not entry or not path:
            return
        try:
            scripts = json.loads(self._read(path))["scripts"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        for each in (f"pre{entry}", entry, f"post{entry}"):
            if each in self.entries or not isinstance(scripts, dict):
                continue
            self.entries[each] = None
            if isinstance(text := scripts.get(each), str):
                self.text(text, folder, depth + 1)

    def _module(self, module: str, folder: str, depth: int) -> None:
        base = module.replace(".", "/")
        for file in (f"{base}.py", f"{base}/__main__.py", f"src/{base}.py"):
            if path := self._file(folder, file):
                self._one(path, "python", (), depth, runs=False, read=True)

    def _file(self, folder: str, text: str) -> str:
        """Return the path below the root of a file that is there, or nothing."""
        if not text or len(text) > 1000 or ANY in text or GLOB in text or "\0" in text:
            return ""
        path = os.path.normpath(os.path.join(self._root, folder, text))
        if not path.startswith(f"{self._root}/") or not os.path.isfile(path):
            return ""
        relative = path[len(self._root) + 1 :]
        return (
            "" if relative.startswith((".git/", ".venv/", "venv/", "node_modules/")) else relative
        )

    def _read(self, path: str) -> bytes:
        try:
            return read_small(Path(self._root, path))
        except OSError:
            return b""


def _paths(word: str) -> Iterator[str]:
    """Yield what in a word may be a path."""
    yield word
    if "::" in word:
        yield word.partition("::")[0]
    if word.startswith("-") and "=" in word:
        yield word.partition("=")[2]


def _recipes(text: str, targets: Sequence[str]) -> list[str]:
    """Return the commands of a makefile's targets and of those that they need."""
    from qcode.protection.makefile import needed, read

    rules = read(text).rules
    return [
        match[1]
        for target in needed(rules, targets)
        for line in rules[target].recipe
        if (match := _RECIPE.match(line))
    ]
