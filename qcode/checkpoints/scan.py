"""The present files below one root, taken as states.

The first `take` asks git which files are unchanged and reads the others. Later
ones compare what `lstat` says with what it said before, in this process, and
read what differs. Where even that takes long, the system tells which
directories to look at (`watch`); `thorough` looks at all of them.
"""

from __future__ import annotations

import fnmatch
import os
import stat
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from qcode.checkpoints import manifest
from qcode.checkpoints.manifest import Kept, Node, Signature
from qcode.checkpoints.reading import (
    Gone,
    Unreadable,
    is_settled,
    read,
    signature,
)
from qcode.checkpoints.restore import TEMPORARY
from qcode.checkpoints.rules import Repository, Unchanged
from qcode.checkpoints.states import DIRECTORY, LEFT_OUT, NOT_EMPTY, Entry, State, write_named
from qcode.checkpoints.store import Store
from qcode.checkpoints.watch import Watch
from qcode.errors import QcodeError

LARGEST = 64 * 2**20
_MOST_NEW = 2**30
_MOST_FILES = 20_000
_MOST_BYTES = 2**30
"""What a directory without a repository may hold to be kept as a whole."""
_SLOW_S = 0.025
"""A look at all files that takes longer is worth watching them instead."""

_MANY = 8000
"""Tracked files with which the first look is taken to be slow before it is made."""

_Found = tuple[Node, str, Signature]
"""A file to read: its directory, its name, and what it was when it was found."""


