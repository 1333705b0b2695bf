"""Setting a ref by its file, as git does it, and reading one: no program is started for it.

A ref is a file of its own with an object's name in it, or a line of `packed-refs`; the file
counts. Whoever sets it makes `<ref>.lock` first, which only one can, writes the new value
there and renames it. (git's documentation: "gitrepository-layout", "api-lockfile".)
Repositories that keep refs otherwise ("reftable") are left to git.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from qcode import beneath

_OID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\n?\Z")
_NAME = re.compile(r"refs/qcode(?:/(?!\.)(?!\S*\.\.)(?!\S*\.lock(?:/|\Z))[\w.-]+(?<!\.))+")
"""Names that need no further rule of git's."""
_LARGEST = 64 << 20
"""Bytes of a `packed-refs` that is read."""


class LooseRefs:
    """The refs of a repository, as files."""

    def __init__(self, git_dir: Path) -> None:
        self._git_dir = Path(os.path.realpath(git_dir))

    def are_files(self) -> bool:
        """Whether this repository keeps refs so."""
        return (self._git_dir / "refs").is_dir() and not (self._git_dir / "reftable").exists()

    def value(self, name: str) -> str | None:
        """Return what a ref names, None if there is none of that name.

        Raises:
            OSError: it cannot be read.
            ValueError: it is no ref that names an object, or none of qcode's.
        """
        path = self._path(name)
        try:
            folder = beneath.open_folder(path.parent)
        except FileNotFoundError:
            return packed(self._git_dir, name)
        try:
            return self._value(folder, path.name, name)
        finally:
            os.close(folder)

    def set(self, name: str, new: str, old: str | None) -> bool:
        """Set a ref if it is still `old` (None: not there); return whether it is set.

        Raises:
            OSError: its file cannot be written, or somebody else is at it just now.
            ValueError: it is no ref that names an object, or none of qcode's.
        """
        path = self._path(name)
        folder = beneath.make_folder(path.parent, [])
        try:
            return self._set(folder, path.name, name, new, old)
        finally:
            os.close(folder)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name} is no name of qcode's")
        return self._git_dir / name

    def _set(self, folder: int, leaf: str, name: str, new: str, old: str | None) -> bool:
        lock = f"{leaf}.lock"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        mode = 0o644 | (stat.S_IMODE(os.fstat(folder).st_mode) & 0o020)
        descriptor = os.open(lock, flags, mode, dir_fd=folder)
        try:
            try:
                if self._value(folder, leaf, name) != old:
                    os.unlink(lock, dir_fd=folder)
                    return False
                if mode & 0o020:
                    os.fchmod(descriptor, mode)  # shared with a group, whatever the umask says
                os.write(descriptor, f"{new}\n".encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(lock, leaf, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            _remove(lock, folder)
            raise
        return True

    def _value(self, folder: int, leaf: str, name: str) -> str | None:
        try:
            descriptor = os.open(leaf, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            return packed(self._git_dir, name)
        try:
            text = os.read(descriptor, 256)
        finally:
            os.close(descriptor)
        if not _OID.match(text):
            raise ValueError(f"{name} is not a plain ref")
        return text.decode().strip()


def packed(git_dir: Path, name: str) -> str | None:
    """Return what `packed-refs` says of a ref; None if it is not among them.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large to be read here.
    """
    path = git_dir / "packed-refs"
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("packed-refs is too large")
        data = b"\n" + path.read_bytes()
    except FileNotFoundError:
        return None
    at = data.find(b" " + os.fsencode(name) + b"\n")
    if at < 0:
        return None
    return data[data.rfind(b"\n", 0, at) + 1 : at].decode("ascii", "replace")


def _remove(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return  # it was renamed, or cannot be removed: it is found stale later
