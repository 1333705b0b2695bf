"""A state with some paths replaced, made without touching a file."""

from __future__ import annotations

import os
from collections.abc import Mapping

from qcode.checkpoints.states import Entry, Row, State, git_mode, read_tree, write_tree
from qcode.checkpoints.store import Store

_DIRECTORY = 0o040000


def grafted(store: Store, state: State, changes: Mapping[str, Entry | None]) -> State:
    """Return the state in which each path is what is given, None: not there.

    It is for comparing: what git's trees cannot hold (empty directories, most
    permission bits) is left as it was.
    """
    wanted: _Level = {}
    for path, entry in changes.items():
        if entry is not None and not (entry.is_file or entry.is_link):
            continue
        *parents, name = os.fsencode(path).split(b"/")
        level = wanted
        for parent in parents:
            inner = level.setdefault(parent, {})
            level = inner if isinstance(inner, dict) else {}
        level[name] = entry
    return State(_grafted(store, state.tree, wanted), state.meta)


_Level = dict[bytes, "Entry | _Level | None"]


def _grafted(store: Store, tree: str, wanted: _Level) -> str:
    rows: dict[bytes, Row] = {}
    if tree:
        size = len(tree) // 2
        rows = {name: (mode, name, oid) for mode, name, oid in read_tree(store.get(tree), size)}
    for name, entry in wanted.items():
        present = rows.pop(name, None)
        if isinstance(entry, dict):
            inner = present[2] if present and present[0] == _DIRECTORY else ""
            made = _grafted(store, inner, entry)
            if store.get(made):
                rows[name] = (_DIRECTORY, name, made)
        elif entry is not None:
            rows[name] = (git_mode(entry.mode), name, entry.oid)
    return store.put("tree", write_tree(rows.values()))
