"""Reading one file of the workspace as it is, while others may be writing to it."""

from __future__ import annotations

import os
import stat
import time

from qcode.checkpoints.manifest import Signature

_SETTLED_NS = 100_000_000
"""A file that was written shorter ago may be written again without its times showing it."""
_SETTLED_COARSE_NS = 2_100_000_000
"""The same where a file system counts in whole seconds, or in two."""
_TRIES = 3


class Unreadable(Exception):
    """What is there cannot be part of a state; the text says why."""


class Gone(Exception):
    """Nothing is there, or it is a directory by now."""


def signature(found: os.stat_result) -> Signature:
    """Return what changes whenever a file does."""
    return (
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_size,
        found.st_ino,
        found.st_mode,
    )


def is_settled(found: Signature, moment_ns: int) -> bool:
    """Return whether what was read at a moment is sure to be what such a signature stands for."""
    newest = max(found[0], found[1])
    is_coarse = not (found[0] % 1_000_000_000 or found[1] % 1_000_000_000)
    return newest < moment_ns - (_SETTLED_COARSE_NS if is_coarse else _SETTLED_NS)


def read(path: str, largest: int) -> tuple[Signature | None, int, bytes]:
    """Return a file's or a link's signature, its mode as in `Entry`, and its bytes.

    The signature is None if the file may change without another signature.

    Raises:
        Gone: nothing is there, or a directory.
        Unreadable: it is no file and no link, too large, or may not be read.
    """
    for _ in range(_TRIES):
        moment = time.time_ns()
        try:
            before = os.lstat(path)
            if stat.S_ISLNK(before.st_mode):
                data = os.fsencode(os.readlink(path))
                after, mode = os.lstat(path), stat.S_IFLNK
            else:
                before, data, after = _read_regular(path, before, largest)
                mode = before.st_mode
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Gone from error
        except OSError as error:
            raise Unreadable(f"it cannot be read: {error.strerror}") from error
        first = signature(before)
        if first == signature(after) and len(data) == before.st_size:
            return (first if is_settled(first, moment) else None), mode, data
    return None, mode, data


def _read_regular(
    path: str, there: os.stat_result, largest: int
) -> tuple[os.stat_result, bytes, os.stat_result]:
    if stat.S_ISDIR(there.st_mode):
        raise Gone
    if not stat.S_ISREG(there.st_mode):
        raise Unreadable(_kind(there.st_mode))
    # Not to wait for the other end, should it be a pipe by now.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode):
            raise Unreadable(_kind(before.st_mode))
        if before.st_size > largest:
            raise Unreadable(too_large(largest))
        parts = []
        wanted = before.st_size + 1
        while wanted > 0 and (data := os.read(fd, wanted)):
            parts.append(data)
            wanted -= len(data)
        return before, b"".join(parts), os.fstat(fd)
    finally:
        os.close(fd)


def too_large(largest: int) -> str:
    """Return why a file of more than that many bytes is left out."""
    mib = largest / 2**20
    return f"it is larger than {mib:.0f} MiB" if mib >= 1 else f"it is larger than {largest} bytes"


def _kind(mode: int) -> str:
    if stat.S_ISSOCK(mode):
        return "it is a socket"
    if stat.S_ISFIFO(mode):
        return "it is a pipe"
    return "it is a device"
