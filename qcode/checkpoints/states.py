"""A state of a workspace's files: two git trees, and what can be read out of them.

`State.tree` is an ordinary tree of the files as their raw bytes. What git's
trees cannot hold goes to a second one, `State.meta`, with the same directories
(`src` is named `+src` there) and in each up to two blobs:

`=`: rows `mode SP name NUL`: the full mode of an entry of this directory. Files
    with other permissions than 644 or 755; directories that are empty or have
    others than 755; with mode 0, what is there but not kept.
`!`: at the top only: `partial` or nothing, then the paths kept since they were
    named although they are ignored, each behind a NUL. They may be absent.

Paths are relative, with `/`; bytes that are no UTF-8 are surrogates in them
(`os.fsdecode`), so that every name can be written back.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Set

from qcode.checkpoints.store import Store
from qcode.record import Record

DIRECTORY = 0o040755
"""The mode of a directory that is not written down."""

NOT_EMPTY = 0o400000
"""Set in the mode of a directory that has something in it: to lose that is a change, too."""

_GIT_TREE = 0o040000
_RECORDS, _NAMED = b"=", b"!"


class Entry(Record):
    """One path of a state.

    A directory is an entry only if it is empty or its permissions are not 755.
    """

    mode: int
    """Kind and permissions as `lstat` has them, 0o120000 for a link; 0 if it is not kept.

    A directory that is not empty has `NOT_EMPTY` set besides.
    """
    oid: str
    """The blob of a file's bytes or of a link's target; empty for a directory."""

    @property
    def is_kept(self) -> bool:
        """False for what is or may be there without being part of the state.

        It is too large, say, or was ignored at that time. Nothing can be said
        about it, so restoring leaves it as it is.
        """
        return self.mode != 0

    @property
    def is_file(self) -> bool:
        """Whether it is an ordinary file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)


LEFT_OUT = Entry(0, "")
"""What is or may be there but is not kept."""


class State(Record):
    """The files of a workspace at one moment."""

    tree: str
    """The tree of the files."""
    meta: str
    """The tree of what git's trees cannot hold; empty if there is nothing of the kind."""


Row = tuple[int, bytes, str]
"""An entry of a git tree: mode, name, object."""

Pair = tuple[str, str]
"""The tree and the meta tree of one directory; empty where there is none."""


def git_mode(mode: int) -> int:
    """Return the mode that git's trees have for a file or a link."""
    if stat.S_ISLNK(mode):
        return 0o120000
    return 0o100755 if mode & 0o100 else 0o100644


def write_tree(rows: Iterable[Row]) -> bytes:
    """Return the content of a git tree."""
    keyed = sorted(
        (name + b"/" if mode == _GIT_TREE else name, mode, name, oid) for mode, name, oid in rows
    )
    return b"".join(
        b"%o %s\0%s" % (mode, name, bytes.fromhex(oid)) for _key, mode, name, oid in keyed
    )


def read_tree(data: bytes, oid_size: int) -> Iterator[Row]:
    """Yield what a git tree lists."""
    at = 0
    while at < len(data):
        blank = data.index(b" ", at)
        end = data.index(b"\0", blank)
        after = end + 1 + oid_size
        yield int(data[at:blank], 8), data[blank + 1 : end], data[end + 1 : after].hex()
        at = after


def write_records(modes: Iterable[tuple[bytes, int]]) -> bytes:
    """Return the content of the blob `=`."""
    return b"".join(b"%o %s\0" % (mode, name) for name, mode in sorted(modes))


def meta_rows(records: str, named: str, below: Iterable[tuple[bytes, str]]) -> list[Row]:
    """Return the rows of a meta tree; `below` has the meta trees of directories."""
    rows = [(_GIT_TREE, b"+" + name, oid) for name, oid in below]
    for blob, name in ((records, _RECORDS), (named, _NAMED)):
        if blob:
            rows.append((0o100644, name, blob))
    return rows


def write_named(paths: Iterable[str], *, is_partial: bool) -> bytes:
    """Return the content of the blob `!`."""
    head = b"partial" if is_partial else b""
    return b"\0".join([head, *sorted(map(os.fsencode, paths))])


