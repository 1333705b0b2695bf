"""Making paths what a state says they were, exactly, and nothing else.

Each file is put in place whole: written beside its place, given its
permissions, then renamed. What can be seen to fail is looked for before
anything is touched.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path

from qcode import transaction
from qcode.checkpoints.states import DIRECTORY, Entry
from qcode.checkpoints.store import Store
from qcode.errors import QcodeError

TEMPORARY = transaction.TEMPORARY
"""Names of what is being written begin with this; such a file is no part of any state."""


def restore(
    root: Path,
    store: Store,
    wanted: Mapping[str, Entry | None],
    *,
    ignored: Callable[[Iterable[str]], Set[str]] | None = None,
) -> None:
    """Make each path that entry, or remove it (None).

    An entry that is not kept leaves its path as it is. Parents are made where
    they are missing; directories that lose their last file are removed, unless
    they are wanted as directories. Nothing is written or removed through a link
    in place of a directory.

    With `ignored` (`Files.ignored`), what would be removed is asked about when
    the `.gitignore` files are in place: what they ignore stays, since the state
    that lacks it could not have had it. So does a `.gitignore` where all that
    would be left beside it is ignored, as in the directory of a cache.

    Raises:
        QcodeError: nothing was touched, since an object is missing or something
            else stands in the way; or the system refused a change in between,
            then some paths are as wanted and the others as they were.
    """
    top = os.path.abspath(root)
    if ignored is not None and any(entry is None for entry in wanted.values()):
        _Restoring(top, store, wanted).check()
        rules = {path: entry for path, entry in wanted.items() if _name(path) == ".gitignore"}
        hiding = _hiding(top, wanted, ignored)
        rules = {path: entry for path, entry in rules.items() if path not in hiding}
        wanted = {path: entry for path, entry in wanted.items() if path not in hiding}
        _Restoring(top, store, rules).run()
        stays = ignored(path for path, entry in wanted.items() if entry is None)
        wanted = {path: entry for path, entry in wanted.items() if path not in stays}
    _Restoring(top, store, wanted).run()


def in_the_way(root: Path, store: Store, wanted: Mapping[str, Entry | None]) -> set[str]:
    """Return the paths at which `restore` would fail for what can be seen beforehand."""
    restoring = _Restoring(os.path.abspath(root), store, wanted)
    out = set()
    for path in restoring.wanted:
        try:
            restoring.check(path)
        except QcodeError:
            out.add(path)
    return out


def protected(root: Path, paths: Iterable[str]) -> dict[str, int]:
    """Return the permissions of the directories above paths that `restore` opens for a moment.

    A process killed in that moment leaves them open: `protect` closes them.
    """
    out = {}
    for directory in {parent for path in paths for parent in _parents(path)}:
        try:
            found = os.lstat(os.path.join(root, directory))
        except OSError:
            continue  # what cannot be looked at now is not opened without being noted either
        mode = stat.S_IMODE(found.st_mode)
        if stat.S_ISDIR(found.st_mode) and not _is_open(mode):
            out[directory] = mode
    return out


def protect(root: Path, permissions: Mapping[str, int]) -> None:
    """Give directories that are open for a moment their permissions again."""
    for directory in sorted(permissions, key=_depth, reverse=True):
        full, mode = os.path.join(root, directory), permissions[directory]
        try:
            found = os.lstat(full)
            if stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == mode | _OPEN:
                os.chmod(full, mode)
        except OSError:
            continue  # it is gone, or somebody else's by now


def sweep(folder: str) -> None:
    """Remove from a directory what a killed process was about to put in it."""
    transaction.sweep(Path(folder))
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if name.startswith(TEMPORARY):
            full = os.path.join(folder, name)
            for kind, remove in ((stat.S_ISLNK, os.unlink), (stat.S_ISDIR, os.rmdir)):
                try:
                    if kind(os.lstat(full).st_mode):
                        remove(full)
                except OSError:
                    continue  # it is gone, or was filled by somebody else


class _Restoring:
    def __init__(self, root: str, store: Store, wanted: Mapping[str, Entry | None]) -> None:
        self.root = root
        self.store = store
        self.wanted = {
            path: entry for path, entry in wanted.items() if entry is None or entry.is_kept
        }
        self.opened: dict[str, int] = {}
        """Directories that were made writable for the time being, and their permissions."""
        self.emptied: set[str] = set()
        self.needed = {
            parent
            for path, entry in self.wanted.items()
            if entry is not None
            for parent in _parents(path)
        }

    def check(self, *paths: str) -> None:
        """Look for what can be seen to fail, at these paths or at all.

        Raises:
            QcodeError: there is something.
        """
        path = ""
        try:
            for path in paths or self.wanted:
                self._check(path, self.wanted[path])
        except OSError as error:
            raise QcodeError(
                f"`{path}` cannot be looked at: {error.strerror or error}",
                hint="nothing was changed",
            ) from error
        finally:
            self._end()

    def run(self) -> None:
        """Change what there is to be changed.

        Raises:
            QcodeError: something is in the way, or the system refuses.
        """
        self.check()
        path = ""
        try:
            # What is deep first: a directory has to be empty before it goes.
            for path in sorted(self.wanted, key=_depth, reverse=True):
                self._clear(path)
            for path in sorted(self.emptied, key=_depth, reverse=True):
                self._remove_directory(path)
            for path in sorted(self.wanted, key=_depth):
                self._make(path)
            for path in sorted(self.wanted, key=_depth, reverse=True):
                self._set_permissions(path)
        except OSError as error:
            raise QcodeError(
                f"`{path}` could not be restored: {error.strerror or error}",
                hint="some files may be restored already",
            ) from error
        finally:
            self._end()

    def _end(self) -> None:
        """Give back the permissions that directories had.

        Raises:
            QcodeError: one keeps those that it was given for the time being.
        """
        failed: tuple[str, OSError] | None = None
        for directory, mode in self.opened.items():
            try:
                os.chmod(directory, mode)
            except FileNotFoundError:
                continue
            except OSError as error:
                failed = failed or (directory, error)
        self.opened.clear()
        if failed is not None:
            directory, why = failed
            raise QcodeError(
                f"`{directory}` cannot get its permissions back: {why.strerror}"
            ) from why

    # Before anything is touched.

    def _check(self, path: str, entry: Entry | None) -> None:
        parts = path.split("/")
        if path.startswith("/") or not {"", ".", "..", ".git"}.isdisjoint(parts):
            raise QcodeError(f"`{path}` is no path that a checkpoint can have")
        if entry is None:
            return
        if entry.oid and not self.store.has(entry.oid):
            raise QcodeError(
                f"what was in `{path}` is missing from `{self.store.git_dir}`",
                hint="nothing was changed",
            )
        self._check_parents(path)
        if not entry.is_directory:
            self._check_inside(path)

    def _check_parents(self, path: str) -> None:
        """Refuse a path that leads through a link or a file which is to stay."""
        for parent in _parents(path):
            found = self._lstat(parent)
            if found is None:
                return
            if stat.S_ISDIR(found.st_mode):
                continue
            if parent in self.wanted:
                then = self.wanted[parent]
                if then is None or then.is_directory:
                    return  # it goes, and what is below it is made anew
            kind = "a link" if stat.S_ISLNK(found.st_mode) else "no directory"
            raise QcodeError(
                f"`{path}` cannot be restored: `{parent}` is {kind}",
                hint="nothing was changed; remove it first",
            )

    def _check_inside(self, path: str) -> None:
        """Refuse a file in whose place a directory has something that is to stay."""
        found = self._lstat(path)
        if found is None or not stat.S_ISDIR(found.st_mode) or not self._is_real(path):
            return
        waiting = [path]
        while waiting:
            directory = waiting.pop()
            with os.scandir(self._full(directory)) as found_inside:
                entries = list(found_inside)
            for entry in entries:
                inner = f"{directory}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(inner)
                elif self.wanted.get(inner, self) is not None:
                    raise QcodeError(
                        f"`{path}` cannot be restored: it is a directory now, with `{inner}`",
                        hint="nothing was changed; move that away first",
                    )
            self.emptied.add(directory)

    # The steps.

    def _clear(self, path: str) -> None:
        """Remove what is at a path, unless a file there is replaced as it is, or it is right."""
        entry, found = self.wanted[path], self._lstat(path)
        if found is None:
            if entry is None:  # a killed process may have come as far as that
                self.emptied.update(_parents(path))
            return
        if not self._is_real(path):
            return
        if stat.S_ISDIR(found.st_mode):
            if entry is None:
                self.emptied.update((path, *_parents(path)))
            return  # what is wanted in its place comes when it is empty
        if entry is None or entry.is_directory:
            self._open_parent(path)
            os.unlink(self._full(path))
            self.emptied.update(_parents(path))

    def _remove_directory(self, path: str) -> None:
        """Remove a directory if nothing is in it, and it is not wanted."""
        entry = self.wanted.get(path)
        if path in self.needed or (entry is not None and entry.is_directory):
            return
        if not self._is_real(path):
            return
        self._open_parent(path)
        try:
            os.rmdir(self._full(path))
        except FileNotFoundError:
            return
        except OSError:
            if entry is not None:
                raise  # its place is needed
            return  # something is left in it
        self.opened.pop(self._full(path), None)

    def _make(self, path: str) -> None:
        entry = self.wanted[path]
        if entry is None:
            return
        for parent in _parents(path):
            self._make_directory(parent)
        if entry.is_directory:
            self._make_directory(path)
            return
        self._open_parent(path)
        full = self._full(path)
        data = self.store.get(entry.oid)
        if entry.is_link:
            _put(full, lambda fresh: os.symlink(os.fsdecode(data), fresh))
        elif _holds(full, data):
            os.chmod(full, stat.S_IMODE(entry.mode))
        else:
            permissions = stat.S_IMODE(entry.mode)
            _put(full, lambda fresh: _write(fresh, data, permissions))

    def _make_directory(self, path: str) -> None:
        found = self._lstat(path)
        if found is None:
            self._open_parent(path)
            entry = self.wanted.get(path)
            is_wanted = entry is not None and entry.is_directory
            mode = stat.S_IMODE(entry.mode if entry is not None and is_wanted else DIRECTORY)
            _put(self._full(path), lambda fresh: _make_open(fresh, mode))
        elif not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(20, "a directory was replaced meanwhile")

    def _set_permissions(self, path: str) -> None:
        """Give a directory its permissions, at last: they may forbid to write in it."""
        entry, found = self.wanted[path], self._lstat(path)
        if found is None or not stat.S_ISDIR(found.st_mode) or not self._is_real(path):
            return
        if entry is not None and not entry.is_directory:
            return
        mode = stat.S_IMODE(DIRECTORY if entry is None else entry.mode)
        self.opened.pop(self._full(path), None)
        if stat.S_IMODE(found.st_mode) != mode:
            os.chmod(self._full(path), mode)

    # The parts.

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}"

    def _lstat(self, path: str) -> os.stat_result | None:
        full = self._full(path)
        try:
            try:
                return os.lstat(full)
            except PermissionError:
                for parent in _parents(path):
                    self._open(self._full(parent))
                return os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:  # through a link to itself
                return None
            raise

    def _is_real(self, path: str) -> bool:
        """Return whether all parents are directories, and none is a link."""
        for parent in _parents(path):
            found = self._lstat(parent)
            if found is None or not stat.S_ISDIR(found.st_mode):
                return False
        return True

    def _open_parent(self, path: str) -> None:
        """See to it that entries of the parent can be made and removed.

        Raises:
            NotADirectoryError: a link was put in place of a directory meanwhile.
        """
        if not self._is_real(path):
            raise NotADirectoryError(20, "a directory was replaced meanwhile")
        self._open(os.path.dirname(self._full(path)))

    def _open(self, directory: str) -> None:
        found = os.lstat(directory)
        mode = stat.S_IMODE(found.st_mode)
        if stat.S_ISDIR(found.st_mode) and not _is_open(mode):
            os.chmod(directory, mode | _OPEN)
            self.opened.setdefault(directory, mode)


_OPEN = 0o700
"""What a directory has to permit its owner for entries of it to be made and removed."""


def _is_open(mode: int) -> bool:
    return mode & _OPEN == _OPEN


def _hiding(
    root: str,
    wanted: Mapping[str, Entry | None],
    ignored: Callable[[Iterable[str]], Set[str]],
) -> set[str]:
    """Return the `.gitignore` files that are to go, but hide all that would be left beside them."""
    left: dict[str, list[str]] = {}
    for path, entry in wanted.items():
        if entry is None and _name(path) == ".gitignore":
            base = path.removesuffix(".gitignore")
            try:
                rules = Path(root, path)
                if not rules.is_file() or b"*" not in rules.read_bytes().split():
                    continue
                beside = [base + name for name in os.listdir(os.path.join(root, base))]
            except OSError:
                continue
            left[path] = [other for other in beside if wanted.get(other, path) is not None]
    hidden = ignored(other for beside in left.values() for other in beside) if left else set()
    return {path for path, beside in left.items() if beside and hidden >= set(beside)}


def _put(path: str, make: Callable[[str], int | None]) -> None:
    """Make something beside its place and rename it to there.

    `make` may return an open file, which is closed when that is done: it is
    locked, so that nobody takes it for one left by a killed process.
    """
    fresh = os.path.join(os.path.dirname(path), TEMPORARY + secrets.token_hex(6))
    fd = None
    try:
        fd = make(fresh)
        os.replace(fresh, path)
    except BaseException:
        for remove in (os.unlink, os.rmdir):
            try:
                remove(fresh)
            except OSError:
                pass
        raise
    finally:
        if fd is not None:
            os.close(fd)


def _make_open(path: str, permissions: int) -> None:
    """Make a directory with these permissions, and those that it takes to fill it."""
    os.mkdir(path, 0o700)
    os.chmod(path, permissions | _OPEN)  # whatever the umask is


def _write(path: str, data: bytes, permissions: int) -> int:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass  # where there are no locks, nothing is swept either
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fchmod(fd, permissions)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _holds(path: str, data: bytes) -> bool:
    """Return whether an ordinary file has that content already."""
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size != len(data):
            return False
        with open(path, "rb") as file:
            return file.read() == data
    except OSError:
        return False


def _parents(path: str) -> Iterable[str]:
    """Yield the directories that a path leads through, the outermost first."""
    end = path.find("/")
    while end > 0:
        yield path[:end]
        end = path.find("/", end + 1)


def _depth(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _name(path: str) -> str:
    return path.rpartition("/")[2]
