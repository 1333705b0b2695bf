"""Which of some files git tracks, from the index itself: no program of git's has to be run."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

_LARGEST = 256 * 1024 * 1024


def tracked(git_dir: str, wanted: Callable[[str], bool], part: bytes) -> set[str]:
    """Return what is in the index and whose file name is wanted, relative to the top of the tree.

    `part` is in every wanted name, in lower case or upper. Nothing is tracked in an
    index that cannot be read.
    """
    found: set[bytes] = set()
    try:
        for path in (Path(git_dir, "index"), *Path(git_dir).glob("sharedindex.*")):
            if path.is_file() and path.stat().st_size <= _LARGEST:
                found |= _in_index(path.read_bytes(), part)
    except OSError:
        pass
    paths = (os.fsdecode(path) for path in found)
    return {path for path in paths if wanted(path.rpartition("/")[2])}


def _in_index(data: bytes, part: bytes) -> set[bytes]:
    if data[:4] != b"DIRC" or len(data) < 12:
        return set()
    version, count = struct.unpack_from(">II", data, 4)
    if version in (2, 3) and part not in data and part.upper() not in data:
        return set()  # names are written in full, and reading them one by one takes long
    for hash_bytes in (20, 32):
        try:
            return _names(data, version, count, hash_bytes)
        except (IndexError, ValueError, struct.error):
            continue
    return set()


def _names(data: bytes, version: int, count: int, hash_bytes: int) -> set[bytes]:
    """Return all names of an index (gitformat-index), or raise ValueError if it is another form."""
    found = set()
    at = 12
    fixed = 40 + hash_bytes + 2
    name = b""
    end_of_entries = len(data) - hash_bytes
    for _ in range(count):
        flags = data[at + fixed - 2] << 8 | data[at + fixed - 1]
        start = at + fixed + (2 if flags & 0x4000 else 0)
        if version == 4:
            byte = data[start]
            cut = byte & 127
            start += 1
            while byte & 128:
                byte = data[start]
                cut = ((cut + 1) << 7) | (byte & 127)
                start += 1
            end = data.index(b"\0", start)
            name = name[: len(name) - cut] + data[start:end]
            at = end + 1
        else:
            end = data.index(b"\0", start)
            name = data[start:end]
            at = at + (end - at + 8) // 8 * 8
        if at > end_of_entries or (flags & 0xFFF) != min(len(name), 0xFFF):
            raise ValueError("no entry of this form")
        found.add(name)
    return found
