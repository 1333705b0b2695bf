"""Globs as `.gitignore` has them: without a slash at any depth, else from the top."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from qcode.errors import UsageError
from qcode.record import Record
from qcode.tools.ignore import translate

_SPECIAL = re.compile(r"[*?\[\\]")


class _Glob(Record):
    regex: re.Pattern[str]
    by_name: bool
    """Only the last part of a path is compared."""
    takes: bool
    """False: it began with `!`."""
    only_folders: bool


class Globs:
    """Globs in their order: of those that match, the last one decides."""

    def __init__(self, root: Path, globs: Iterable[str]) -> None:
        """Read them; absolute ones below the root are taken as relative to it.

        Raises:
            UsageError: one is none.
        """
        self._globs: list[_Glob] = []
        self.starts: set[str] = set()
        """Paths that are walked though they are ignored: what is named was meant."""
        for glob in globs:
            self._add(glob, str(root))

    def __bool__(self) -> bool:
        return bool(self._globs)

    def _add(self, glob: str, root: str) -> None:
        takes = not glob.startswith("!")
        text = glob.removeprefix("!")
        text = text.removeprefix(f"{root}/")
        anchored = text.startswith(("./", "/")) or "/" in text.rstrip("/")
        only_folders = text.endswith("/")
        text = re.sub(r"/{2,}", "/", text).removeprefix("./").strip("/")
        if not text or text == ".":
            text, anchored = "**", True
        try:
            regex = translate(text, braces=True)
        except re.error as error:
            raise UsageError(f"`{glob}` is no glob: {error}") from None
        self._globs.append(_Glob(regex, not anchored, takes, only_folders))
        if takes:
            parts: list[str] = []
            for part in text.split("/"):
                if _SPECIAL.search(part) or "{" in part:
                    break
                parts.append(part)
                self.starts.add("/".join(parts))

    def match(self, path: str, *, is_folder: bool) -> bool | None:
        """Return what the last glob for this very path says; None if there is none."""
        name = path[path.rfind("/") + 1 :]
        for glob in reversed(self._globs):
            if glob.only_folders and not is_folder:
                continue
            if glob.regex.match(name if glob.by_name else path):
                return glob.takes
        return None

    def covers(self, path: str) -> bool:
        """Whether a file is meant, by itself or by a folder that it lies in."""
        if not self._globs:
            return False
        covered = False
        at = path.find("/")
        while at > 0:
            said = self.match(path[:at], is_folder=True)
            covered = covered if said is None else said
            at = path.find("/", at + 1)
        said = self.match(path, is_folder=False)
        return covered if said is None else said
