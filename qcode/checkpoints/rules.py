"""What git says of the files below a directory: which are tracked, which are ignored.

Git itself is asked, so that its answer is right by construction. What was
asked is remembered, and asked again when a file changed that the answer is made of.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence

from qcode.checkpoints.plumbing import (
    Ignored,
    Place,
    place,
    run,
    settings,
    start,
    without_filters,
)
from qcode.checkpoints.store import Store
from qcode.errors import QcodeError
from qcode.paths import config_dir
from qcode.sandbox.child import Child

Stamp = tuple[int, int, int, int]

_CONVERTING = (b"filter", b"ident", b"working-tree-encoding")
"""Attributes by which a file may differ from its blob though it has the same size."""


class Repository:
    """The git rules for the files below one directory, its `base`.

    `prefix` is the way from the workspace to the base, with a final `/`.
    Paths in questions and answers are relative to the base.
    """

    def __init__(self, base: str, prefix: str, found: Place | None, options: Sequence[str]) -> None:
        self.base = base
        self.prefix = prefix
        self._place = found
        self._options = options
        self._rules = Ignored(base, options)
        self._settings: dict[str, str] = {}
        self._sources: list[str] = []
        self._rules_stamp: tuple[Stamp | None, ...] = ()
        self._index_stamp: Stamp | None = None
        self.tracked: set[str] = set()
        self.tracked_dirs: set[str] = set()
        """Directories with tracked files in them."""
        self.load()

    @classmethod
    def of_workspace(cls, root: str, store: Store) -> Repository:
        """Return the rules for a workspace.

        Where it lies in an ignored directory, the rules above it do not count.
        """
        found = None if store.is_private else place(root)
        if found is None:
            store.make()
            options = [f"--git-dir={store.git_dir}", f"--work-tree={root}"]
            return cls(root, "", None, options)
        options = []
        if found.prefix:
            above = Ignored(found.top)
            try:
                if above.ask([found.prefix.rstrip("/")]):
                    options = [f"--git-dir={found.git_dir}", f"--work-tree={root}"]
            finally:
                above.close()
        return cls(root, "", found, options)

    @classmethod
    def nested(cls, directory: str, prefix: str) -> Repository | None:
        """Return the rules for a repository inside the workspace; None if it is none."""
        try:
            found = place(directory)
            if found is not None and not found.prefix:
                return cls(directory, prefix, found, ())
        except QcodeError:
            if os.path.isdir(directory):
                raise
        return None

    def load(self) -> None:
        """Read everything anew."""
        self._rules.close()
        self._settings = settings(self.base, *self._options)
        self._sources = self._rule_files()
        self._rules_stamp = tuple(map(_stamp, self._sources))
        self.load_index()

    def load_index(self) -> tuple[set[str], set[str]]:
        """Read what is tracked; return what is so now, and what no longer is."""
        if self._place is None:
            return set(), set()
        self._index_stamp = _stamp(os.path.join(self._place.git_dir, "index"))
        done = run(self.base, "ls-files", "-z")
        if done.returncode:  # it is being replaced, or damaged: what was known is the best guess
            self._index_stamp = None
            return set(), set()
        before, self.tracked = self.tracked, set(os.fsdecode(done.stdout).split("\0"))
        self.tracked.discard("")
        added, dropped = self.tracked - before, before - self.tracked
        if dropped:
            self.tracked_dirs = set()
        self._add_parents(self.tracked if dropped else added)
        return added, dropped

    def leave(self) -> None:
        """Prepare for questions about directories that may be others than those asked about."""
        self._rules.leave()

    def forget_rules(self) -> None:
        """Have the ignore files read anew for the next question."""
        self._rules.close()

    def is_gone(self) -> bool:
        """Return whether the repository was removed."""
        return self._place is not None and _stamp(self._place.git_dir) is None

    def rules_changed(self) -> bool:
        """Return whether a file changed, outside of the base, that decides what is ignored."""
        return tuple(map(_stamp, self._sources)) != self._rules_stamp

    def index_changed(self) -> bool:
        """Return whether git's index was written since it was read."""
        if self._place is None:
            return False
        return _stamp(os.path.join(self._place.git_dir, "index")) != self._index_stamp

    def ignored(self, paths: Iterable[str]) -> set[str]:
        """Return those of untracked paths that are ignored."""
        return self._rules.ask(paths)

    def close(self) -> None:
        """End processes; they come back when needed."""
        self._rules.close()

    # What need not be read, since git knows it.

    def unchanged(self) -> Unchanged | None:
        """Begin to find the tracked files that surely are the same bytes as their blob."""
        if self._place is None or not self.tracked:
            return None
        listing = start(self.base, "ls-files", "-z", "-s", "-v")
        try:
            comparing = start(
                self.base,
                *without_filters(self._settings),
                *("diff-files", "-z", "--name-only", "--relative", "--ignore-submodules=all"),
            )
        except BaseException:
            _finish(listing)
            raise
        return Unchanged(self, listing, comparing)

    def converted(self, attribute_files: Iterable[str], paths: Collection[str]) -> set[str] | None:
        """Return the paths that may differ from their blob in spite of the same size.

        None: git converts nothing at all, so that sizes need not be compared.
        """
        texts = []
        sources = [*attribute_files, *self._attribute_files()]
        for source in sources:
            try:
                with open(source, "rb") as file:
                    texts.append(file.read())
            except OSError:
                pass
        indexed = any(path.rpartition("/")[2] == ".gitattributes" for path in self.tracked)
        converts = self._settings.get("core.autocrlf", "false").lower() not in ("false", "no", "0")
        if not texts and not indexed and not converts:
            return None
        if not indexed and not any(word in text for text in texts for word in _CONVERTING):
            return set()
        given = b"".join(os.fsencode(path) + b"\0" for path in paths)
        words = ("check-attr", "-z", "--stdin", "filter", "ident", "working-tree-encoding")
        done = run(self.base, *words, stdin=given)
        if done.returncode:
            return set(paths)
        fields = done.stdout.split(b"\0")
        return {
            os.fsdecode(path)
            for path, value in zip(fields[0::3], fields[2::3], strict=False)
            if value not in (b"unspecified", b"unset")
        }

    def _attribute_files(self) -> Iterable[str]:
        assert self._place is not None
        yield os.path.join(self._place.common_dir, "info/attributes")
        named = self._settings.get("core.attributesfile")
        yield os.path.expanduser(named) if named else str(config_dir().parent / "git/attributes")
        yield "/etc/gitattributes"
        directory = self._place.top
        for part in ("", *self._place.prefix.split("/")[:-1]):
            directory = os.path.join(directory, part)
            yield os.path.join(directory, ".gitattributes")

    def _rule_files(self) -> list[str]:
        named = self._settings.get("core.excludesfile")
        home = os.path.expanduser("~")
        xdg = str(config_dir().parent / "git")
        out = [
            os.path.expanduser(named) if named else os.path.join(xdg, "ignore"),
            os.path.join(home, ".gitconfig"),
            os.path.join(xdg, "config"),
        ]
        if self._place is not None:
            common = self._place.common_dir
            out += [os.path.join(common, "info/exclude"), os.path.join(common, "config")]
            directory = self._place.top
            for part in self._place.prefix.split("/")[:-1]:
                out.append(os.path.join(directory, ".gitignore"))
                directory = os.path.join(directory, part)
        return out

    def _add_parents(self, paths: Iterable[str]) -> None:
        known = self.tracked_dirs
        for path in paths:
            end = path.rfind("/")
            while end > 0:
                path = path[:end]
                if path in known:
                    break
                known.add(path)
                end = path.rfind("/")


