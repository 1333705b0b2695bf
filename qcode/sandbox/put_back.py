"""Putting files back as they were, and others out of the way; links are never followed."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from pathlib import Path

from qcode.record import Record

LARGEST = 1024 * 1024
"""Bytes of a file that are remembered."""
_ENTRIES = 1000
"""Of one directory with all in it."""
_GRAIN_NS = 30_000_000
"""Of the clock that files' times are taken from."""
_SKIPPED_BYTES = 16 * 1024 * 1024


class State(Record):
    """One file, directory or link as it was."""

    kind: int
    """The type bits of its mode."""
    mode: int
    identity: tuple[int, int, int, int]
    """Device, inode, size and time of change: while they are the same, so is all else."""
    content: bytes | None = None
    """Of a file, unless it is too large; what a link names."""
    is_settled: bool = True
    """It was read long enough after its last change: another would show in the time."""

    def same(self, other: State) -> bool:
        """Whether there is nothing to put back."""
        is_whole = self.is_settled and self.identity == other.identity
        if self.kind != other.kind or self.mode != other.mode:
            return False
        if is_whole or stat.S_ISDIR(self.kind):
            return True
        return self.content is not None and self.content == other.content


class States:
    """Reads states; contents are read again only when a file has changed."""

    def __init__(self) -> None:
        self._known: dict[str, State] = {}

    def of(self, path: str) -> State | None:
        """Return the state of a path, None where there is nothing."""
        try:
            found = os.lstat(path)
        except OSError:
            return None
        kind = stat.S_IFMT(found.st_mode)
        size = 0 if stat.S_ISDIR(kind) else found.st_size
        changed_ns = 0 if stat.S_ISDIR(kind) else found.st_ctime_ns
        identity = (found.st_dev, found.st_ino, size, changed_ns)
        mode = stat.S_IMODE(found.st_mode)
        known = self._known.get(path)
        if known and known.is_settled and known.identity == identity and known.mode == mode:
            return known
        is_settled = time.time_ns() - found.st_ctime_ns > _GRAIN_NS
        state = State(kind, mode, identity, _content(path, kind, size), is_settled)
        self._known[path] = state
        return state

    def below(self, path: str) -> dict[str, State]:
        """Return a path and all in it, parents first; nothing where there is nothing."""
        state = self.of(path)
        if state is None:
            return {}
        found = {path: state}
        waiting = [path] if stat.S_ISDIR(state.kind) else []
        while waiting and len(found) < _ENTRIES:
            directory = waiting.pop()
            try:
                names = sorted(os.listdir(directory))
            except OSError:
                continue
            for name in names[:_ENTRIES]:
                inner = f"{directory}/{name}"
                if (state := self.of(inner)) is not None:
                    found[inner] = state
                    if stat.S_ISDIR(state.kind):
                        waiting.append(inner)
        return found


def _content(path: str, kind: int, size: int) -> bytes | None:
    with contextlib.suppress(OSError):
        if stat.S_ISLNK(kind):
            return os.fsencode(os.readlink(path))
        if stat.S_ISREG(kind) and size <= LARGEST:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                return file.read(LARGEST)
    return None


def put_back(path: str, state: State) -> bool:
    """Make a path be again what it was; whatever is there has to be out of the way already.

    A file in its place is replaced. Returns whether it worked.
    """
    try:
        parent = open_directory(os.path.dirname(path))
    except OSError:
        return False
    name = os.path.basename(path)
    try:
        if stat.S_ISDIR(state.kind):
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
            inner = os.open(name, _DIRECTORY, dir_fd=parent)
            try:
                os.fchmod(inner, state.mode)
            finally:
                os.close(inner)
            return True
        if state.content is None:
            return False
        spare = f".{name}.qcode-{os.getpid()}-{time.monotonic_ns()}"
        if stat.S_ISLNK(state.kind):
            os.symlink(state.content, os.fsencode(spare), dir_fd=parent)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(spare, flags, 0o600, dir_fd=parent)
            with open(descriptor, "wb") as file:
                file.write(state.content)
                os.fchmod(file.fileno(), state.mode)
        try:
            os.rename(spare, name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError:
            os.unlink(spare, dir_fd=parent)
            raise
        return True
    except OSError:
        return False
    finally:
        os.close(parent)


_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_directory(path: str) -> int:
    """Open a directory by its real path; none of the components may be a link by now."""
    descriptor = os.open("/", _DIRECTORY)
    for part in path.split("/"):
        if part:
            try:
                inner = os.open(part, _DIRECTORY, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = inner
    return descriptor


class Quarantine:
    """Where things go that a command made and must not have made."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._count = 0

    def take(self, path: str) -> str:
        """Move a path there; return where it is now, or nothing if that did not work."""
        try:
            parent = open_directory(os.path.dirname(path))
        except OSError:
            return ""
        name = os.path.basename(path)
        try:
            target = self._target(name)
            try:
                os.rename(name, target, src_dir_fd=parent)
            except OSError:
                return self._copied(name, parent, target)
            return target
        except OSError:
            return ""
        finally:
            os.close(parent)

    def _target(self, name: str) -> str:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        while True:
            self._count += 1
            folder = self._place / f"{stamp}-{os.getpid()}-{self._count}"
            try:
                folder.mkdir(mode=0o700, parents=True)
            except FileExistsError:
                continue
            return str(folder / name)

    def _copied(self, name: str, parent: int, target: str) -> str:
        """Copy to another file system and remove; what is no file, link or directory is dropped."""
        source = f"/proc/self/fd/{parent}/{name}"
        mode = os.lstat(source).st_mode
        if stat.S_ISDIR(mode):
            with contextlib.suppress(OSError, shutil.Error):
                shutil.copytree(source, target, symlinks=True, ignore=_unusual)
            shutil.rmtree(name, dir_fd=parent)
        else:
            if stat.S_ISLNK(mode) or (
                stat.S_ISREG(mode) and os.lstat(source).st_size < _SKIPPED_BYTES
            ):
                with contextlib.suppress(OSError):
                    shutil.copy2(source, target, follow_symlinks=False)
            os.unlink(name, dir_fd=parent)
        return target


def _unusual(directory: str, names: list[str]) -> list[str]:
    out = []
    for name in names:
        found = os.lstat(os.path.join(directory, name))
        is_plain = stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode)
        if not is_plain and not (stat.S_ISREG(found.st_mode) and found.st_size < _SKIPPED_BYTES):
            out.append(name)
    return out
