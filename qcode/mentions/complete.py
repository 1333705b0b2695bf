"""Which paths a mention that is being typed may become."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from qcode.tools.ignore import rules_at, walk

SHOWN = 40
"""At most."""
_WALKED = 3000
"""Files that are looked through for a name anywhere."""
_FRESH_S = 5.0
"""For so long what was walked is not walked again."""
_TYPED = re.compile(r"(?<![^\s(\[{<,;:=\"'])@(\"[^\"\n]*|[^\s\"@]*)\Z")
_GIT = ("git:diff", "git:staged")


def typed(before: str) -> str | None:
    """Return what is typed of a mention before the cursor, without its `@`; None if none is."""
    found = _TYPED.search(before[-500:])
    return None if found is None else found[1]


class Paths:
    """The paths of a workspace, but for ignored and hidden ones."""

    def __init__(self, root: Path, is_hidden: Callable[[Path], bool]) -> None:
        self._root = root
        self._is_hidden = is_hidden
        self._walked: list[str] = []
        self._walked_at = -_FRESH_S

    def candidates(self, fragment: str) -> list[str]:
        """Return what a fragment may become, the nearest first; quoted where there are blanks."""
        fragment = fragment.removeprefix('"')
        if fragment.startswith(("/", "~", "..")):
            return []
        found = [one for one in _GIT if fragment and one.startswith(fragment)]
        found += self._in_folder(fragment)
        if "/" not in fragment and len(fragment) > 1:
            found += self._anywhere(fragment.lower())
        return [f'"{one}"' if " " in one else one for one in dict.fromkeys(found)][:SHOWN]

    def _in_folder(self, fragment: str) -> list[str]:
        folder, name = os.path.split(fragment)
        real = Path(os.path.realpath(self._root / folder))
        if real != self._root and self._root not in real.parents:
            return []
        rules = rules_at(self._root, real)
        if rules is None:
            return []
        base = "" if real == self._root else f"{real.relative_to(self._root).as_posix()}/"
        try:
            with os.scandir(real) as entries:
                every = sorted((entry.name, entry.is_dir()) for entry in entries)
        except OSError:
            return []
        prefix = f"{folder}/" if folder else ""
        return [
            f"{prefix}{each}/" if is_folder else f"{prefix}{each}"
            for each, is_folder in every
            if each.lower().startswith(name.lower())
            and (not each.startswith(".") or name.startswith("."))
            and each != ".git"
            and each.isprintable()
            and not rules.ignore(base + each, is_directory=is_folder)
            and not self._is_hidden(real / each)
        ]

    def _anywhere(self, name: str) -> list[str]:
        now = time.monotonic()
        if now - self._walked_at >= _FRESH_S:
            self._walked = []
            for count, entry in enumerate(walk(self._root, self._root)):
                if count >= _WALKED:
                    break
                self._walked.append(entry.path)
            self._walked_at = now
        return [
            path
            for path in self._walked
            if path.rpartition("/")[2].lower().startswith(name)
            and path.isprintable()
            and not self._is_hidden(self._root / path)
        ]
