"""Which objects a repository's packs hold, read from their indexes in this process.

Asking git for an object that is not there can make it fetch (in a partial
clone) and costs a process; an index answers in microseconds.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable

_MAGIC = b"\xfftOc\x00\x00\x00\x02"
_FANOUT = 8
_NAMES = _FANOUT + 256 * 4


class Packs:
    """The packs in one directory of objects."""

    def __init__(self, directory: str, oid_size: int) -> None:
        self._directory = directory
        self._oid_size = oid_size
        self._seen: tuple[int, int] | None = None
        self._open: dict[str, mmap.mmap] = {}

    def __contains__(self, oid: bytes) -> bool:
        self._refresh()
        return any(self._has(index, oid) for index in self._open.values())

    def among(self, oids: Iterable[bytes]) -> set[bytes]:
        """Return those that are there."""
        self._refresh()
        indexes = self._open.values()
        return {oid for oid in oids if any(self._has(index, oid) for index in indexes)}

    def close(self) -> None:
        """Give up the files; they are opened again when needed."""
        for index in self._open.values():
            index.close()
        self._open.clear()
        self._seen = None

    def _refresh(self) -> None:
        try:
            found = os.stat(self._directory)
        except OSError:
            self.close()
            return
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp == self._seen:
            return
        try:
            names = {name for name in os.listdir(self._directory) if name.endswith(".idx")}
        except OSError:
            names = set()
        for name in self._open.keys() - names:
            self._open.pop(name).close()
        for name in names - self._open.keys():
            index = self._load(os.path.join(self._directory, name))
            if index is not None:
                self._open[name] = index
        self._seen = stamp

    def _load(self, path: str) -> mmap.mmap | None:
        pack = path.removesuffix(".idx") + ".pack"
        try:
            with open(path, "rb") as file:
                index = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            return None
        if index[: len(_MAGIC)] == _MAGIC and len(index) >= _NAMES and os.path.exists(pack):
            return index
        index.close()
        return None

    def _has(self, index: mmap.mmap, oid: bytes) -> bool:
        first = oid[0]
        at = _FANOUT + 4 * first
        low = struct.unpack_from(">I", index, at - 4)[0] if first else 0
        high = struct.unpack_from(">I", index, at)[0]
        size = self._oid_size
        while low < high:
            middle = (low + high) // 2
            start = _NAMES + middle * size
            name = index[start : start + size]
            if name == oid:
                return True
            if name < oid:
                low = middle + 1
            else:
                high = middle
        return False