class Unchanged:
    """Finds, beside other work, the tracked files that are the same bytes as their blob."""

    def __init__(self, repository: Repository, listing: Child, comparing: Child) -> None:
        self._repository = repository
        self._listing = listing
        self._comparing = comparing

    def result(self, store: Store, sizes: dict[str, int]) -> dict[str, str]:
        """Return path to blob; each is in the store.

        `sizes` has the size of each file that exists.
        """
        repository = self._repository
        listed, different = _finish(self._listing), _finish(self._comparing)
        if listed is None or different is None or repository.index_changed():
            return {}  # in the last case they may be of two indexes
        dirty = set(os.fsdecode(different).split("\0"))
        clean = {}
        for row in os.fsdecode(listed).split("\0"):
            head, _, path = row.partition("\t")
            # `H`: no flag by which git was told not to look; at the end the stage: no conflict.
            is_plain = head.startswith("H 100") and head.endswith(" 0")
            if is_plain and path in sizes and path not in dirty:
                clean[path] = head[9:-2]
        attributes = (
            os.path.join(repository.base, path)
            for path in sizes
            if path.rpartition("/")[2] == ".gitattributes"
        )
        # In a partial clone a file may be there without its blob.
        present = store.present(set(clean.values()))
        clean = {path: oid for path, oid in clean.items() if oid in present}
        converted = repository.converted(attributes, clean)
        if converted is None:
            return clean
        for path in converted:
            clean.pop(path, None)
        real = _sizes(store, set(clean.values()))
        return {path: oid for path, oid in clean.items() if real.get(oid) == sizes[path]}

    def close(self) -> None:
        """Give up looking."""
        for process in (self._listing, self._comparing):
            process.kill()
            _finish(process)


def _finish(process: Child) -> bytes | None:
    """Return what a process prints to its end; None if it failed."""
    assert process.stdout is not None
    with process.stdout as stdout:
        output = stdout.read()
    code = process.wait()
    process.close()
    return None if code else output


def _sizes(store: Store, oids: Iterable[str]) -> dict[str, int]:
    """Return the sizes of objects. All are there: git would fetch what is not."""
    given = "".join(f"{oid}\n" for oid in oids).encode()
    options = (
        f"--git-dir={store.git_dir}",
        "cat-file",
        "--batch-check=%(objectname) %(objectsize)",
    )
    done = run(store.git_dir, *options, stdin=given)
    rows = (row.split(b" ") for row in done.stdout.splitlines())
    return {row[0].decode(): int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
