"""Files opened by way of their directories, step by step, without following a link.

A path that was found real may have become a link by the time it is opened: whoever
swaps a directory for a link in a loop gets a plain `open` to follow it now and then.
Here each directory on the way is opened from the one before, and a link is refused.
What is opened by a descriptor so found lies where the path said, whatever happens to
the names meanwhile.

All paths are absolute and real, as `os.path.realpath` returns them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# To pass through a directory, the right to list it is not needed; where O_PATH is missing, it is.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Swapped(OSError):
    """A part of the path is a link now, and was none when the path was resolved."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.ELOOP, "a part of the path became a symbolic link just now", path)


class NotRegular(OSError):
    """It is no ordinary file."""

    def __init__(self, path: str, mode: int) -> None:
        super().__init__(errno.EINVAL, "is not a regular file", path)
        self.mode = mode


def open_folder(real: Path, *, listing: bool = False) -> int:
    """Return a descriptor of a directory, good as `dir_fd`, and with `listing` to be listed.

    Raises:
        OSError: there is none, or the way to it leads over a link.
    """
    names = _names(real)
    with _naming(real):
        here = os.open("/", _PASS if names or not listing else _LIST)
    last = len(names) - 1
    for number in range(len(names)):
        here = _step(here, names, number, _LIST if listing and number == last else _PASS)
    return here


def open_in(folder: int, name: str) -> int:
    """Return a descriptor of a directory in an open one, to be listed.

    Raises:
        OSError: there is none of that name, or it is a link.
    """
    return os.open(name, _LIST, dir_fd=folder)


def make_folder(real: Path, made: list[Path]) -> int:
    """Return a descriptor of a directory, having made it and its parents where missing.

    It can be listed if it may be. What was made is added to `made`, even if it fails then.

    Raises:
        OSError: it cannot be made, or the way to it leads over a link.
    """
    # Mostly it is there, and then it is found without a look at each part.
    try:
        return _open_any(real)
    except FileNotFoundError:
        pass
    names = _names(real)
    with _naming(real):
        here = os.open("/", _PASS)
    for number, name in enumerate(names):
        path = _joined(names, number)
        try:
            os.stat(name, dir_fd=here, follow_symlinks=False)
        except FileNotFoundError:
            try:
                os.mkdir(name, dir_fd=here)
            except FileExistsError:
                pass  # somebody else was quicker
            except OSError as error:
                os.close(here)
                error.filename = path
                raise
            else:
                made.append(Path(path))
        except OSError as error:
            os.close(here)
            error.filename = path
            raise
        here = _step(here, names, number, _PASS)
    os.close(here)
    return _open_any(real)


def _open_any(real: Path) -> int:
    try:
        return open_folder(real, listing=True)
    except PermissionError:
        return open_folder(real)


def open_file(real: Path) -> tuple[int, os.stat_result]:
    """Return a descriptor of an ordinary file, to be read from, and the file's state.

    Raises:
        NotRegular: it is a directory, device, pipe or socket; none is waited for or touched.
        OSError: there is none, it may not be read, or the way to it leads over a link.
    """
    with folder(real.parent) as parent:
        name = real.name or "."
        status = _regular(real, parent, name)
        try:
            file = os.open(name, _READ, dir_fd=parent)
        except OSError as error:
            if error.errno == errno.ELOOP:  # a link took its place
                raise Swapped(str(real)) from None
            error.filename = str(real)
            raise
    now = os.fstat(file)
    if not stat.S_ISREG(now.st_mode):  # it was replaced between the two
        os.close(file)
        raise NotRegular(str(real), status.st_mode)
    return file, now


def _regular(real: Path, parent: int, name: str) -> os.stat_result:
    with _naming(real):
        status = os.lstat(name, dir_fd=parent)
    if stat.S_ISLNK(status.st_mode):
        raise _link(parent, name, str(real))
    if not stat.S_ISREG(status.st_mode):
        raise NotRegular(str(real), status.st_mode)
    return status


def open_stream(real: Path) -> tuple[BinaryIO, os.stat_result]:
    """Return an ordinary file to be read from, and its state.

    Raises:
        OSError: like `open_file`.
    """
    file, now = open_file(real)
    return open(file, "rb"), now


def read(real: Path) -> bytes:
    """Return the content of an ordinary file.

    Raises:
        OSError: like `open_file`.
    """
    stream, _ = open_stream(real)
    with stream:
        return stream.read()


def status(real: Path) -> os.stat_result:
    """Return what `os.lstat` tells.

    Raises:
        OSError: there is nothing, or the way to it leads over a link.
    """
    with folder(real.parent) as parent, _naming(real):
        return os.lstat(real.name or ".", dir_fd=parent)


def exists(real: Path) -> bool:
    """Whether there is something of that name, be it a link that leads nowhere.

    Also where that cannot be told: opening it tells why.
    """
    try:
        status(real)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def is_folder(real: Path) -> bool:
    """Whether it is a directory, and no link to one."""
    try:
        return stat.S_ISDIR(status(real).st_mode)
    except OSError:
        return False


def may_write(real: Path) -> bool:
    """Whether this process may write to a file, by its mode."""
    try:
        with folder(real.parent) as parent:
            return os.access(real.name, os.W_OK, dir_fd=parent)
    except OSError:
        return False


def names(real: Path) -> list[str]:
    """Return the names in a directory, in no order; none if it cannot be listed."""
    try:
        with folder(real, listing=True) as descriptor:
            return os.listdir(descriptor)
    except OSError:
        return []


@contextlib.contextmanager
def folder(real: Path, *, listing: bool = False) -> Iterator[int]:
    """Lend a directory's descriptor.

    Raises:
        OSError: like `open_folder`.
    """
    descriptor = open_folder(real, listing=listing)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _naming(real: Path) -> Iterator[None]:
    """Let an error name the whole path."""
    try:
        yield
    except OSError as error:
        error.filename = str(real)
        raise


def _names(real: Path) -> list[str]:
    names = [name for name in str(real).split("/") if name]
    if ".." in names or not real.is_absolute():
        raise OSError(errno.EINVAL, "is not a real path", str(real))
    return names


def _joined(names: list[str], last: int) -> str:
    return "/" + "/".join(names[: last + 1])


def _step(here: int, names: list[str], number: int, flags: int) -> int:
    """Open the directory of that number from the one before, which is closed."""
    try:
        return os.open(names[number], flags, dir_fd=here)
    except OSError as error:
        path = _joined(names, number)
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            error.filename = _joined(names, len(names))
            raise
        error.filename = path
        if _is_link(here, names[number]):
            raise _link(here, names[number], path) from None
        raise
    finally:
        os.close(here)


def _is_link(folder: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode)
    except OSError:
        return False


def _link(folder: int, name: str, path: str) -> OSError:
    """Return the error for a link on the way: one that goes in a circle is left when resolving."""
    try:
        os.stat(name, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return Swapped(path)
