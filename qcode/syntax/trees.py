"""Syntax trees, with the last ones kept so that the next edit of a file costs little.

tree-sitter is imported when the first tree is wanted, and each grammar when a
file of its language is.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from threading import Lock
from time import thread_time
from typing import TYPE_CHECKING, cast

from qcode.record import Record

if TYPE_CHECKING:
    from tree_sitter import Language, Tree
    from tree_sitter_language_pack import SupportedLanguage

_PATIENCE_S = 0.3
"""Of processor time; a megabyte of C++ takes half of that."""
_PIECE = 1 << 16
_DEEP = re.compile(rb"^[ \t?:-]{200}", re.MULTILINE)
"""More than 250 levels of blocks write past a buffer of the grammar of YAML and end the process."""
_KEPT = 8
_KEPT_BYTES = 2_000_000
"""Of the texts of all trees kept; a tree takes some ten times that."""


class Region(Record):
    """Where two texts differ, in bytes: what is before `start` and behind the ends is equal."""

    start: int
    old_end: int
    new_end: int


class Trees:
    """Parses texts, starting from the tree of a similar text where one is at hand."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, bytes], Tree] = OrderedDict()
        self._lock = Lock()

    def known(self, grammar: str, data: bytes) -> Tree | None:
        """Return the tree of a text if it was kept."""
        with self._lock:
            tree = self._kept.get((grammar, data))
            if tree is not None:
                self._kept.move_to_end((grammar, data))
            return tree

    def parse(self, grammar: str, data: bytes, like: bytes | None = None) -> Tree | None:
        """Return the tree of a text; None if the grammar cannot be had, or takes too long.

        `like` is a text that it was made of, or that was made of it.
        """
        known = self.known(grammar, data)
        if known is not None:
            return known
        language = load_grammar(grammar)
        if language is None or (grammar == "yaml" and _DEEP.search(data)):
            return None
        old = None if like is None else self.known(grammar, like)
        if old is not None and like is not None:
            old = _edited(old, like, data)
        tree = parse_once(language, data, old)
        if tree is not None:
            self._keep(grammar, data, tree)
        return tree

    def _keep(self, grammar: str, data: bytes, tree: Tree) -> None:
        with self._lock:
            self._kept[grammar, data] = tree
            size = sum(len(data) for _, data in self._kept)
            while len(self._kept) > _KEPT or (size > _KEPT_BYTES and len(self._kept) > 2):
                (_, dropped), _ = self._kept.popitem(last=False)
                size -= len(dropped)


def region(before: bytes, after: bytes) -> Region:
    """Return where two texts differ."""
    shorter = min(len(before), len(after))
    start = _most(shorter, lambda size: before[:size] == after[:size])
    end = _most(
        shorter - start,
        lambda size: before[len(before) - size :] == after[len(after) - size :],
    )
    return Region(start, len(before) - end, len(after) - end)


def _most(limit: int, holds: Callable[[int], bool]) -> int:
    """Return the largest size up to `limit` for which something holds, as for all below it."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


def parse_once(language: Language, data: bytes, old: Tree | None = None) -> Tree | None:
    """Parse, but not without end: of what is not their language some grammars make hours."""
    from tree_sitter import Parser

    def read(at: int, _point: object) -> bytes:
        return data[at : at + _PIECE]

    def is_too_long(_at: int, _has_error: bool) -> bool:
        return thread_time() > until

    until = thread_time() + _PATIENCE_S
    try:
        if old is None:
            return Parser(language).parse(read, progress_callback=is_too_long)
        return Parser(language).parse(read, old, progress_callback=is_too_long)
    except ValueError:  # how the binding says that it was stopped
        return None


def _edited(tree: Tree, before: bytes, after: bytes) -> Tree:
    """Return a tree of `before` that says where `after` differs, for the parser to start from."""
    changed = region(before, after)
    tree = tree.copy()
    tree.edit(
        start_byte=changed.start,
        old_end_byte=changed.old_end,
        new_end_byte=changed.new_end,
        start_point=point(before, changed.start),
        old_end_point=point(before, changed.old_end),
        new_end_point=point(after, changed.new_end),
    )
    return tree


def point(data: bytes, at: int) -> tuple[int, int]:
    """Return the row and the column, in bytes and from 0, of a place."""
    return data.count(b"\n", 0, at), at - (data.rfind(b"\n", 0, at) + 1)


@cache
def load_grammar(grammar: str) -> Language | None:
    """Return a grammar; None if it cannot be had."""
    try:
        from tree_sitter import Language
        from tree_sitter_language_pack import get_binding

        return Language(get_binding(cast("SupportedLanguage", grammar)))
    except (ImportError, LookupError, OSError, ValueError):
        # No build for this machine, or one for another version: edits go on without the gate.
        return None
