"""The folders of a workspace, and which of them got or lost a name since.

A folder's time stamps change when a name comes or goes, so a later look need not list all.
Folders that git ignores are not gone through, but for those that are named; nor is a
`.gitignore` read again, which could hide what a run adds.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from qcode.protection.globs import Globs
from qcode.protection.kept import Signature, settled
from qcode.protection.roles import FOLDERS, MADE, SKIPPED
from qcode.record import Record
from qcode.tools.ignore import Rules, rules_at

MOST_NEW = 20_000
"""Names of new folders that are looked at; more are no work of a model's."""

_VENVS = frozenset({".venv", "venv", "env", ".env", "virtualenv"})


class Folder(Record):
    """One folder as it was."""

    path: str
    """Relative to the root; empty is the root itself."""
    mark: Signature | None
    mode: int
    in_tests: bool
    is_given: bool
    """All in it is protected by a glob, unless another one says otherwise."""
    names: frozenset[str]


class Tree:
    """The folders below a root."""

    def __init__(self, root: Path, globs: Globs) -> None:
        self._root = str(root)
        self._globs = globs
        self._rules = rules_at(root, root) or Rules()
        self._below: dict[str, Rules] = {}
        """The rules as they were, by folder."""
        self.folders: dict[str, Folder] = {}

    def begin(self) -> Iterator[tuple[Folder, list[str]]]:
        """Go through all folders; yield each with the names of what is no folder in it."""
        waiting: list[tuple[str, Rules, bool, bool]] = [("", self._rules, False, False)]
        while waiting:
            path, rules, in_tests, is_given = waiting.pop()
            found = self._list(path, in_tests=in_tests, is_given=is_given)
            if found is None:
                continue
            folder, files, inner = found
            if path and not folder.names.isdisjoint((".gitignore", ".ignore", ".rgignore")):
                rules = rules.below(f"{self._root}/{path}", f"{path}/", names=folder.names)
            self._below[path] = rules
            self.folders[path] = folder
            yield folder, files
            for name in inner:
                below = f"{path}/{name}" if path else name
                if self._is_entered(below, name, rules, is_given=folder.is_given):
                    waiting.append(
                        (below, rules, in_tests or name in FOLDERS, self._given(below, folder))
                    )

    def ignores(self, folder: Folder, path: str) -> bool:
        """Whether git ignored a file, by the rules of the beginning."""
        rules = self._below.get(folder.path)
        return rules is not None and rules.ignore(path, is_directory=False)

    def added(self) -> tuple[list[tuple[Folder, str]], list[str]]:
        """Return what is no folder and was not there, with its folder; and folders that are gone.

        A folder that is a link or a file now is gone.
        """
        fresh: list[tuple[Folder, str]] = []
        gone: list[str] = []
        left = MOST_NEW
        for path, folder in self.folders.items():
            try:
                status = os.lstat(f"{self._root}/{path}" if path else self._root)
            except PermissionError:
                continue  # a folder above was closed
            except OSError:
                gone.append(path)
                continue
            if not stat.S_ISDIR(status.st_mode):
                gone.append(path)
                continue
            if folder.mark is not None and folder.mark[:2] == (
                status.st_mtime_ns,
                status.st_ctime_ns,
            ):
                continue
            waiting = [(path, folder.in_tests, folder.is_given)]
            while waiting and left > 0:
                here, in_tests, is_given = waiting.pop()
                found = self._list(here, in_tests=in_tests, is_given=is_given)
                if found is None:
                    continue
                now, files, inner = found
                known = self.folders[here].names if here in self.folders else frozenset()
                left -= len(now.names) if here != path else 0
                fresh += [(now, name) for name in files if name not in known]
                for name in inner:
                    below = f"{here}/{name}" if here else name
                    if below in self.folders or name in known:
                        continue
                    rules = self._below.get(path, self._rules)
                    made = name in MADE and not now.is_given
                    if not made and self._is_entered(below, name, rules, is_given=now.is_given):
                        waiting.append(
                            (below, in_tests or name in FOLDERS, self._given(below, now))
                        )
        return fresh, gone

    def _given(self, path: str, above: Folder) -> bool:
        said = self._globs.match(path, is_folder=True) if self._globs else None
        return above.is_given if said is None else said

    def _is_entered(self, path: str, name: str, rules: Rules, *, is_given: bool) -> bool:
        if path in self._globs.starts or is_given:
            return True
        if name in SKIPPED or rules.ignore(path, is_directory=True):
            return False
        return name not in _VENVS or not os.path.exists(f"{self._root}/{path}/pyvenv.cfg")

    def _list(
        self, path: str, *, in_tests: bool, is_given: bool
    ) -> tuple[Folder, list[str], list[str]] | None:
        real = f"{self._root}/{path}" if path else self._root
        files: list[str] = []
        inner: list[str] = []
        try:
            status = os.lstat(real)  # before it is listed: what comes later shows
            with os.scandir(real) as entries:
                for entry in entries:
                    (inner if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
        except OSError:
            return None
        names = frozenset(files).union(inner)
        mark = settled(status)
        return Folder(path, mark, status.st_mode, in_tests, is_given, names), files, inner
