"""Several files written and deleted as one: all of it happens, or none.

New contents are written to temporary files first, beside the files they are to
replace. Then every file is looked at again, and only if each is what it was when
it was read do the temporary files take their places, one rename a file. When that
fails on the way, what was done is taken back. So a reader, and whoever looks after
a process was killed, finds each file old or new and never half.

Folders are opened once, over no link, and all is done in what was opened: a folder
that is swapped for a link meanwhile leads nowhere else.

What a killed process leaves are files named `.qcode-tmp-*`; the next transaction
in that folder removes them. Those in use are locked, which is how they are told
from those left over.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from qcode import beneath
from qcode.record import Record

TEMPORARY = ".qcode-tmp-"
"""Names of what is being written begin with this; such a file is no part of any state."""

_LEFTOVER = re.compile(re.escape(TEMPORARY) + "[0-9a-f]{12}")
_ACL = "system.posix_acl_access"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Write(Record):
    """A file that is to have this content; `path` is no symlink."""

    path: Path
    data: bytes
    before: os.stat_result | None
    """The file as it was read; None: there must be none."""
    like: Path | None = None
    """For a new file: another one whose mode, owner and attributes it takes."""


class Delete(Record):
    """A file or symlink that is to go."""

    path: Path
    before: os.stat_result
    """As `os.lstat` told it."""


Change: TypeAlias = Write | Delete


class Conflict(Exception):
    """A file is not what it was when it was read; nothing was changed."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} was changed meanwhile")
        self.path = path


class Incomplete(Exception):
    """It failed, and these files could not be put back: they have their new content."""

    def __init__(self, paths: Sequence[Path], cause: str) -> None:
        super().__init__(f"{cause}; not put back: {', '.join(map(str, paths))}")
        self.paths = tuple(paths)
        self.cause = cause


def commit(changes: Sequence[Change]) -> None:
    """Make all changes, or none; their paths are real and distinct.

    Missing folders are made. A file that is replaced keeps mode, owner and extended
    attributes as far as the system lets them be set, and gets a later time stamp.
    Contents are synced, folders are not: after a power cut a file is old or new.

    Raises:
        OSError: it could not be done; nothing was changed. `filename` is the file's.
        Conflict: a file was changed meanwhile; nothing was changed.
        Incomplete: it could neither be done nor be taken back.
    """
    # What is moved is there twice for a moment rather than not at all.
    steps = [_Step(each) for each in sorted(changes, key=lambda each: isinstance(each, Delete))]
    made: list[Path] = []
    folders: dict[Path, int] = {}
    try:
        for step in steps:
            folder = step.path.parent
            if folder not in folders:
                folders[folder] = beneath.make_folder(folder, made)
                _sweep(folders[folder])
            step.folder = folders[folder]
        for step in steps:
            step.prepare(keep=len(steps) > 1)
        for step in steps:
            step.check()
        _apply(steps)
    except BaseException:
        for step in steps:
            step.clean()
        for folder in reversed(made):
            with contextlib.suppress(OSError), beneath.folder(folder.parent) as parent:
                os.rmdir(folder.name, dir_fd=parent)
        raise
    else:
        for step in steps:
            step.clean()
    finally:
        for descriptor in folders.values():
            os.close(descriptor)


def _apply(steps: Sequence[_Step]) -> None:
    begun: list[_Step] = []
    try:
        for step in steps:
            step.check()
            begun.append(step)
            step.apply()
    except BaseException as error:
        stuck = [step.path for step in reversed(begun) if len(steps) > 1 and not step.undo()]
        if stuck:
            raise Incomplete(stuck, getattr(error, "strerror", None) or str(error)) from error
        raise


