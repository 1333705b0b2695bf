"""What is known of the files in memory: one node a directory, and the trees made of them.

Whoever changes a node marks it stale with all that are above it; writing the
trees looks at stale nodes alone, so that its cost follows what changed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qcode.checkpoints.states import (
    DIRECTORY,
    NOT_EMPTY,
    State,
    git_mode,
    meta_rows,
    write_records,
    write_tree,
)
from qcode.checkpoints.store import Store

if TYPE_CHECKING:
    from qcode.checkpoints.rules import Repository

Signature = tuple[int, int, int, int, int]
"""mtime, ctime, size, inode, mode: two that are equal are of the same content."""


class Kept:
    """A file or a link, as it was when it was last read."""

    __slots__ = ("mode", "oid", "signature")

    def __init__(self, signature: Signature | None, mode: int, oid: str) -> None:
        self.signature = signature
        """None if it may have changed since without showing it: it is read again."""
        self.mode = mode
        """As in `Entry.mode`: 0 for what is left out."""
        self.oid = oid


class Node:
    """One directory."""

    __slots__ = (
        *("dirs", "files", "ignored", "inode", "is_hidden", "is_lost", "is_nested", "is_stale"),
        *("meta", "mode", "name", "parent", "path", "rel", "repository", "tree", "watch_id"),
    )

    def __init__(
        self,
        parent: Node | None,
        name: str,
        path: str,
        repository: Repository,
        *,
        mode: int = DIRECTORY,
        inode: tuple[int, int] = (0, 0),
        is_hidden: bool = False,
    ) -> None:
        self.parent = parent
        self.name = name
        self.path = path
        self.rel: str = f"{parent.rel}{name}/" if parent is not None else ""
        self.repository = repository
        self.mode = mode
        self.inode = inode
        self.is_hidden = is_hidden
        """It is ignored, and here only for what was named in it."""
        self.is_nested = False
        """A repository of its own begins here."""
        self.is_lost = False
        """It cannot be read."""
        self.files: dict[str, Kept] = {}
        self.dirs: dict[str, Node] = {}
        self.ignored: set[str] = set()
        """Names that were seen and are no part of a state."""
        self.watch_id = -1
        self.tree = ""
        self.meta = ""
        self.is_stale = False
        self.mark()

    def mark(self) -> None:
        """Note that the trees of this directory have to be written anew."""
        node: Node | None = self
        while node is not None and not node.is_stale:
            node.is_stale = True
            node = node.parent

    @property
    def is_bare(self) -> bool:
        """Whether nothing in it is part of a state, so that a git tree cannot show it."""
        return not self.files and all(child.is_hidden for child in self.dirs.values())


def write(root: Node, store: Store, named: bytes) -> State:
    """Write the trees of all stale directories and return the state.

    `named` is the content of the blob for named paths, empty if there are none.

    Raises:
        QcodeError: they cannot be written.
    """
    order: list[Node] = []
    waiting = [root] if root.is_stale else []
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting += [child for child in node.dirs.values() if child.is_stale]
    for node in reversed(order):
        _write(node, store, named if node is root else b"")
    return State(root.tree, root.meta)


def _write(node: Node, store: Store, named: bytes) -> None:
    rows = []
    records = []
    below = []
    for name, kept in node.files.items():
        raw = os.fsencode(name)
        mode = kept.mode
        if not mode:
            records.append((raw, 0))
            continue
        plain = git_mode(mode)
        rows.append((plain, raw, kept.oid))
        if plain != mode:
            records.append((raw, mode))
    for name, child in node.dirs.items():
        raw = os.fsencode(name)
        if child.tree:
            rows.append((0o040000, raw, child.tree))
        if child.meta:
            below.append((raw, child.meta))
        if child.is_lost:
            records.append((raw, 0))
        elif not child.is_hidden and (child.mode != DIRECTORY or child.is_bare):
            records.append((raw, child.mode | (0 if child.is_bare else NOT_EMPTY)))
    node.tree = store.put("tree", write_tree(rows)) if rows or node.parent is None else ""
    node.meta = ""
    if records or below or named:
        blob = store.put("blob", write_records(records)) if records else ""
        extra = store.put("blob", named) if named else ""
        node.meta = store.put("tree", write_tree(meta_rows(blob, extra, below)))
    node.is_stale = False
