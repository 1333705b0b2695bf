"""The test runners that are installed in the workspace, and what a Python starts with there.

They are mostly ignored by git, and any change to them is one to how tests are run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from qcode.headless.ended import Violation
from qcode.protection import restore
from qcode.protection.kept import Keeper, Kept, is_same, read, settled, signature
from qcode.record import replace

_PYTHON = ("pytest", "_pytest", "pluggy", "unittest", "coverage")
_NODE = ("jest", "jest-cli", "jest-circus", "vitest", "mocha", "chai", "ava", "expect")
_LARGEST = 2 * 2**20
_MOST = 600
"""Files of the runners that are kept."""
_CODE = re.compile(r".*\.(?:py|js|mjs|cjs|json|pth)")
_STARTS = re.compile(r"(?:site|user)customize\.py|.*\.pth")
_EDITABLE = re.compile(
    r"__editable__.*\.pth|_virtualenv\.pth|distutils-precedence\.pth|.*-nspkg\.pth"
)


class Installed:
    """What runners were there, and what they were."""

    def __init__(self, root: Path, keeper: Keeper) -> None:
        self._root = root
        self._keeper = keeper
        self._kept: dict[str, Kept] = {}
        self._sites: dict[str, frozenset[str]] = {}
        """Folders from which a Python starts, and the names in them that it obeys."""

    def begin(self) -> None:
        """Take in what is there."""
        for site in self._find_sites():
            self._sites[site] = self._starting(site)
            for name in self._sites[site]:
                self._keep(f"{site}/{name}")
            for package in _PYTHON:
                self._below(f"{site}/{package}")
        for package in _NODE:
            self._below(f"node_modules/{package}")

    def look(self) -> list[Violation]:
        """Return what was done to them."""
        found: list[Violation] = []
        for path, kept in self._kept.items():
            try:
                status = os.lstat(self._root / path)
            except OSError:
                found.append(Violation(path, "harness", "the test runner lost a file"))
                continue
            if kept.signature is not None and signature(status) == kept.signature:
                continue
            try:
                data, status = read(self._root / path)
            except OSError:
                data = b""
            if is_same(kept, data):
                self._kept[path] = replace(kept, signature=settled(status))
            else:
                found.append(Violation(path, "harness", "the installed test runner was changed"))
        for site, names in self._sites.items():
            found += [
                Violation(f"{site}/{name}", "harness", "each start of Python obeys it")
                for name in sorted(self._starting(site) - names)
                if not _EDITABLE.fullmatch(name)
            ]
        return found

    def owns(self, path: str) -> bool:
        """Whether a path is one of theirs."""
        return path in self._kept or path.rpartition("/")[0] in self._sites

    def put_back(self, path: str) -> None:
        """Make a file what it was.

        Raises:
            OSError: it cannot be done.
        """
        if path in self._kept:
            restore.put_back(self._root, path, self._kept[path], {})
        else:
            restore.remove(self._root, path)

    def _find_sites(self) -> Iterator[str]:
        for venv in (".venv", "venv", "env", ".env"):
            try:
                if os.path.islink(self._root / venv):
                    continue
                versions = os.listdir(self._root / venv / "lib")
            except OSError:
                continue
            for version in versions:
                site = f"{venv}/lib/{version}/site-packages"
                if version.startswith("python") and os.path.isdir(self._root / site):
                    yield site

    def _starting(self, site: str) -> frozenset[str]:
        try:
            return frozenset(filter(_STARTS.fullmatch, os.listdir(self._root / site)))
        except OSError:
            return frozenset()

    def _below(self, folder: str) -> None:
        for here, inner, files in os.walk(self._root / folder):
            inner[:] = [name for name in inner if name not in ("__pycache__", "node_modules")]
            relative = os.path.relpath(here, self._root)
            for name in files:
                if _CODE.fullmatch(name):
                    self._keep(f"{relative}/{name}")

    def _keep(self, path: str) -> None:
        kept = self._keeper.keep(path) if len(self._kept) < _MOST else None
        if kept is not None and (kept.data is not None or kept.digest):
            self._kept[path] = kept