class _Step:
    """One change on its way."""

    def __init__(self, change: Change) -> None:
        self.path = change.path
        self.folder = -1
        """Where it is done."""
        self._name = change.path.name
        self._change = change
        self._new: _Temporary | None = None
        self._old: _Temporary | None = None
        self._link = ""
        """Where a symlink that is to go leads."""
        self._lock = -1

    def prepare(self, *, keep: bool) -> None:
        """Write the new content aside, and keep the old one reachable."""
        with _naming(self.path):
            if isinstance(self._change, Write):
                self._new = self._written(self._change)
            if keep and self._change.before is not None:
                self._keep(self._change.before)

    def _written(self, change: Write) -> _Temporary:
        like, source = change.before, -1
        if change.like is not None:
            source, like = beneath.open_file(change.like)
        try:
            if source < 0 and like is not None:
                source = self._attributed()
            # Not readable by more people than the old one, not even for a moment.
            new = _Temporary(self.folder, 0o666 if like is None else 0o600)
            try:
                new.fill(change.data)
                if like is not None:
                    _dress(new.descriptor, like, source)
                if change.before is not None:
                    _make_later(new.descriptor, change.before)
                os.fsync(new.descriptor)
            except BaseException:
                new.remove()
                raise
        finally:
            if source >= 0:
                os.close(source)
        return new

    def _attributed(self) -> int:
        """Open the file for its attributes; -1 if there are none to be had."""
        if not hasattr(os, "listxattr"):
            return -1
        try:
            return os.open(self._name, _READ, dir_fd=self.folder)
        except PermissionError:
            return -1
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):  # it is gone, or a link took its place
                raise Conflict(self.path) from None
            raise

    def _keep(self, before: os.stat_result) -> None:
        if stat.S_ISLNK(before.st_mode):
            self._link = os.readlink(self._name, dir_fd=self.folder)
            return
        self._lock = os.open(self._name, _READ, dir_fd=self.folder)
        # Not waited for: it is the person's own file, and may be locked for long.
        _lock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        name = _name()
        try:
            os.link(
                self._name,
                name,
                src_dir_fd=self.folder,
                dst_dir_fd=self.folder,
                follow_symlinks=False,
            )
        except OSError:
            # Not every file system has hard links, nor may every file be linked.
            self._old = _Temporary(self.folder, 0o600)
            with open(self._lock, "rb", closefd=False) as file:
                self._old.fill(file.read())
            _dress(self._old.descriptor, before, self._lock)
            os.utime(self._old.descriptor, ns=(before.st_atime_ns, before.st_mtime_ns))
        else:
            self._old = _Temporary.of(self.folder, name)

    def check(self) -> None:
        """Make sure that nobody else changed the file.

        Raises:
            Conflict: somebody did.
        """
        with _naming(self.path):
            if not _is_same(self.folder, self._name, self._change.before):
                raise Conflict(self.path)

    def apply(self) -> None:
        """Do it."""
        with _naming(self.path):
            if self._new is None:
                os.unlink(self._name, dir_fd=self.folder)
            else:
                self._new.move(self._name)

    def undo(self) -> bool:
        """Take it back if it was done; return whether the file is not as it was made here."""
        try:
            if self._new is None:
                if not _is_there(self.folder, self._name):
                    self._put_back()
            elif self._new.is_at(self._name):
                if self._change.before is None:
                    os.unlink(self._name, dir_fd=self.folder)
                else:
                    self._put_back()
        except OSError:
            return False
        return True

    def _put_back(self) -> None:
        if self._old is None:
            os.symlink(self._link, self._name, dir_fd=self.folder)
        else:
            self._old.move(self._name)

    def clean(self) -> None:
        """Remove what is left beside the file."""
        for each in (self._new, self._old):
            if each is not None:
                each.remove()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class _Temporary:
    """A file beside another one, locked as long as it is in use."""

    def __init__(self, folder: int, mode: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self.folder = folder
        while True:
            self.name = _name()
            self.descriptor = os.open(self.name, flags, mode, dir_fd=folder)
            _lock(self.descriptor, fcntl.LOCK_EX)
            # Another process may have swept it before it was locked.
            if os.fstat(self.descriptor).st_nlink:
                return
            os.close(self.descriptor)

    @classmethod
    def of(cls, folder: int, name: str) -> _Temporary:
        """Return one for a file that is there and locked by its owner."""
        made = cls.__new__(cls)
        made.folder, made.name, made.descriptor = folder, name, -1
        return made

    def fill(self, data: bytes) -> None:
        """Write the content."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def move(self, name: str) -> None:
        """Let it have another file's name."""
        os.replace(self.name, name, src_dir_fd=self.folder, dst_dir_fd=self.folder)

    def is_at(self, name: str) -> bool:
        """Whether this very file has that name."""
        try:
            there = os.lstat(name, dir_fd=self.folder)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self.descriptor))

    def remove(self) -> None:
        """Give up the name, if it is still there, and the lock."""
        with contextlib.suppress(OSError):
            os.unlink(self.name, dir_fd=self.folder)
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error name the file that it is about, not one beside it."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _name() -> str:
    return f"{TEMPORARY}{os.urandom(6).hex()}"


def _lock(descriptor: int, kind: int) -> None:
    with contextlib.suppress(OSError):  # where there are no locks, nothing is swept either
        fcntl.flock(descriptor, kind)


def sweep(folder: Path) -> None:
    """Remove from a folder the files that a killed process left half written."""
    with contextlib.suppress(OSError), beneath.folder(folder, listing=True) as descriptor:
        _sweep(descriptor)


def _sweep(folder: int) -> None:
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(TEMPORARY) and _LEFTOVER.fullmatch(name):
                with contextlib.suppress(OSError):
                    _remove_unlocked(folder, name)


def _remove_unlocked(folder: int, name: str) -> None:
    descriptor = os.open(name, _READ, dir_fd=folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=folder)
    finally:
        os.close(descriptor)


def _dress(descriptor: int, like: os.stat_result, source: int) -> None:
    """Give a file the owner, the attributes and the mode of another, open as `source` or -1."""
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (like.st_uid, like.st_gid):
        with contextlib.suppress(OSError):  # only root may give files away
            os.fchown(descriptor, like.st_uid, like.st_gid)
    _copy_attributes(descriptor, source)
    # Last: a change of owner takes the set-user-id bit away.
    os.fchmod(descriptor, stat.S_IMODE(like.st_mode))


def _copy_attributes(descriptor: int, source: int) -> None:
    if source < 0 or not hasattr(os, "listxattr"):
        return
    try:
        names = os.listxattr(source)
        if _ACL in set(os.listxattr(descriptor)) - set(names):
            os.removexattr(descriptor, _ACL)  # the folder's default, which the old file had not
    except OSError:
        return
    for name in names:
        with contextlib.suppress(OSError):
            os.setxattr(descriptor, name, os.getxattr(source, name))


def _make_later(descriptor: int, before: os.stat_result) -> None:
    """Let no program that compares time stamps take the new content for the old."""
    now = os.fstat(descriptor)
    if now.st_mtime_ns <= before.st_mtime_ns:
        os.utime(descriptor, ns=(now.st_atime_ns, before.st_mtime_ns + 1))


def _is_same(folder: int, name: str, before: os.stat_result | None) -> bool:
    try:
        now = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return before is None
    return before is not None and (
        (now.st_ino, now.st_size, now.st_mtime_ns)
        == (before.st_ino, before.st_size, before.st_mtime_ns)
    )


def _is_there(folder: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True
