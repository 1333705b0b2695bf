"""Whose a worktree is: it goes when its run is over, also when that was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from qcode.errors import QcodeError

_LOCK = "owner.lock"
_REPOSITORY = "repository"


class Owned:
    """A folder for one worktree, locked while its run goes on."""

    def __init__(self, folder: Path, common_dir: Path, descriptor: int) -> None:
        self.folder = folder
        self._common_dir = common_dir
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path, common_dir: Path) -> Owned:
        """Make the folder; `common_dir` is the repository that is to forget the worktree.

        Raises:
            QcodeError: it is another run's, or cannot be made.
        """
        try:
            folder.mkdir(mode=0o700, parents=True)
            descriptor = os.open(
                folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / _REPOSITORY).write_bytes(os.fsencode(common_dir))
        except OSError as error:
            raise QcodeError(f"cannot make `{folder}`: {error.strerror}") from error
        return cls(folder, common_dir, descriptor)

    def remove(self) -> None:
        """Remove the worktree, and what its repository knows of it; idempotent."""
        _remove(self.folder, self._common_dir)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def sweep(folder: Path) -> None:
    """Remove the worktrees whose runs were killed; those in use stay."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        _sweep(folder / name)


def _sweep(folder: Path) -> None:
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return  # it is just being made or removed, or none of ours
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        common_dir = Path(os.fsdecode((folder / _REPOSITORY).read_bytes()))
    except OSError:
        return  # it is in use
    else:
        _remove(folder, common_dir)
    finally:
        os.close(descriptor)


def _remove(folder: Path, common_dir: Path) -> None:
    # The lock goes last: what is left by a kill in between is found by it again.
    for name in _listed(folder):
        if name not in (_LOCK, _REPOSITORY):
            _clear(folder / name)
    _forget(folder, common_dir / "worktrees")
    shutil.rmtree(folder, ignore_errors=True)


def _forget(folder: Path, entries: Path) -> None:
    """Remove what a repository knows of the worktrees that were in a folder, and of no others.

    `git worktree prune` does not do: it forgets the person's own whose disks are not there,
    and keeps one that a killed `git worktree add` left locked.
    """
    inside = os.path.realpath(folder)
    for name in _listed(entries):
        try:
            leads_to = os.fsdecode((entries / name / "gitdir").read_bytes()).rstrip("\n")
        except OSError:
            continue
        if os.path.realpath(os.path.dirname(os.path.dirname(leads_to))) == inside:
            _clear(entries / name)
    try:
        entries.rmdir()
    except OSError:
        pass  # there are others, or there were none


def _clear(path: Path) -> None:
    """Remove whatever it is; links are not followed, and directories without rights opened."""

    def open_up(function: Callable[..., object], name: str, _error: object) -> None:
        try:
            os.chmod(os.path.dirname(name), 0o700)
            os.chmod(name, 0o700)
            function(name)
        except OSError:
            return

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=open_up)
    else:
        path.unlink(missing_ok=True)


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
