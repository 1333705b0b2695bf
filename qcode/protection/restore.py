"""Putting protected files back, each as a whole: content, mode, or where a link leads.

What stands in the way and is no file of that name is moved aside, not removed: it may be all
there is of somebody's work.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from qcode import beneath
from qcode.protection.kept import Kept, content
from qcode.transaction import TEMPORARY

_REACHING = stat.S_IRUSR | stat.S_IXUSR
ASIDE = ".moved-aside"
"""The end of the name that what stood in the way gets."""


def put_back(root: Path, path: str, kept: Kept, modes: Mapping[str, int]) -> None:
    """Make a file what it was; `modes` are those of the folders before.

    Raises:
        OSError: it cannot be done, and the file is as it was found.
    """
    if stat.S_ISLNK(kept.mode):
        with _parent(root, path, modes) as (folder, name):
            _place(folder, name, lambda new: os.symlink(kept.link, new, dir_fd=folder))
        return
    if not stat.S_ISREG(kept.mode):
        raise OSError(errno.EINVAL, kept.why_not)
    write(root, path, content(kept), stat.S_IMODE(kept.mode), modes)


def write(root: Path, path: str, data: bytes, mode: int | None, modes: Mapping[str, int]) -> None:
    """Let a file have this content; without a mode it keeps the one it has.

    Raises:
        OSError: it cannot be done, and the file is as it was found.
    """
    with _parent(root, path, modes) as (folder, name):
        if mode is None:
            mode = 0o644
            with contextlib.suppress(OSError):
                mode = stat.S_IMODE(os.lstat(name, dir_fd=folder).st_mode)

        def make(new: str) -> None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(new, flags, 0o600, dir_fd=folder)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

        _place(folder, name, make)


def remove(root: Path, path: str) -> None:
    """Remove a file or link that was not there before.

    Raises:
        OSError: it cannot be done.
    """
    real = root / path
    with _writable(real.parent), beneath.folder(real.parent) as folder:
        try:
            os.unlink(real.name, dir_fd=folder)
        except FileNotFoundError:
            pass


def _place(folder: int, name: str, make: Callable[[str], None]) -> None:
    new = f"{TEMPORARY}{os.urandom(6).hex()}"
    try:
        make(new)
        try:
            os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)
        except (IsADirectoryError, NotADirectoryError, FileExistsError):
            _aside(folder, name)
            os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new, dir_fd=folder)
        raise


def _aside(folder: int, name: str) -> None:
    for number in range(100):
        other = f"{name}{ASIDE}{number or ''}"
        try:
            os.lstat(other, dir_fd=folder)
        except FileNotFoundError:
            os.rename(name, other, src_dir_fd=folder, dst_dir_fd=folder)
            return
    raise OSError(errno.EEXIST, "what stands in its place cannot be moved aside")


@contextlib.contextmanager
def _parent(root: Path, path: str, modes: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    """Lend the folder of a path, made anew where it is gone or something else took its place."""
    parts = path.split("/")
    made: list[str] = []
    above = root
    for depth, part in enumerate(parts[:-1], 1):
        here = above / part
        try:
            status = os.lstat(here)
        except FileNotFoundError:
            with _writable(above), beneath.folder(above) as folder:
                os.mkdir(part, dir_fd=folder)
            made.append("/".join(parts[:depth]))
        else:
            if not stat.S_ISDIR(status.st_mode):
                with _writable(above), beneath.folder(above) as folder:
                    if stat.S_ISLNK(status.st_mode):
                        os.unlink(part, dir_fd=folder)  # all that it held is where it led
                    else:
                        _aside(folder, part)
                    os.mkdir(part, dir_fd=folder)
                made.append("/".join(parts[:depth]))
            elif (was := modes.get("/".join(parts[:depth]), 0)) & ~status.st_mode & _REACHING:
                os.chmod(here, stat.S_IMODE(was))  # it was closed to hide what is in it
        above = here
    with _writable(above), beneath.folder(above) as folder:
        yield folder, parts[-1]
    for each in reversed(made):
        if each in modes:
            os.chmod(root / each, stat.S_IMODE(modes[each]))


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Let a folder of this user's be written to meanwhile."""
    try:
        mode = stat.S_IMODE(os.lstat(folder).st_mode)
    except OSError:
        yield
        return
    wanted = stat.S_IWUSR | stat.S_IXUSR
    if mode & wanted == wanted:
        yield
        return
    os.chmod(folder, mode | wanted)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chmod(folder, mode)
