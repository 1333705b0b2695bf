"""Going through directories, and finding the files in them that have to be read.

The order of things is always the same: watch a directory, then list it, so that
nothing happens to it unseen.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Sequence

from qcode.checkpoints.covered import Coverage
from qcode.checkpoints.manifest import Kept, Node, Signature
from qcode.checkpoints.watch import Watch
from qcode.errors import QcodeError

SLOW_S = 0.025
"""A look at all files that takes longer is worth watching them instead."""

Found = tuple[Node, str, Signature]
"""A file to read: its directory, its name, and what it was when it was found."""


class TooMuch(Exception):
    """There is more than is to be kept; the text says of what."""


class Room:
    """How much a directory may hold to be kept as a whole."""

    def __init__(self, files: int, size: int, largest: int) -> None:
        self._files = self._most_files = files
        self._size = self._most_size = size
        self._largest = largest

    def take(self, size: int) -> None:
        """Count a file.

        Raises:
            TooMuch: there are too many, or they are too large.
        """
        self._files -= 1
        self._size -= size if size <= self._largest else 0
        if self._files < 0:
            raise TooMuch(f"more than {self._most_files:,} files")
        if self._size < 0:
            raise TooMuch(f"more than {self._most_size / 2**30:g} GiB of files")


class Walk:
    """The directories below one root, and what is known of the files in them."""

    def __init__(
        self, root: str, inode: tuple[int, int], coverage: Coverage, left_out: dict[str, str]
    ) -> None:
        self.top = Node(None, "", root, coverage.workspace, inode=inode)
        self.room: Room | None = None
        """Of what is new, counted where it is set."""
        self.is_slow = False
        """A look at all takes so long that they are to be watched from the next one on."""
        self.rules_changed = False
        """A `.gitignore` changed, so that what it says has to be judged anew."""
        self.watch: Watch | None = None
        self._may_watch = True
        self._coverage = coverage
        self._left_out = left_out
        self._fresh: set[Node] = set()
        """Directories found in this look, and not looked at yet."""

    def close(self) -> None:
        """End the watches."""
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.close()

    def look_at_all(self, *, anew: bool = False) -> list[Found]:
        """Go through all directories; return the files to read.

        With `anew`, what is ignored is judged anew.

        Raises:
            TooMuch: there is more than there is `room` for.
            QcodeError: the root cannot be read.
        """
        if self.watch is None and self.is_slow and self._may_watch:
            self.watch = Watch.start()
            self._may_watch = self.watch is not None
        start = time.perf_counter()
        found = self._look([self.top], deep=True, anew=anew)
        self.is_slow = time.perf_counter() - start > SLOW_S
        return found

    def look_at(self, nodes: Iterable[Node]) -> list[Found]:
        """Look at directories, and go through those in them that are new."""
        return self._look(nodes, deep=False, anew=False)

    def changed(self) -> set[Node] | None:
        """Return the directories to look at; None: all, since there is no telling."""
        return None if self.watch is None else self.watch.changed()

    def uncover(self, path: str) -> set[Node]:
        """Have a path looked at that may have been passed over; return where to look."""
        node = self.top
        for part in path.split("/"):
            if part in node.ignored or part not in node.dirs:
                node.ignored.discard(part)
                return {node} if part not in node.files else set()
            node = node.dirs[part]
        return set()

    def remove(self, node: Node, name: str) -> None:
        """Note that a file is gone."""
        del node.files[name]
        self._left_out.pop(node.rel + name, None)
        node.mark()
        if name == ".gitignore":
            self.rules_changed = True

    # One directory.

    def _look(self, nodes: Iterable[Node], *, deep: bool, anew: bool) -> list[Found]:
        found: list[Found] = []
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node is self.top or node.parent is not None:  # or it was dropped since
                self._look_at_one(node, waiting, found, deep=deep, anew=anew)
            self._fresh.discard(node)
        return found

    def _look_at_one(
        self, node: Node, waiting: list[Node], found: list[Found], *, deep: bool, anew: bool
    ) -> None:
        if self.watch is not None and not self.watch.has(node) and not self.watch.add(node):
            self.close()  # no more watches are to be had
            self._may_watch = False
        watch = self.watch
        entries = self._list(node)
        if node.is_nested and ".git" not in {entry.name for entry in entries}:
            self._end_nested(node)
        if anew:
            self._judge_anew(node, entries)
        files, dirs, ignored = node.files, node.dirs, node.ignored
        fresh: list[os.DirEntry[str]] = []
        seen = seen_dirs = 0
        lost: set[str] = set()
        for entry in entries:  # this loop is what a look at all costs
            name = entry.name
            kept = files.get(name)
            if kept is not None:
                try:
                    now = entry.stat(follow_symlinks=False)
                except OSError:
                    lost.add(name)
                    fresh.append(entry)
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
                        self.rules_changed = True
                continue
            child = dirs.get(name)
            if child is not None:
                try:
                    now = entry.stat(follow_symlinks=False)
                except OSError:
                    lost.add(name)
                    fresh.append(entry)
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
        except (FileNotFoundError, NotADirectoryError):
            return []  # looking at its parent will show that
        except OSError as error:
            if node.parent is None:
                raise QcodeError(f"`{node.path}` cannot be read: {error.strerror}") from error
            self._left_out[node.rel.rstrip("/")] = f"it cannot be read: {error.strerror}"
            out = []
            is_lost = True
        else:
            is_lost = False
        if node.is_lost != is_lost and node.parent is not None:
            node.is_lost = is_lost
            node.parent.mark()
            if not is_lost:
                self._left_out.pop(node.rel.rstrip("/"), None)
        return out

    def _take_in(
        self,
        node: Node,
        fresh: Sequence[os.DirEntry[str]],
        waiting: list[Node],
        found: list[Found],
    ) -> None:
        """Add what was not there before, or not of that kind."""
        has_git = node.parent is not None and any(entry.name == ".git" for entry in fresh)
        if has_git and self._begin_nested(node):
            found[:] = [item for item in found if item[0] is not node]
            waiting.append(node)
            return
        # Its rules are read with it; those of one that was only emptied are known, and old.
        is_new = node in self._fresh
        passed = self._coverage.passed_over(node.repository, node.rel, fresh)
        node.ignored |= passed
        for entry in fresh:
            name = entry.name
            if name in passed:
                continue
            try:
                now = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:  # its path is too long, say
                self._left_out[node.rel + name] = f"it cannot be read: {error.strerror}"
                node.files[name] = Kept(None, 0, "")
                node.mark()
                continue
            if stat.S_ISDIR(now.st_mode):
                node.dirs[name] = child = Node(
                    node,
                    name,
                    f"{node.path}/{name}",
                    node.repository,
                    mode=now.st_mode,
                    inode=(now.st_dev, now.st_ino),
                    is_hidden=self._coverage.is_hidden(node.rel + name),
                )
                self._fresh.add(child)
                waiting.append(child)
                continue
            mark = (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino, now.st_mode)
            found.append((node, name, mark))
            if name == ".gitignore" and not is_new:
                self.rules_changed = True
            if self.room is not None:
                self.room.take(now.st_size)

    def _judge_anew(self, node: Node, entries: Iterable[os.DirEntry[str]]) -> None:
        """Find out anew which names of a directory are ignored."""
        node.ignored = self._coverage.passed_over(node.repository, node.rel, entries)
        if node.parent is not None and not node.is_nested:
            node.ignored.discard(".git")  # a repository may begin here since
        for name in node.ignored:
            if name in node.files:
                self.remove(node, name)
            if name in node.dirs:
                self._drop(node.dirs[name])
        for child in node.dirs.values():
            hidden = self._coverage.is_hidden(node.rel + child.name)
            if hidden != child.is_hidden:
                child.is_hidden = hidden
                node.mark()

    # Repositories inside.

    def _begin_nested(self, node: Node) -> bool:
        """Have a directory with `.git` in it judged by that repository's rules, if it is one."""
        nested = self._coverage.nest(node.path, node.rel)
        if nested is not None:
            self._clear(node)
            node.repository = nested
            node.is_nested = True
        node.ignored.add(".git")
        return node.is_nested

    def _end_nested(self, node: Node) -> None:
        assert node.parent is not None
        self._clear(node)
        self._coverage.unnest(node.rel)
        node.repository = node.parent.repository
        node.is_nested = False

    # What is gone.

    def _remove_missing(self, node: Node, present: set[str]) -> None:
        for name in [name for name in node.files if name not in present]:
            self.remove(node, name)
        for name in [name for name in node.dirs if name not in present]:
            self._drop(node.dirs[name])

    def _drop(self, node: Node) -> None:
        """Remove a directory with all that is in it."""
        assert node.parent is not None
        self._clear(node)
        self._left_out.pop(node.rel.rstrip("/"), None)
        if self.watch is not None:
            self.watch.drop(node)
        if node.is_nested:
            self._coverage.unnest(node.rel)
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
            if self.watch is not None:
                self.watch.drop(child)
            if child.is_nested:
                self._coverage.unnest(child.rel)
        for path in [path for path in self._left_out if path.startswith(node.rel)]:
            del self._left_out[path]
        node.files.clear()
        node.dirs.clear()
        node.ignored.clear()
        node.mark()
