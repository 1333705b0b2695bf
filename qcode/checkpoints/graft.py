"""A state with some paths replaced, made without touching a file."""

from __future__ import annotations

import os
from collections.abc import Mapping

from qcode.checkpoints.states import Entry, Row, State, git_mode, read_tree, write_tree
from qcode.checkpoints.store import Store
from qcode.record import Record

_DIRECTORY = 0o040000


def grafted(store: Store, state: State, changes: Mapping[str, Entry | None]) -> State:
    """Return the state in which each path is what is given, None: not there.

    A file stands above what is below it: a path is there if it is given or was
    there, unless a file or a link is given for one of the directories it is in.

    It is for comparing: what git's trees cannot hold (empty directories, most
    permission bits) is left as it was.
    """
    wanted = _Level({}, {})
    for path, entry in changes.items():
        if entry is not None and not (entry.is_file or entry.is_link):
            continue
        *parents, name = os.fsencode(path).split(b"/")
        level = wanted
        for parent in parents:
            level = level.below.setdefault(parent, _Level({}, {}))
        level.here[name] = entry
    return State(_grafted(store, state.tree, wanted), state.meta)


class _Level(Record):
    """What is wanted in one directory. A name can be in both: a file gives way to a directory."""

    here: dict[bytes, Entry | None]
    below: dict[bytes, _Level]


def _grafted(store: Store, tree: str, wanted: _Level) -> str:
    rows: dict[bytes, Row] = {}
    if tree:
        size = len(tree) // 2
        rows = {name: (mode, name, oid) for mode, name, oid in read_tree(store.get(tree), size)}
    for name, level in wanted.below.items():
        present = rows.get(name)
        is_directory = present is not None and present[0] == _DIRECTORY
        made = _grafted(store, present[2] if present and is_directory else "", level)
        if store.get(made):
            rows[name] = (_DIRECTORY, name, made)
        elif is_directory:
            del rows[name]
    for name, entry in wanted.here.items():
        if entry is not None:
            rows[name] = (git_mode(entry.mode), name, entry.oid)
        elif name in rows and rows[name][0] != _DIRECTORY:
            del rows[name]
    return store.put("tree", write_tree(rows.values()))
