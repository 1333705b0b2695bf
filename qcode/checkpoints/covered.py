"""Which of the present files are part of a state.

All that git tracks and all that it does not ignore; of what it ignores, what
was named and what matches a pattern. Never `.git`, and nothing of qcode's own.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from qcode.checkpoints.restore import TEMPORARY
from qcode.checkpoints.rules import Repository
from qcode.checkpoints.store import Store


class Coverage:
    """Judges the paths below one root, which are relative to it here.

    A repository inside the root has rules of its own: `nest` makes them count.
    """

    def __init__(
        self, root: str, store: Store, keep_ignored: Sequence[str], leave_out: Sequence[Path]
    ) -> None:
        self.named: set[str] = set()
        """Paths kept from the time on at which they were named."""
        self._root = root
        self._store = store
        self._keep_ignored = tuple(keep_ignored)
        self._own = {os.path.abspath(path) for path in (*leave_out, store.git_dir)}
        self._named_dirs: set[str] = set()
        self._repositories: dict[str, Repository] = {}
        self._is_special: dict[str, bool] = {}
        """Of named paths, as far as that was asked since the rules changed."""

    @property
    def workspace(self) -> Repository:
        """The rules at the root."""
        if "" not in self._repositories:
            self._repositories[""] = Repository.of_workspace(self._root, self._store)
        return self._repositories[""]

    def close(self) -> None:
        """Forget what git said, and end processes."""
        for repository in self._repositories.values():
            repository.close()
        self._repositories.clear()
        self._is_special.clear()

    # What changes the judgement.

    def name(self, paths: Iterable[Path]) -> set[str]:
        """Note paths as named; return those that were not, as states have them."""
        new = {path for one in paths if (path := self._relative(one)) is not None} - self.named
        for path in new:
            while "/" in path:
                path = path.rpartition("/")[0]
                self._named_dirs.add(path)
        self.named |= new
        return new

    def refresh(self) -> tuple[bool, set[str]]:
        """Look for changes in what git says outside of the files themselves.

        Returns whether all that is ignored has to be judged anew, and which
        paths are tracked that were not before.
        """
        all_anew = False
        added = set()
        for repository in self._repositories.values():
            if repository.prefix and repository.is_gone():
                continue  # the way through the directories will show that
            repository.leave()
            if repository.rules_changed():
                repository.load()
                all_anew = True
            elif repository.index_changed():
                tracked, dropped = repository.load_index()
                added |= {repository.prefix + path for path in tracked}
                all_anew = all_anew or bool(dropped and repository.ignored(dropped))
                self._is_special.clear()
        if all_anew:
            self._is_special.clear()
        return all_anew, added

    def forget_rules(self) -> None:
        """Have the files with patterns read anew for the next question."""
        for repository in self._repositories.values():
            repository.forget_rules()
        self._is_special.clear()

    def nest(self, directory: str, rel: str) -> Repository | None:
        """Let the repository that begins in a directory count; None if there is none really."""
        found = Repository.nested(directory, rel)
        if found is not None:
            self._repositories[rel] = found
        return found

    def unnest(self, rel: str) -> None:
        """Take back `nest`."""
        self._repositories.pop(rel).close()

    # The judgement.

    def is_ignored(self, path: str) -> bool:
        """Return whether git ignores a path; what is tracked it does not."""
        repository, inner = self._place(path)
        tracked = inner in repository.tracked or inner in repository.tracked_dirs
        return not tracked and bool(repository.ignored([inner]))

    def is_left_out(self, path: str) -> bool:
        """Return whether a path is part of a state only if it is named."""
        return self.is_ignored(path) and not self._is_kept_anyway(path)

    def is_hidden(self, directory: str) -> bool:
        """Return whether a directory is ignored, and looked at only for what was named in it."""
        return directory in self._named_dirs and self.is_ignored(directory)

    def passed_over(
        self, repository: Repository, rel: str, entries: Iterable[os.DirEntry[str]]
    ) -> set[str]:
        """Return the names in a directory (`rel` ends in `/`) that are no part of a state."""
        base = rel.removeprefix(repository.prefix)
        asked: dict[str, os.DirEntry[str]] = {}
        out = set()
        for entry in entries:
            name = entry.name
            inner = base + name
            if name == ".git" or name.startswith(TEMPORARY) or self._is_own(rel + name):
                out.add(name)
            elif inner not in repository.tracked and inner not in repository.tracked_dirs:
                asked[inner] = entry
        for inner in repository.ignored(asked):
            entry = asked[inner]
            path = rel + entry.name
            if entry.is_dir(follow_symlinks=False):
                if path not in self._named_dirs:
                    out.add(entry.name)
            elif path not in self.named and not self._is_kept_anyway(path):
                out.add(entry.name)
        return out

    def special(self) -> set[str]:
        """Return the named paths that are part of a state for no other reason."""
        for path in self.named - self._is_special.keys():
            self._is_special[path] = self.is_left_out(path)
        return {path for path, is_special in self._is_special.items() if is_special}

    # The parts.

    def _relative(self, path: Path) -> str | None:
        """Return a path as states have it; None for one that they cannot have."""
        full = os.path.normpath(os.path.join(self._root, path))
        real = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
        relative = os.path.relpath(real, os.path.realpath(self._root))
        parts = relative.split("/")
        return None if parts[0] in ("..", ".") or ".git" in parts else relative

    def _place(self, path: str) -> tuple[Repository, str]:
        """Return the innermost repository that a path lies in, and the path in it."""
        found = self.workspace
        for repository in self._repositories.values():
            if path.startswith(repository.prefix) and len(repository.prefix) > len(found.prefix):
                found = repository
        return found, path.removeprefix(found.prefix)

    def repository_of(self, path: str) -> Repository:
        """Return the rules that count for a path."""
        return self._place(path)[0]

    def _is_own(self, path: str) -> bool:
        return f"{self._root}/{path}" in self._own

    def _is_wanted(self, path: str) -> bool:
        """Return whether a file is kept though it is ignored, if its directory is not."""
        name = path.rpartition("/")[2]
        # The rules themselves are: whoever goes back needs those of that time.
        return name == ".gitignore" or any(
            fnmatch.fnmatchcase(path if "/" in pattern else name, pattern)
            for pattern in self._keep_ignored
        )

    def _is_kept_anyway(self, path: str) -> bool:
        parent = path.rpartition("/")[0]
        return self._is_wanted(path) and not (parent and self.is_ignored(parent))
