"""What is not written to although it lies in the workspace: it is obeyed later, outside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from qcode.sandbox.patterns import Patterns, below

TOP_NAMES = (
    ".qcode", ".gitmodules", ".vscode", ".idea", ".devcontainer", ".husky", ".envrc", ".direnv",
    ".mcp.json", ".claude", ".codex", ".gemini", ".cursor",
)  # fmt: skip
"""At the top of a root or of a repository in it."""
_NAMES = frozenset({".git", *TOP_NAMES})
_IGNORED = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Characters that some file systems leave out of names when they compare them."""

OF_GIT = (
    "hooks", "config", "config.worktree", "commondir", "info/attributes", "info/exclude",
    "info/grafts",
)  # fmt: skip
"""In a git directory: what makes git run programs, or look elsewhere.

Not all of `info`: a `git gc` writes `info/refs`.
"""


class Protected:
    """What of the workspace is protected, by name or by a person's rule."""

    def __init__(self, roots: Sequence[Path], globs: Sequence[str] = (), *, home: Path) -> None:
        self._roots = [str(root) for root in roots]
        self._globs = Patterns(globs, roots=roots, home=home)

    def reason(self, path: Path) -> str:
        """Return why a file tool must not write to an absolute path, or nothing.

        Only the path as given is looked at; ask for what it leads to as well.
        """
        text = os.path.normpath(path)
        tops = [root for root in self._roots if below(text, root)]
        rest = text[len(max(tops, key=len)) :] if tops else text
        for part in rest.split("/"):
            if (name := plain_name(part)) in _NAMES:
                return f"{name} decides what is run or allowed later"
        if rule := self._globs.match(text):
            return f"the rule {rule} denies it"
        return ""

    @property
    def globs(self) -> Patterns:
        """A person's rules."""
        return self._globs


def plain_name(name: str) -> str:
    """Return a name as a careless file system compares it: without case, dots at the end, …."""
    if not name.isascii():
        name = _IGNORED.sub("", name)
    name = name.partition(":")[0].rstrip(". ").casefold()
    return ".git" if name == "git~1" else name


def of_git(git_dir: str, common_dir: str) -> Iterator[str]:
    """Yield the paths in a repository that commands must not write to, existing or not."""
    for place in dict.fromkeys((git_dir, common_dir)):
        for name in OF_GIT:
            yield f"{place}/{name}"
    for module in _modules(f"{common_dir}/modules", 4):
        yield f"{module}/config"
        yield f"{module}/hooks"
    for tree in _directories(f"{common_dir}/worktrees"):
        yield f"{tree}/gitdir"
        yield f"{tree}/commondir"
        yield f"{tree}/config.worktree"


def _modules(path: str, depth: int) -> Iterator[str]:
    """Yield the git directories of submodules; their names may have slashes."""
    for inner in _directories(path):
        if os.path.isfile(f"{inner}/HEAD"):
            yield inner
            yield from _modules(f"{inner}/modules", depth - 1) if depth else ()
        elif depth:
            yield from _modules(inner, depth - 1)


def _directories(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(e.path for e in entries if e.is_dir(follow_symlinks=False))
    except OSError:
        return []
