"""The directory a session works on: resolving paths and keeping inside it."""

from __future__ import annotations

import os
from pathlib import Path

from qcode.errors import ToolError
from qcode.record import Record


def digest(data: bytes) -> str:
    """Return a short digest of a file's content, to notice that it changed."""
    import hashlib  # loads OpenSSL, which a start without a file does not need

    return hashlib.blake2b(data, digest_size=16).hexdigest()


PATH_CHARS = 4096
"""Linux's PATH_MAX; resolving a much longer one would take seconds."""

GUARDED = frozenset({".git", ".qcode"})
"""Folders that decide what is run later, or what is allowed."""


class Workspace(Record):
    """A root directory and what was added to it; all real paths (no symlinks)."""

    root: Path
    extra: tuple[Path, ...] = ()

    @classmethod
    def at(cls, root: Path, extra: tuple[Path, ...] = ()) -> Workspace:
        """Return the workspace for directories given in any form."""
        return cls(root.resolve(), tuple(path.resolve() for path in extra))

    @property
    def tops(self) -> tuple[Path, ...]:
        """All its directories, each once, the root first."""
        return tuple(dict.fromkeys((self.root, *self.extra)))

    def contains(self, real: Path) -> bool:
        """Return whether a real path lies in the workspace."""
        return any(real == top or top in real.parents for top in (self.root, *self.extra))

    def resolve(self, path: str) -> Path:
        """Return the real path that a model's path names, inside the workspace or not.

        `~` and `$VAR` are not expanded: a path is data.

        Raises:
            ToolError: the text is no path (empty, a NUL byte).
        """
        if len(path) > PATH_CHARS:
            raise ToolError(
                f"{path[:80]}… is too long for a path ({len(path):,} characters); "
                "give one in the workspace."
            )
        if not path or "\0" in path:
            raise ToolError("The path is empty or has a NUL byte; give a path in the workspace.")
        return Path(os.path.realpath(os.path.join(self.root, path)))

    def guards(self, path: str) -> bool:
        """Whether a model's path lies in a folder whose files are obeyed: git's, qcode's own."""
        written = os.path.normpath(os.path.join(self.root, path))
        forms = (written, str(self.resolve(path)))
        return any(GUARDED.intersection(form.split(os.sep)) for form in forms)

    def show(self, real: Path) -> str:
        """Return a path as people and models read it: relative to the root if inside it."""
        try:
            return str(real.relative_to(self.root))
        except ValueError:
            return str(real)
