"""The present files below one root, taken as states.

The first `take` asks git which files are unchanged and reads the others. Later
ones compare what `lstat` says with what it said before, in this process, and
read what differs. Where even that takes long, the system tells which
directories to look at (`watch`); `thorough` looks at all of them.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from qcode.checkpoints import manifest
from qcode.checkpoints.covered import Coverage
from qcode.checkpoints.manifest import Kept, Node, Signature
from qcode.checkpoints.reading import Gone, Unreadable, is_settled, read, signature
from qcode.checkpoints.rules import Unchanged
from qcode.checkpoints.states import (
    DIRECTORY,
    LEFT_OUT,
    NOT_EMPTY,
    Entry,
    State,
    write_named,
)
from qcode.checkpoints.store import Store
from qcode.checkpoints.walk import Found, Room, TooMuch, Walk
from qcode.errors import QcodeError

LARGEST = 64 * 2**20
_MOST_NEW = 2**30
_MOST_FILES = 20_000
_MOST_BYTES = 2**30
"""What a directory without a repository may hold to be kept as a whole."""
_MANY = 8000
"""Tracked files with which the first look is taken to be slow before it is made."""


class Files:
    """The present files below one root.

    Not kept are what git ignores (but what is tracked, `named`, or matches
    `keep_ignored`), `.git`, files larger than `largest` unless git has them
    already, what is no file, link or directory, and what is in the directories
    of `leave_out`. One state adds no more than `most_new` bytes to the store.

    What was put into the store for a state stays there as long as a ref names
    that state; one ref at least has to name the newest.
    """

    def __init__(
        self,
        root: Path,
        store: Store,
        *,
        keep_ignored: Sequence[str] = (".env*",),
        largest: int = LARGEST,
        most_new: int = _MOST_NEW,
        leave_out: Sequence[Path] = (),
    ) -> None:
        self.root = os.path.abspath(root)
        self.is_partial = ""
        """Why only named paths are kept; empty if all are."""
        self._store = store
        self._largest = largest
        self._most_new = most_new
        self._coverage = Coverage(self.root, store, keep_ignored, leave_out)
        self._left_out: dict[str, str] = {}
        self._walk: Walk | None = None
        self._was_taken = False
        self._in_doubt = False
        """The last take was cut short, so that what was seen then is not all known."""
        self._named_files: dict[str, Kept] = {}
        """Where only named paths are kept: what is known of them."""
        self._named_written = b""
        self._left_to_add = 0
        self._lock = threading.RLock()

    @property
    def left_out(self) -> Mapping[str, str]:
        """Paths that are there and not ignored, but in no state; and why."""
        return MappingProxyType(self._left_out)

    def take(self, named: Sequence[Path] = (), *, thorough: bool = False) -> State:
        """Return the present state; its objects are in the store by then.

        `named` are paths that are about to be touched: they are kept from now
        on even if ignored. A directory among them stands for itself, not for
        what is in it. With `thorough`, each file is looked at even where the
        system told of no change: some changes it does not tell of (those
        through a memory map, another name of the file or another machine).

        Raises:
            QcodeError: the root is gone, or the store cannot be written.
        """
        with self._lock:
            if self._walk is not None and _inode(self.root) != self._walk.top.inode:
                self._forget()
            walk = self._begun()
            new = self._coverage.name(named)
            self._left_to_add = self._most_new
            try:
                if not self._was_taken:
                    state = self._take_first(walk)
                elif self.is_partial:
                    state = self._take_named(walk)
                else:
                    state = self._take_next(walk, new, thorough=thorough)
            except BaseException:
                if self._was_taken:
                    self._in_doubt = True
                else:
                    self._forget()
                raise
            self._was_taken = True
            self._in_doubt = False
            return state

    def look(self, path: str) -> Entry | None:
        """Return what is at a path now, without keeping it.

        None: nothing that a state would show, so also an ordinary directory.
        """
        with self._lock:
            walk = self._begun()
            full = os.path.join(self.root, path)
            if not self._parents_are_real(path):
                return None
            try:
                found = os.lstat(full)
                if stat.S_ISDIR(found.st_mode):
                    return self._look_at_directory(path, found)
                _, mode, data = read(full, self._largest)
            except Unreadable:
                kept = _known(walk.top, path)
                if kept is not None and kept.mode and kept.signature == _signature(full):
                    return Entry(kept.mode, kept.oid)  # too large to read, and git has it
                return LEFT_OUT
            except (OSError, Gone):
                return None
            return Entry(mode, self._store.oid("blob", data))

    def ignored(self, paths: Iterable[str]) -> set[str]:
        """Return those of the paths that a state would not hold as the rules are now.

        An older state without such a path says nothing about whether it was there.
        """
        with self._lock:
            self._begun()
            self._coverage.forget_rules()
            unnamed = (path for path in paths if path not in self._coverage.named)
            return {path for path in unnamed if self.is_partial or self._coverage.is_left_out(path)}

    def close(self) -> None:
        """End processes and watches; the next `take` begins anew."""
        with self._lock:
            self._forget()

    # Beginning and ending.

    def _begun(self) -> Walk:
        if self._walk is None:
            inode = _inode(self.root)
            if inode is None:
                raise QcodeError(f"the directory `{self.root}` is gone")
            self._walk = Walk(self.root, inode, self._coverage, self._left_out)
        return self._walk

    def _forget(self) -> None:
        walk, self._walk = self._walk, None
        if walk is not None:
            walk.close()
        self._coverage.close()
        self._was_taken = self._in_doubt = False
        self._left_out.clear()
        self._named_files.clear()
        self._named_written = b""
        self.is_partial = ""

    # The kinds of takes.

    def _take_first(self, walk: Walk) -> State:
        workspace = self._coverage.workspace
        walk.is_slow = len(workspace.tracked) > _MANY
        if self._store.is_private:
            walk.room = Room(_MOST_FILES, _MOST_BYTES, self._largest)
        moment = time.time_ns()  # before git looks at the files
        unchanged = workspace.unchanged()
        seeds: dict[str, str] = {}
        try:
            found = walk.look_at_all()
            if unchanged is not None:
                seeds = self._seeds(unchanged, found, moment)
                unchanged = None
        except TooMuch as reason:
            self.is_partial = f"it is no git repository and has {reason}"
            walk.close()
            return self._take_named(walk)
        finally:
            if unchanged is not None:
                unchanged.close()
        walk.room = None
        walk.rules_changed = False  # they were read after that
        self._read(walk, found, seeds)
        return self._write(walk)

    def _take_next(self, walk: Walk, new: Iterable[str], *, thorough: bool) -> State:
        all_anew, added = self._coverage.refresh()
        all_anew = all_anew or self._in_doubt
        uncovered = {node for path in (*new, *added) for node in walk.uncover(path)}
        told = walk.changed()
        if all_anew or thorough or told is None:
            found = walk.look_at_all(anew=all_anew)
        else:
            found = walk.look_at(uncovered | told)
        for _ in range(3):  # it may change once more in the meantime
            if not walk.rules_changed:
                break
            walk.rules_changed = False
            self._coverage.forget_rules()
            found = walk.look_at_all(anew=True)
        walk.rules_changed = False
        self._read(walk, found, {})
        return self._write(walk)

    def _take_named(self, walk: Walk) -> State:
        """Take the state of named paths alone."""
        known, self._named_files = self._named_files, {}
        old = walk.top
        top = walk.top = Node(None, "", self.root, old.repository, inode=old.inode)
        self._left_out.clear()
        for path in sorted(self._coverage.named):
            found = _signature(os.path.join(self.root, path))
            if found is None or stat.S_ISDIR(found[4]) or not self._parents_are_real(path):
                continue
            *parents, name = path.split("/")
            node = top
            for parent in parents:
                if parent not in node.dirs:
                    inside = f"{node.path}/{parent}"
                    node.dirs[parent] = Node(node, parent, inside, node.repository, is_hidden=True)
                node = node.dirs[parent]
            if path in known and known[path].signature == found:
                node.files[name] = known[path]
            else:
                self._read(walk, [(node, name, found)], {})
            if name in node.files:
                self._named_files[path] = node.files[name]
        named = write_named(self._coverage.named, is_partial=True)
        return manifest.write(top, self._store, named)

    def _write(self, walk: Walk) -> State:
        special = self._coverage.special()
        named = write_named(special, is_partial=False) if special else b""
        if named != self._named_written:
            self._named_written = named
            walk.top.mark()
        return manifest.write(walk.top, self._store, named)

    # Reading files.

    def _seeds(self, unchanged: Unchanged, found: Iterable[Found], moment: int) -> dict[str, str]:
        """Return the blobs of those files that need not be read, since git knows them."""
        sizes = {
            node.rel + name: mark[2]
            for node, name, mark in found
            if not node.repository.prefix and stat.S_ISREG(mark[4]) and is_settled(mark, moment)
        }
        return unchanged.result(self._store, sizes)

    def _read(self, walk: Walk, found: Iterable[Found], seeds: Mapping[str, str]) -> None:
        for node, name, mark in found:
            if node is not walk.top and node.parent is None:
                continue  # it was dropped since
            oid = seeds.get(node.rel + name)
            if oid is None:
                self._read_one(walk, node, name, mark)
            else:
                _keep(node, name, Kept(mark, mark[4], oid))

    def _read_one(self, walk: Walk, node: Node, name: str, mark: Signature) -> None:
        path = node.rel + name
        try:
            now, mode, data = read(f"{node.path}/{name}", self._largest)
        except Gone:
            if name in node.files:
                walk.remove(node, name)
            return
        except Unreadable as error:
            self._left_out[path] = str(error)
            _keep(node, name, Kept(mark, 0, ""))
            return
        oid = self._store.oid("blob", data)
        known = node.files.get(name)
        if (known is None or known.oid != oid) and not self._store.has(oid, freshen=True):
            if len(data) > self._left_to_add:
                self._left_out[path] = "there is too much that is new in one state"
                _keep(node, name, Kept(None, 0, ""))  # the next state has room again
                return
            self._left_to_add -= len(data)
            is_secret = stat.S_ISREG(mode) and not mode & 0o077
            self._store.add(oid, "blob", data, is_secret=is_secret)
        self._left_out.pop(path, None)
        _keep(node, name, Kept(now, mode, oid))

    # Looking at one path.

    def _look_at_directory(self, path: str, found: os.stat_result) -> Entry | None:
        if self._coverage.is_ignored(path):
            return None
        try:
            with os.scandir(os.path.join(self.root, path)) as listed:
                entries = list(listed)
        except OSError:
            return LEFT_OUT
        repository = self._coverage.repository_of(f"{path}/")
        passed = self._coverage.passed_over(repository, f"{path}/", entries)
        if len(passed) == len(entries):
            return Entry(found.st_mode, "")
        return None if found.st_mode == DIRECTORY else Entry(found.st_mode | NOT_EMPTY, "")

    def _parents_are_real(self, path: str) -> bool:
        """Return whether a path leads through directories alone, through no link."""
        full = self.root
        for parent in path.split("/")[:-1]:
            full = f"{full}/{parent}"
            found = _signature(full)
            if found is None or not stat.S_ISDIR(found[4]):
                return False
        return True


def _keep(node: Node, name: str, kept: Kept) -> None:
    before = node.files.get(name)
    node.files[name] = kept
    if before is None or (before.mode, before.oid) != (kept.mode, kept.oid):
        node.mark()


def _known(top: Node, path: str) -> Kept | None:
    node: Node | None = top
    *parents, name = path.split("/")
    for parent in parents:
        node = None if node is None else node.dirs.get(parent)
    return None if node is None else node.files.get(name)


def _inode(path: str) -> tuple[int, int] | None:
    """Return what tells a directory from any other; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def _signature(path: str) -> Signature | None:
    try:
        return signature(os.lstat(path))
    except OSError:
        return None
