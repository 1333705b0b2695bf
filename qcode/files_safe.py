"""Reading small files that somebody else may have put there: no pipes, no devices, no floods."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_small(path: Path, limit: int = 1 << 20) -> bytes:
    """Return the content of an ordinary file of at most `limit` bytes, without ever waiting.

    Raises:
        OSError: it cannot be read, is not a regular file, or is larger.
    """
    # Without O_NONBLOCK the opening of a pipe waits for somebody who writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        # What /proc holds says its size is 0, and a file may grow while it is read.
        data = b"" if status.st_size > limit else file.read(limit + 1)
        if status.st_size > limit or len(data) > limit:
            raise OSError(errno.EFBIG, f"is larger than {limit:,} bytes", str(path))
        return data
