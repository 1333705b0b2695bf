"""Files that the model moved or copied: whose work is in them?

A file that a call makes is the session's own, unless its content is that of
another file with work of the person in it that is not committed yet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import PurePosixPath

from qcode.checkpoints.keeper import Checkpoints
from qcode.checkpoints.states import Entry, read_tree
from qcode.landing.own import Own

_DIRECTORY = 0o040000
_LARGEST = 4 * 1024 * 1024
"""Bytes of a file that is compared line by line."""

HoldsWork = Callable[[str, Entry], bool]
"""Whether a path with this content holds work that is the person's and not committed."""


def copied_work(
    kept: Checkpoints, own: Own, committed: Mapping[str, int], holds_work: HoldsWork
) -> dict[str, str]:
    """Return which paths hold the person's uncommitted work of another, and of which.

    Found are exact copies, and of what was moved and edited in one call those
    that still have most of its lines. `committed` has the version of a path, if
    any, that is committed by now: what it holds is not looked at.
    """
    sources: dict[str, str] = {}
    fresh = []
    for path, versions in own.versions.items():
        begin = max(1, committed.get(path, 0) + 1)
        for version, index in zip(versions[begin:], own.made_at[path][begin - 1 :], strict=True):
            if version is not None and version.oid and kept.content(version).strip():
                fresh.append((index, path, version))
    finder = _Finder(kept, {version.oid for _, _, version in fresh})
    for index, path, version in sorted(fresh, key=lambda row: row[:2]):

        def holds(other: str, content: Entry) -> bool:
            return other in sources or holds_work(other, content)

        if path in sources:
            continue
        before = kept.timeline.before(kept.timeline.points[index])
        same = finder.paths(before.tree, version.oid)
        if path in same:
            continue
        # What can come from a committed file need not come from another.
        works = [other for other in same if holds(other, version)]
        if works and len(works) == len(same):
            sources[path] = works[0]
        elif not same and (moved := _moved(kept, own, index, path, version, holds)):
            sources[path] = moved
    return sources


def sources_of(own: Own, path: str) -> list[str]:
    """Return the paths that were removed and whose content this one once had."""
    contents = {entry.oid for entry in own.versions[path][1:] if entry is not None}
    return [
        other
        for other, versions in own.versions.items()
        if versions[-1] is None
        and other != path
        and any(entry is not None and entry.oid in contents for entry in versions)
    ]


def _moved(
    kept: Checkpoints, own: Own, index: int, path: str, entry: Entry, holds_work: HoldsWork
) -> str:
    """Return the path that was removed in the same call and had most of these lines."""
    lines = _lines(kept, entry)
    for other, points in own.made_at.items():
        if other == path or index not in points or not lines:
            continue
        at = points.index(index)
        old, new = own.versions[other][at : at + 2]
        if old is None or new is not None or not holds_work(other, old):
            continue
        theirs = _lines(kept, old)
        if theirs and 2 * len(theirs & lines) >= len(theirs):
            return other
    return ""


def _lines(kept: Checkpoints, entry: Entry) -> set[bytes]:
    content = kept.content(entry) if entry.is_file else b""
    if len(content) > _LARGEST:
        return set()
    return {line for raw in content.splitlines() if (line := raw.strip())}


class _Finder:
    """Finds paths by their content; a directory that states share is read once."""

    def __init__(self, kept: Checkpoints, wanted: Collection[str]) -> None:
        self.kept = kept
        self.wanted = wanted
        self.known: dict[str, Mapping[str, list[str]]] = {}

    def paths(self, tree: str, oid: str) -> list[str]:
        """Return the files with this content below a tree."""
        return self._below(tree).get(oid, [])

    def _below(self, tree: str) -> Mapping[str, list[str]]:
        if tree in self.known:
            return self.known[tree]
        found: dict[str, list[str]] = {}
        for mode, raw, oid in read_tree(self.kept.store.get(tree), len(tree) // 2):
            name = os.fsdecode(raw)
            if mode != _DIRECTORY:
                if oid in self.wanted:
                    found.setdefault(oid, []).append(name)
                continue
            for inner, names in self._below(oid).items():
                found.setdefault(inner, []).extend(f"{name}/{below}" for below in names)
        self.known[tree] = found
        return found


def collides(name: str, others: Iterable[str]) -> bool:
    """Return whether one of two paths would have to be a directory and a file at once."""
    parents = {str(parent) for parent in PurePosixPath(name).parents}
    return any(other in parents or other.startswith(f"{name}/") for other in others)
