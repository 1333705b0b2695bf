"""What files were before: in memory up to a bound, beyond it in a folder of the caller's."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

from qcode import beneath
from qcode.record import Record
from qcode.workspace import digest

IN_MEMORY = 64 * 2**20
"""Bytes of all files together that are held in memory."""

SETTLED_NS = 20_000_000
"""A file that was changed so shortly before a look may change again with the same time stamp."""

Signature = tuple[int, int, int, int, int]


class Kept(Record):
    """One file as it was."""

    mode: int
    """As `lstat` tells it, so with its type."""
    signature: Signature | None
    """None: it has to be read to know whether it changed."""
    data: bytes | None = None
    """None: it lies in `spilled`, is no file, or could not be read or held."""
    spilled: Path | None = None
    digest: str = ""
    link: str = ""
    """Where a link leads."""
    why_not: str = ""
    """Why its content is not known."""


def signature(status: os.stat_result) -> Signature:
    """Return what differs if a file was written; nobody sets the time of a change of state."""
    return (
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_size,
        status.st_ino,
        status.st_mode,
    )


def settled(status: os.stat_result) -> Signature | None:
    """Return the signature, if a later change is sure to show in it."""
    newest = max(status.st_mtime_ns, status.st_ctime_ns)
    return signature(status) if time.time_ns() - newest > SETTLED_NS else None


class Keeper:
    """Takes files in as they are."""

    def __init__(self, root: Path, spill_dir: Path | None, in_memory: int = IN_MEMORY) -> None:
        self._root = root
        self._spill_dir = spill_dir
        self._left = in_memory
        self._number = 0

    def keep(self, path: str) -> Kept | None:
        """Return a file as it is now; None if there is none."""
        real = self._root / path
        try:
            status = os.lstat(real)
        except (OSError, ValueError):
            return None
        if stat.S_ISLNK(status.st_mode):
            try:
                return Kept(status.st_mode, settled(status), link=os.readlink(real))
            except OSError:
                return None
        if not stat.S_ISREG(status.st_mode):
            return Kept(status.st_mode, signature(status), why_not="it is no ordinary file")
        try:
            data, status = read(real)
        except OSError as error:
            why = f"it could not be read ({error.strerror})"
            return Kept(status.st_mode, signature(status), why_not=why)
        mark = settled(status)
        if len(data) <= self._left:
            self._left -= len(data)
            return Kept(status.st_mode, mark, data)
        spilled, why = self._spill(data)
        return Kept(status.st_mode, mark, None, spilled, digest(data), why_not=why)

    def _spill(self, data: bytes) -> tuple[Path | None, str]:
        if self._spill_dir is None:
            return None, "it was too large to be held"
        self._number += 1
        file = self._spill_dir / f"protected-{os.getpid()}-{id(self):x}-{self._number}"
        try:
            self._spill_dir.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as stream:
                stream.write(data)
        except OSError as error:
            return None, f"it was too large to be held ({error.strerror})"
        return file, ""


def read(real: Path) -> tuple[bytes, os.stat_result]:
    """Return an ordinary file's content and state.

    Raises:
        OSError: there is none, or it cannot be read.
    """
    stream, status = beneath.open_stream(real)
    with stream:
        return stream.read(), status


def content(kept: Kept) -> bytes:
    """Return what was in a file.

    Raises:
        OSError: it is not known.
    """
    if kept.data is not None:
        return kept.data
    if kept.spilled is None:
        raise OSError(errno.ENODATA, kept.why_not or "its content is not known")
    data = kept.spilled.read_bytes()
    if digest(data) != kept.digest:
        raise OSError(errno.EIO, "what was kept of it was changed")
    return data


def is_same(kept: Kept, data: bytes) -> bool:
    """Whether a file had this content."""
    if kept.data is not None:
        return kept.data == data
    return bool(kept.digest) and digest(data) == kept.digest