def difference(store: Store, a: State, b: State) -> dict[str, tuple[Entry | None, Entry | None]]:
    """Return the paths in which two states differ, in order; None: not there.

    What one of them cannot know of, since the path was ignored and not yet
    named or is in a directory that could not be read, is `LEFT_OUT` there. Only
    what differs is read.

    Raises:
        QcodeError: an object is missing.
    """
    out: dict[str, tuple[Entry | None, Entry | None]] = {}
    waiting: list[tuple[str, Pair, Pair]] = [("", (a.tree, a.meta), (b.tree, b.meta))]
    while waiting:
        base, one, other = waiting.pop()
        old, old_below = _level(store, one)
        new, new_below = _level(store, other)
        for name in old.keys() | new.keys():
            before, after = old.get(name), new.get(name)
            if before != after:
                out[base + name] = (before, after)
        for name in old_below.keys() | new_below.keys():
            left, right = old_below.get(name, ("", "")), new_below.get(name, ("", ""))
            if left != right:
                waiting.append((f"{base}{name}/", left, right))
    if a.meta != b.meta:
        knows_a, knows_b = _Knowledge(store, a), _Knowledge(store, b)
        for path, (before, after) in out.items():
            if before is None and knows_a.is_blind(path, knows_b):
                out[path] = (LEFT_OUT, after)
            elif after is None and knows_b.is_blind(path, knows_a):
                out[path] = (before, LEFT_OUT)
    for side in (0, 1):
        lost = {path for path, pair in out.items() if pair[side] == LEFT_OUT}
        for path, pair in out.items() if lost else ():
            if pair[side] is None and _is_below(path, lost):
                out[path] = (pair[0], LEFT_OUT) if side else (LEFT_OUT, pair[1])
    return dict(sorted(out.items()))


def _is_below(path: str, directories: Set[str]) -> bool:
    while "/" in path:
        path = path.rpartition("/")[0]
        if path in directories:
            return True
    return False


def find(store: Store, state: State, path: str) -> Entry | None:
    """Return what a state has at a path; None: nothing, or an ordinary directory.

    In a directory that could not be read, everything is `LEFT_OUT`.

    Raises:
        QcodeError: an object is missing.
    """
    pair = (state.tree, state.meta)
    *parents, name = path.split("/")
    for parent in parents:
        entries, inner = _level(store, pair)
        if parent not in inner:
            return LEFT_OUT if entries.get(parent) == LEFT_OUT else None
        pair = inner[parent]
    return _level(store, pair)[0].get(name)


def below(store: Store, state: State, path: str = "") -> Iterator[str]:
    """Yield the paths of all entries below a directory; "" is the top.

    Raises:
        QcodeError: an object is missing.
    """
    pair = (state.tree, state.meta)
    for part in path.split("/") if path else ():
        pair = _level(store, pair)[1].get(part, ("", ""))
    waiting = [(f"{path}/" if path else "", pair)]
    while waiting:
        base, pair = waiting.pop()
        if pair == ("", ""):
            continue
        entries, inner = _level(store, pair)
        yield from (base + name for name in sorted(entries))
        waiting += [(f"{base}{name}/", inner[name]) for name in sorted(inner, reverse=True)]


def named(store: Store, state: State) -> tuple[str, ...]:
    """Return the paths that a state has, or lacks, only since they were once named.

    The next one has to be told of them, or it does not know them any more.

    Raises:
        QcodeError: an object is missing.
    """
    return tuple(sorted(_Knowledge(store, state).named))


class _Knowledge:
    """What a state knows of paths that are not in it."""

    def __init__(self, store: Store, state: State) -> None:
        self.is_partial = False
        self.named: Collection[str] = frozenset()
        if not state.meta:
            return
        for _mode, name, oid in read_tree(store.get(state.meta), len(state.meta) // 2):
            if name == _NAMED:
                head, *paths = store.get(oid).split(b"\0")
                self.is_partial = head == b"partial"
                self.named = frozenset(map(os.fsdecode, paths))

    def is_blind(self, path: str, other: _Knowledge) -> bool:
        """Return whether a path that is not in this state, but in the other, may have existed."""
        return path not in self.named and (self.is_partial or path in other.named)


def _level(store: Store, pair: Pair) -> tuple[dict[str, Entry], dict[str, Pair]]:
    """Return the entries of one directory, and the directories in it that have something."""
    tree, meta = pair
    entries: dict[str, Entry] = {}
    trees: dict[str, str] = {}
    metas: dict[str, str] = {}
    if tree:
        for mode, raw, oid in read_tree(store.get(tree), len(tree) // 2):
            if mode == _GIT_TREE:
                trees[os.fsdecode(raw)] = oid
            else:
                entries[os.fsdecode(raw)] = Entry(mode, oid)
    if meta:
        for _mode, raw, oid in read_tree(store.get(meta), len(meta) // 2):
            if raw == _RECORDS:
                _apply(entries, store.get(oid))
            elif raw.startswith(b"+"):
                metas[os.fsdecode(raw[1:])] = oid
    return entries, {
        name: (trees.get(name, ""), metas.get(name, "")) for name in trees.keys() | metas.keys()
    }


def _apply(entries: dict[str, Entry], records: bytes) -> None:
    for row in records.split(b"\0")[:-1]:
        mode, _, raw = row.partition(b" ")
        name = os.fsdecode(raw)
        known = entries.get(name)
        entries[name] = Entry(int(mode, 8), known.oid if known else "")
