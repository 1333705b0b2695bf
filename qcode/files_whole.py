"""Writing a file whole: all of it or nothing, and over nothing that is not to be replaced."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from qcode.errors import UsageError


def write_whole(path: Path, text: str, *, force: bool) -> None:
    """Write a file, all of it or nothing.

    Raises:
        UsageError: it is there, unless `force`, or cannot be written.
    """
    check_free(path, force=force)
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")  # a pipe or a terminal
            return
        # Where it goes in the end, so that a link stays one.
        target = Path(os.path.realpath(path)) if force else path
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), _mode(target))
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            _put(name, target, force=force)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write `{path}`: {error.strerror}") from error


def _put(made: str, target: Path, *, force: bool) -> None:
    if not force:
        try:
            os.link(made, target)  # unlike a renaming it never replaces anything
            return
        except FileExistsError:
            raise _there(target) from None
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                raise
        check_free(target, force=force)  # the file system has no hard links
    os.replace(made, target)


def _mode(target: Path) -> int:
    """Return the permissions of the file there, or those of any new one."""
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o666 & ~mask


def check_free(path: Path, *, force: bool) -> None:
    """Check that a file can go there.

    Raises:
        UsageError: a directory is there, or, unless `force`, a file.
    """
    if path.is_dir():
        raise UsageError(f"cannot write `{path}`: it is a directory")
    if not force and (path.is_file() or path.is_symlink()):
        raise _there(path)


def _there(path: Path) -> UsageError:
    return UsageError(f"`{path}` is there already", hint="--force replaces it")