class _TooMuch(Exception):
    """More than is kept of a directory without a repository; the text says what."""


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
        self._keep_ignored = tuple(keep_ignored)
        self._largest = largest
        self._most_new = most_new
        self._never = {os.path.abspath(path) for path in (*leave_out, store.git_dir)}
        self._left_out: dict[str, str] = {}
        self._named: set[str] = set()
        self._named_dirs: set[str] = set()
        self._special: set[str] = set()
        """Named paths that a state has for no other reason."""
        self._special_is_stale = True
        self._special_written = b""
        self._repositories: dict[str, Repository] = {}
        self._top: Node | None = None
        self._was_taken = False
        self._in_doubt = False
        """The last take was cut short, so that what was seen then is not all known."""
        self._partial_files: dict[str, Kept] = {}
        self._watch: Watch | None = None
        self._may_watch = True
        self._is_slow = False
        self._seeds: dict[str, str] = {}
        self._left_to_add = 0
        self._rules_changed = False
        self._room: list[int] | None = None
        """Files and bytes that a directory without a repository may still have at first."""
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
            dirty = self._name(named)
            self._left_to_add = self._most_new
            if self._top is not None and _inode(self.root) != self._top.inode:
                self._forget()
            try:
                state = self._take(dirty, thorough=thorough)
            except BaseException:
                self._in_doubt = True
                if not self._was_taken:
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
            if self._top is None:
                self._start()
            full = os.path.join(self.root, path)
            if not self._parents_are_real(path):
                return None
            try:
                found = os.lstat(full)
                if stat.S_ISDIR(found.st_mode):
                    return self._look_at_directory(path, found)
                _, mode, data = read(full, self._largest)
            except Unreadable:
                kept = self._known(path)
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
            if self._top is None:
                self._start()
            for repository in self._repositories.values():
                repository.forget_rules()
            return {
                path
                for path in paths
                if (self.is_partial and path not in self._named)
                or (path not in self._named and self._is_ignored(path))
            }

    def close(self) -> None:
        """End processes and watches; the next `take` begins anew."""
        with self._lock:
            self._forget()

    # The kinds of takes.

    def _take(self, dirty: set[Node], *, thorough: bool) -> State:
        if self._top is None:
            self._start()
        if not self._was_taken:
            return self._take_first()
        if self.is_partial:
            return self._take_named()
        return self._take_next(dirty, thorough=thorough)

    def _take_first(self) -> State:
        assert self._top is not None
        workspace = self._top.repository
        unchanged = workspace.unchanged()
        moment = time.time_ns()
        try:
            self._is_slow = len(workspace.tracked) > _MANY
            self._room = [_MOST_FILES, _MOST_BYTES] if self._store.is_private else None
            found = self._scan_all()
            self._rules_changed = False
            if unchanged is not None:
                self._seed(unchanged, found, moment)
                unchanged = None
        except _TooMuch as reason:
            self.is_partial = str(reason)
            self._end_watch()
            self._left_out.clear()
            return self._take_named()
        finally:
            self._room = None
            if unchanged is not None:
                unchanged.close()
        self._read(found)
        self._seeds = {}
        return self._write()

    def _take_next(self, dirty: set[Node], *, thorough: bool) -> State:
        assert self._top is not None
        recheck = self._refresh_rules(dirty) or self._in_doubt
        told = None if self._watch is None else self._watch.changed()
        if recheck or thorough or told is None:
            found = self._scan_all(recheck=recheck)
        else:
            found = self._scan(dirty | told)
        for _ in range(3):
            if not self._rules_changed:
                break
            self._rules_changed = False
            for repository in self._repositories.values():
                repository.forget_rules()
            found = self._scan_all(recheck=True)
        self._rules_changed = False
        self._read(found)
        return self._write()

    def _take_named(self) -> State:
        """Take the state of named paths alone."""
        assert self._top is not None
        known, self._partial_files = self._partial_files, {}
        top = Node(None, "", self.root, self._top.repository, inode=self._top.inode)
        self._left_out.clear()
        self._top = top
        for path in sorted(self._named):
            full = os.path.join(self.root, path)
            if not self._parents_are_real(path):
                continue
            try:
                found = os.lstat(full)
            except OSError:
                continue
            if stat.S_ISDIR(found.st_mode):
                continue
            *parents, name = path.split("/")
            node = top
            for parent in parents:
                if parent not in node.dirs:
                    inside = f"{node.path}/{parent}"
                    child = Node(node, parent, inside, node.repository, is_hidden=True)
                    node.dirs[parent] = child
                node = node.dirs[parent]
            if path in known and known[path].signature == signature(found):
                node.files[name] = known[path]
            else:
                self._read([(node, name, signature(found))])
            if name in node.files:
                self._partial_files[path] = node.files[name]
        return manifest.write(top, self._store, write_named(self._named, is_partial=True))

    def _write(self) -> State:
        assert self._top is not None
        if self._special_is_stale:
            self._special = {
                path
                for path in self._named
                if self._is_ignored(path) and not self._is_kept_anyway(path)
            }
            self._special_is_stale = False
        named = write_named(self._special, is_partial=False) if self._special else b""
        if named != self._special_written:
            self._special_written = named
            self._top.mark()
        return manifest.write(self._top, self._store, named)

    # Beginning and ending.

    def _start(self) -> None:
        inode = _inode(self.root)
        if inode is None:
            raise QcodeError(f"the directory `{self.root}` is gone")
        repository = Repository.of_workspace(self.root, self._store)
        self._repositories = {"": repository}
        self._top = Node(None, "", self.root, repository, inode=inode)

    def _forget(self) -> None:
        self._end_watch()
        for repository in self._repositories.values():
            repository.close()
        self._repositories = {}
        self._top = None
        self._was_taken = self._in_doubt = False
        self._left_out.clear()
        self._partial_files.clear()
        self.is_partial = ""
        self._special_is_stale = True
        self._special_written = b""

    def _end_watch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()

    # What git says.

    def _refresh_rules(self, dirty: set[Node] | None = None) -> bool:
        """Return whether all that is ignored has to be judged anew; add what else to look at."""
        recheck = False
        for repository in self._repositories.values():
            repository.leave()
            if repository.rules_changed():
                repository.load()
                recheck = True
            elif repository.index_changed():
                added, removed = repository.load_index()
                if dirty is not None:
                    for path in added:
                        dirty |= self._uncover(repository.prefix + path)
                if removed and repository.ignored(removed):
                    recheck = True
                self._special_is_stale = True
        if recheck:
            self._special_is_stale = True
        return recheck

    def _name(self, named: Iterable[Path]) -> set[Node]:
        """Note paths as named; return the directories that have to be looked at for that."""
        dirty: set[Node] = set()
        for one in named:
            path = self._relative(one)
            if path is None or path in self._named:
                continue
            self._named.add(path)
            self._special_is_stale = True
            while "/" in path:
                path = path.rpartition("/")[0]
                self._named_dirs.add(path)
            dirty |= self._uncover(self._relative(one) or "")
        return dirty

    def _relative(self, path: Path) -> str | None:
        """Return a path as states have it; None for one that they cannot have."""
        full = os.path.join(self.root, path)
        folder = os.path.realpath(os.path.dirname(os.path.normpath(full)))
        real = os.path.join(folder, os.path.basename(os.path.normpath(full)))
        relative = os.path.relpath(real, os.path.realpath(self.root))
        parts = relative.split("/")
        return None if parts[0] in ("..", ".") or ".git" in parts else relative

    def _is_own(self, path: str) -> bool:
        """Return whether a path is one of qcode's, which no state has."""
        return f"{self.root}/{path}" in self._never

    def _uncover(self, path: str) -> set[Node]:
        """Have a path looked at that so far was passed over as ignored."""
        node = self._top
        for part in path.split("/"):
            if node is None:
                break
            if part in node.ignored:
                node.ignored.discard(part)
                return {node}
            if part in node.files:
                break
            if part not in node.dirs:
                return {node}
            node = node.dirs[part]
        return set()

    def _repository_of(self, path: str) -> Repository:
        """Return the innermost repository that a path lies in."""
        inside = [one for one in self._repositories.values() if path.startswith(one.prefix)]
        return max(inside, key=lambda one: len(one.prefix))

    def _is_ignored(self, path: str) -> bool:
        repository = self._repository_of(path)
        inner = path.removeprefix(repository.prefix)
        return inner not in repository.tracked and bool(repository.ignored([inner]))

    def _is_kept_anyway(self, path: str) -> bool:
        """Return whether an ignored file is kept wherever its directory is."""
        parent, _, name = path.rpartition("/")
        if not self._is_wanted(name, path):
            return False
        return not parent or not self._is_ignored(parent)

    def _is_wanted(self, name: str, path: str) -> bool:
        return name == ".gitignore" or any(
            fnmatch.fnmatchcase(path if "/" in pattern else name, pattern)
            for pattern in self._keep_ignored
        )

    # Looking at directories.

    def _scan_all(self, *, recheck: bool = False) -> list[_Found]:
        assert self._top is not None
        if self._watch is None and self._is_slow and self._may_watch:
            self._watch = Watch.start()
            self._may_watch = self._watch is not None
        start = time.perf_counter()
        found = self._scan([self._top], deep=True, recheck=recheck)
        self._is_slow = time.perf_counter() - start > _SLOW_S
        return found

    def _scan(
        self, nodes: Iterable[Node], *, deep: bool = False, recheck: bool = False
    ) -> list[_Found]:
        found: list[_Found] = []
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node is self._top or node.parent is not None:  # or it was dropped since
                self._scan_directory(node, waiting, found, deep=deep, recheck=recheck)
        return found

    def _scan_directory(
        self, node: Node, waiting: list[Node], found: list[_Found], *, deep: bool, recheck: bool
    ) -> None:
        watch = self._watch
        if watch is not None and not watch.has(node) and not watch.add(node):
            self._end_watch()  # no more watches to be had
            self._may_watch = False
            watch = None
        entries = self._list(node)
        if node.is_nested and ".git" not in {entry.name for entry in entries}:
            self._end_nested(node)
        if recheck:
            self._recheck(node, entries)
        files, dirs, ignored = node.files, node.dirs, node.ignored
        fresh: list[os.DirEntry[str]] = []
        seen = seen_dirs = 0
        lost: set[str] = set()
        for entry in entries:
            name = entry.name
            kept = files.get(name)
            if kept is not None:
                try:
                    now = entry.stat(follow_symlinks=False)
                except OSError:
                    lost.add(name)
                    continue
                mark = (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino, now.st_mode)
                if kept.signature == mark:
                    seen += 1
                elif stat.S_ISDIR(now.st_mode):
                    lost.add(name)
                    fresh.append(entry)
                else:
                    seen += 1
                    found.append((node, name, mark))
                    if name == ".gitignore":
                        self._rules_changed = True
                continue
            child = dirs.get(name)
            if child is not None:
                try:
                    now = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if (
                    (now.st_dev, now.st_ino) != child.inode
                    or not stat.S_ISDIR(now.st_mode)
                    or not (deep or watch is None or watch.has(child))
                ):
                    self._drop(child)
                    fresh.append(entry)
                    continue
                seen_dirs += 1
                if now.st_mode != child.mode:
                    child.mode = now.st_mode
                    node.mark()
                if deep:
                    waiting.append(child)
            elif name not in ignored:
                fresh.append(entry)
        if seen != len(files) or seen_dirs != len(dirs):
            self._remove_missing(node, {entry.name for entry in entries} - lost)
        if fresh:
            self._take_in(node, fresh, waiting, found)

    def _list(self, node: Node) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(node.path) as entries:
                out = list(entries)
        except OSError as error:
            if isinstance(error, (FileNotFoundError, NotADirectoryError)):
                return []  # its parent will show that
            self._lose(node, is_lost=True, why=f"it cannot be read: {error.strerror}")
            return []
        if node.is_lost:
            self._lose(node, is_lost=False)
        return out

    def _lose(self, node: Node, *, is_lost: bool, why: str = "") -> None:
        path = node.rel.rstrip("/")
        if is_lost:
            self._left_out[path] = why
        else:
            self._left_out.pop(path, None)
        if node.is_lost != is_lost and node.parent is not None:
            node.is_lost = is_lost
            node.parent.mark()

    def _begin_nested(self, node: Node) -> bool:
        """Have a directory with `.git` in it judged by that repository's rules, if it is one."""
        nested = Repository.nested(node.path, node.rel)
        if nested is None:
            node.ignored.add(".git")
            return False
        self._clear(node)
        node.ignored.add(".git")
        node.is_nested = True
        node.repository = self._repositories[node.rel] = nested
        return True

    def _end_nested(self, node: Node) -> None:
        assert node.parent is not None
        self._clear(node)
        node.is_nested = False
        node.repository = node.parent.repository
        self._repositories.pop(node.rel).close()

    def _recheck(self, node: Node, entries: Iterable[os.DirEntry[str]]) -> None:
        """Judge anew which names of a directory are ignored."""
        node.ignored = self._passed_over(node.repository, node.rel, entries)
        for name in node.ignored:
            if name in node.files:
                self._remove(node, name)
            if name in node.dirs:
                self._drop(node.dirs[name])
        for name, child in node.dirs.items():
            hidden = self._is_hidden(node, name)
            if hidden != child.is_hidden:
                child.is_hidden = hidden
                node.mark()

    def _is_hidden(self, node: Node, name: str) -> bool:
        """Return whether a directory is ignored, and looked at only for what was named in it."""
        path = node.rel + name
        inner = path.removeprefix(node.repository.prefix)
        return (
            path in self._named_dirs
            and inner not in node.repository.tracked_dirs
            and bool(node.repository.ignored([inner]))
        )

    def _passed_over(
        self, repository: Repository, rel: str, entries: Iterable[os.DirEntry[str]]
    ) -> set[str]:
        """Return the names in a directory that are ignored and not kept for any reason."""
        base = rel.removeprefix(repository.prefix)
        asked: dict[str, os.DirEntry[str]] = {}
        out = set()
        for entry in entries:
            name = entry.name
            if name == ".git" or name.startswith(TEMPORARY) or self._is_own(rel + name):
                out.add(name)
            elif base + name not in repository.tracked and (
                base + name not in repository.tracked_dirs
            ):
                asked[base + name] = entry
        for path in repository.ignored(asked):
            entry = asked[path]
            full = rel + entry.name
            if entry.is_dir(follow_symlinks=False):
                if full not in self._named_dirs:
                    out.add(entry.name)
            elif full not in self._named and not self._is_wanted(entry.name, full):
                out.add(entry.name)
        return out

    def _take_in(
        self,
        node: Node,
        fresh: Sequence[os.DirEntry[str]],
        waiting: list[Node],
        found: list[_Found],
    ) -> None:
        """Add what was not there before, or not of that kind."""
        has_git = node.parent is not None and any(entry.name == ".git" for entry in fresh)
        if has_git and self._begin_nested(node):
            found[:] = [item for item in found if item[0] is not node]
            waiting.append(node)
            return
        is_new = not node.files and not node.dirs and node.ignored <= {".git"}
        passed = self._passed_over(node.repository, node.rel, fresh)
        node.ignored |= passed
        for entry in fresh:
            name = entry.name
            if name in passed:
                continue
            try:
                now = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(now.st_mode):
                child = Node(
                    node,
                    name,
                    f"{node.path}/{name}",
                    node.repository,
                    mode=now.st_mode,
                    inode=(now.st_dev, now.st_ino),
                    is_hidden=self._is_hidden(node, name),
                )
                node.dirs[name] = child
                node.mark()
                waiting.append(child)
                continue
            found.append((node, name, signature(now)))
            if name == ".gitignore" and not is_new:
                self._rules_changed = True
            self._count(now.st_size)

    def _count(self, size: int) -> None:
        """Count a file of the first look, where there is no repository.

        Raises:
            _TooMuch: there are too many, or they are too large.
        """
        if self._room is None:
            return
        self._room[0] -= 1
        self._room[1] -= size if size <= self._largest else 0
        if self._room[0] < 0:
            raise _TooMuch(f"it is no git repository and has more than {_MOST_FILES:,} files")
        if self._room[1] < 0:
            raise _TooMuch("it is no git repository and has more than 1 GiB of files")

    def _remove_missing(self, node: Node, present: set[str]) -> None:
        for name in [name for name in node.files if name not in present]:
            self._remove(node, name)
        for name in [name for name in node.dirs if name not in present]:
            self._drop(node.dirs[name])

    def _remove(self, node: Node, name: str) -> None:
        del node.files[name]
        self._left_out.pop(node.rel + name, None)
        node.mark()
        if name == ".gitignore":
            self._rules_changed = True

    def _drop(self, node: Node) -> None:
        """Remove a directory with all that is in it."""
        assert node.parent is not None
        self._clear(node)
        self._left_out.pop(node.rel.rstrip("/"), None)
        if self._watch is not None:
            self._watch.drop(node)
        if node.is_nested:
            self._repositories.pop(node.rel).close()
        del node.parent.dirs[node.name]
        node.parent.mark()
        node.parent = None

    def _clear(self, node: Node) -> None:
        """Forget all that is in a directory."""
        waiting = list(node.dirs.values())
        while waiting:
            child = waiting.pop()
            waiting += child.dirs.values()
            child.parent = None
            if self._watch is not None:
                self._watch.drop(child)
            if child.is_nested:
                self._repositories.pop(child.rel).close()
        for path in [path for path in self._left_out if path.startswith(node.rel)]:
            del self._left_out[path]
        node.files.clear()
        node.dirs.clear()
        node.ignored.clear()
        node.mark()

    # Reading files.

    def _seed(self, unchanged: Unchanged, found: Iterable[_Found], moment: int) -> None:
        """Learn from git which of the files need not be read."""
        sizes = {
            node.rel + name: mark[2]
            for node, name, mark in found
            if not node.repository.prefix and stat.S_ISREG(mark[4]) and is_settled(mark, moment)
        }
        self._seeds = unchanged.result(self._store, sizes)

    def _read(self, found: Iterable[_Found]) -> None:
        for node, name, mark in found:
            if node is not self._top and node.parent is None:
                continue  # it was dropped since
            oid = self._seeds.get(node.rel + name)
            if oid is None:
                self._read_one(node, name, mark)
            else:
                self._keep(node, name, Kept(mark, mark[4], oid))

    def _read_one(self, node: Node, name: str, mark: Signature) -> None:
        path = node.rel + name
        try:
            now, mode, data = read(f"{node.path}/{name}", self._largest)
        except Gone:
            if name in node.files:
                self._remove(node, name)
            return
        except Unreadable as error:
            self._left_out[path] = str(error)
            self._keep(node, name, Kept(mark, 0, ""))
            return
        oid = self._store.oid("blob", data)
        known = node.files.get(name)
        if (known is None or known.oid != oid) and not self._store.has(oid, freshen=True):
            if len(data) > self._left_to_add:
                self._left_out[path] = "there is too much that is new in one state"
                self._keep(node, name, Kept(None, 0, ""))  # the next state has room again
                return
            self._left_to_add -= len(data)
            self._store.add(oid, "blob", data)
        self._left_out.pop(path, None)
        self._keep(node, name, Kept(now, mode, oid))

    def _keep(self, node: Node, name: str, kept: Kept) -> None:
        before = node.files.get(name)
        node.files[name] = kept
        if before is None or (before.mode, before.oid) != (kept.mode, kept.oid):
            node.mark()

    # Looking at one path.

    def _look_at_directory(self, path: str, found: os.stat_result) -> Entry | None:
        repository = self._repository_of(path)
        inner = path.removeprefix(repository.prefix)
        if inner not in repository.tracked_dirs and repository.ignored([inner]):
            return None
        try:
            with os.scandir(os.path.join(self.root, path)) as entries:
                names = list(entries)
        except OSError:
            return LEFT_OUT
        passed = self._passed_over(repository, f"{path}/", names)
        if all(one.name in passed for one in names):
            return Entry(found.st_mode, "")
        return None if found.st_mode == DIRECTORY else Entry(found.st_mode | NOT_EMPTY, "")

    def _known(self, path: str) -> Kept | None:
        node = self._top
        *parents, name = path.split("/")
        for parent in parents:
            node = None if node is None else node.dirs.get(parent)
        return None if node is None else node.files.get(name)

    def _parents_are_real(self, path: str) -> bool:
        """Return whether a path leads through directories alone, through no link."""
        full = self.root
        for parent in path.split("/")[:-1]:
            full = f"{full}/{parent}"
            try:
                if not stat.S_ISDIR(os.lstat(full).st_mode):
                    return False
            except OSError:
                return False
        return True


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
