"""The state of a git working tree at a glance, by its files alone: no program is started.

A `git status` in the sandbox takes longer than all else before the first request. Branch
and operation stand in small files, and the index holds the size and time of each file.
"""

from __future__ import annotations

import os
import re
import struct
import time
from collections.abc import Hashable, Iterator

from qcode.record import Record
from qcode.sandbox.repositories import enclosing, git_dirs, read_small

PATIENCE_S = 0.008
"""For looking at the files; of a tree that takes longer, only the branch is told."""
_LARGEST = 4 * 1024 * 1024
_LARGEST_LISTED = 64 * 1024 * 1024
"""Bytes of an index that is read for its names alone."""
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_OPERATIONS = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}


class Glance(Record):
    """What is seen at once of a working tree."""

    top: str
    branch: str
    """Empty where none is checked out."""
    operation: str
    """Under way: `rebase`, `merge`, …; or nothing."""
    changed: tuple[str, ...] | None
    """Tracked files that differ by size or time from what was last added; None: not known."""


def glance(directory: str) -> Glance | None:
    """Return the state of the working tree that a directory lies in; None without one."""
    top = enclosing(directory)
    dirs = git_dirs(top) if top else None
    if dirs is None:
        return None
    head = read_small(f"{dirs.git_dir}/HEAD").strip()
    branch = head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else ""
    operation = next(
        (word for name, word in _OPERATIONS.items() if os.path.lexists(f"{dirs.git_dir}/{name}")),
        "",
    )
    return Glance(top, branch, operation, _changed(top, f"{dirs.git_dir}/index"))


def head(directory: str) -> str | None:
    """Return the commit that is checked out, "" if there is none yet; None: only git knows."""
    top = enclosing(directory)
    dirs = git_dirs(top) if top else None
    if dirs is None or os.path.exists(f"{dirs.common_dir}/reftable"):
        return None
    text = read_small(f"{dirs.git_dir}/HEAD").strip()
    if _COMMIT.fullmatch(text):
        return text
    name = text.removeprefix("ref: ")
    if name == text or not name.startswith("refs/heads/"):
        return None
    loose = read_small(f"{dirs.common_dir}/{name}").strip()
    if loose:
        return loose if _COMMIT.fullmatch(loose) else None
    try:
        with open(f"{dirs.common_dir}/packed-refs", "rb") as file:
            rows = file.read(_LARGEST_LISTED).split(b"\n")
    except FileNotFoundError:
        return ""
    except OSError:
        return None
    end = b" " + os.fsencode(name)
    return next((os.fsdecode(row[: -len(end)]) for row in rows if row.endswith(end)), "")


def state(directory: str) -> Hashable:
    """Return what tells one state of the tracked files from another; None where nothing does."""
    seen = glance(directory)
    dirs = git_dirs(seen.top) if seen else None
    if seen is None or dirs is None or seen.changed is None:
        return None
    paths = [f"{dirs.git_dir}/HEAD", f"{dirs.git_dir}/index"]
    times = []
    for path in (*paths, *(os.path.join(seen.top, name) for name in seen.changed)):
        try:
            found = os.lstat(path)
            times.append((path, found.st_mtime_ns, found.st_size))
        except OSError:
            times.append((path, 0, 0))
    return tuple(times)


def tracked(directory: str) -> set[str] | None:
    """Return the files below a directory that git tracks, relative to it; None: not known."""
    top = enclosing(directory)
    dirs = git_dirs(top) if top else None
    if dirs is None:
        return None
    index = f"{dirs.git_dir}/index"
    try:
        if os.stat(index).st_size > _LARGEST_LISTED:
            return None
        with open(index, "rb") as file:
            data = file.read(_LARGEST_LISTED)
        names = [os.fsdecode(name) for name, _, _, _ in _entries(data)]
    except (OSError, IndexError, ValueError, struct.error):
        return None
    if directory == top:
        return set(names)
    inside = f"{os.path.relpath(directory, top)}/"
    return {name.removeprefix(inside) for name in names if name.startswith(inside)}


def _changed(top: str, index: str) -> tuple[str, ...] | None:
    try:
        if os.stat(index).st_size > _LARGEST:
            return None
        with open(index, "rb") as file:
            data = file.read(_LARGEST)
    except FileNotFoundError:
        return ()
    except OSError:
        return None
    end = time.monotonic() + PATIENCE_S
    out = []
    try:
        for number, (name, mtime_s, mtime_ns, size) in enumerate(_entries(data)):
            if number % 128 == 0 and time.monotonic() > end:
                return None
            if _differs(os.path.join(os.fsencode(top), name), mtime_s, mtime_ns, size):
                out.append(os.fsdecode(name))
    except (IndexError, ValueError, struct.error):
        return None
    return tuple(dict.fromkeys(out))


def _differs(path: bytes, mtime_s: int, mtime_ns: int, size: int) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return True
    seconds, rest = divmod(found.st_mtime_ns, 1_000_000_000)
    if (seconds & 0xFFFFFFFF, rest if mtime_ns else 0) != (mtime_s, mtime_ns):
        return True
    # Git writes a size of 0 where the time says nothing yet.
    return size not in (0, found.st_size & 0xFFFFFFFF)


def _entries(data: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield name, time and size of the files in an index (gitformat-index, versions 2 and 3).

    Raises:
        ValueError, IndexError, struct.error: it is of another form.
    """
    signature, version, count = struct.unpack_from(">4sII", data)
    if signature != b"DIRC" or version not in (2, 3):
        raise ValueError("another form of index")
    at = 12
    for _ in range(count):
        mtime_s, mtime_ns, mode, size = struct.unpack_from(">8xII8xI8xI", data, at)
        (flags,) = struct.unpack_from(">H", data, at + 60)
        start = at + 62
        is_skipped = bool(flags & 0x8000) or mode == 0o160000
        if flags & 0x4000:
            (more,) = struct.unpack_from(">H", data, start)
            is_skipped = is_skipped or bool(more & 0x4000)
            start += 2
        end = data.index(b"\0", start)
        if flags & 0xFFF != min(end - start, 0xFFF):
            raise ValueError("another form of index")
        if not is_skipped:
            yield data[start:end], mtime_s, mtime_ns, size
        at += (end - at + 8) // 8 * 8
