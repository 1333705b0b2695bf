"""Objects and refs of a git repository: those of the project, or of one of qcode's own.

Objects are written in this process, as loose ones, each whole or not at all.
Refs below `refs/qcode/` are set through git, since it alone knows how a
repository keeps them. Nothing else of a repository is ever written.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from qcode.checkpoints.packs import Packs
from qcode.checkpoints.plumbing import end, place, run, start
from qcode.checkpoints.refs import LooseRefs
from qcode.errors import QcodeError
from qcode.sandbox.child import Child, Done

REFS = "refs/qcode/"

_KINDS = frozenset({"blob", "tree", "commit", "tag"})
_SAMPLE = 65536
"""Bytes of a large object that are packed to see whether that gains anything."""

_STALE_S = 1.0
"""A ref's lock that is older is nobody's any more: git holds one for some milliseconds."""

_MANY = 200
"""Files that are rather written to disk with all else that waits for it than one by one."""

_numbers = count()


class Store:
    """One object database and the refs below `refs/qcode/` in it."""

    def __init__(self, git_dir: Path, *, is_private: bool, hash_name: str = "sha1") -> None:
        self.git_dir = git_dir
        """The repository's common directory."""
        self.is_private = is_private
        """Whether it is one of qcode's own, since the files are in no repository."""
        self.hash_name = hash_name
        self.objects = os.path.join(git_dir, "objects")
        self._new = getattr(hashlib, hash_name)
        self._oid_size: int = self._new().digest_size
        self._is_made = not is_private or os.path.isdir(self.objects)
        self._sources: list[tuple[str, Packs]] = []
        self._batch: Child | None = None
        self._lock = threading.RLock()
        self._unsynced: list[str] = []
        self._mode = -1
        """Permissions of the directory of objects, when they are known."""

    @classmethod
    def at(cls, root: Path, private: Path) -> Store:
        """Return the store for a directory: its repository's, or one at `private`.

        The latter is made when first written to.

        Raises:
            QcodeError: there is no git, or no such directory.
        """
        found = place(root)
        if found is None:
            return cls(private, is_private=True)
        return cls(Path(found.common_dir), is_private=False, hash_name=found.hash_name)

    # Objects.

    def oid(self, kind: str, data: bytes) -> str:
        """Return the name that an object has or would have."""
        digest = self._new(f"{kind} {len(data)}\0".encode())
        digest.update(data)
        return str(digest.hexdigest())

    def put(self, kind: str, data: bytes) -> str:
        """Keep an object and return its name; one that is there is not written again.

        Raises:
            QcodeError: it cannot be written.
        """
        assert kind in _KINDS
        oid = self.oid(kind, data)
        if not self.has(oid, freshen=True):
            self.add(oid, kind, data)
        return oid

    def add(self, oid: str, kind: str, data: bytes, *, is_secret: bool = False) -> None:
        """Keep an object of a known name that is not there.

        With `is_secret` its file is for the owner alone, unless the repository
        is shared; in a pack that git makes later it is as readable as all others.

        Raises:
            QcodeError: it cannot be written.
        """
        self.make()
        head = f"{kind} {len(data)}\0".encode()
        try:
            self._write(
                oid, zlib.compress(head + data, _level(data)), 0o400 if is_secret else 0o444
            )
        except OSError as error:
            raise _cannot_write(self.objects, error) from error

    def has(self, oid: str, *, freshen: bool = False) -> bool:
        """Return whether an object is there. None is ever fetched.

        With `freshen`, a loose one is made to look new, as git does it, so that
        none is collected between here and the ref that will keep it.
        """
        for objects, packs in self._all_sources():
            path = f"{objects}/{oid[:2]}/{oid[2:]}"
            try:
                if freshen:
                    os.utime(path)
            except OSError:
                pass  # somebody else's file, perhaps; whether it is there is seen next
            try:
                if os.stat(path).st_size:  # an empty one is left of a crash of the machine
                    return True
            except OSError:
                pass
            if bytes.fromhex(oid) in packs:
                return True
        return False

    def present(self, oids: Iterable[str]) -> set[str]:
        """Return those objects that are there: `has` for many at once."""
        wanted = set(oids)
        out: set[str] = set()
        for _objects, packs in self._all_sources():
            names = packs.among(bytes.fromhex(oid) for oid in wanted - out)
            out |= {name.hex() for name in names}
        return out | {oid for oid in wanted - out if self.has(oid)}

    def get(self, oid: str) -> bytes:
        """Return what an object holds.

        Raises:
            QcodeError: it is not there, or damaged.
        """
        for objects, _packs in self._all_sources():
            try:
                with open(f"{objects}/{oid[:2]}/{oid[2:]}", "rb") as file:
                    raw = file.read()
            except OSError:
                continue
            try:
                head, found, data = zlib.decompress(raw).partition(b"\0")
            except zlib.error:
                continue
            if found and head.rpartition(b" ")[2] == str(len(data)).encode():
                return data
        with self._lock:
            data_or_none = self._get_packed(oid) if self.has(oid) else None
        if data_or_none is None:
            raise QcodeError(f"object {oid} of a checkpoint is missing from `{self.git_dir}`")
        return data_or_none

    def sync(self) -> None:
        """Make what was put since the last time survive a crash of the machine, too.

        Raises:
            QcodeError: the disk does not take it.
        """
        with self._lock:
            paths, self._unsynced = self._unsynced, []
        try:
            if len(paths) <= _MANY or not _sync_all(self.objects):
                folders = {os.path.dirname(path) for path in paths}
                for path in (*paths, *folders, *({self.objects} if folders else ())):
                    _sync(path)
        except OSError as error:
            raise _cannot_write(self.objects, error) from error

    # Refs.

    def ref(self, name: str) -> str | None:
        """Return what a ref names, None if there is none of that name."""
        if not self._is_made:
            return None
        refs = LooseRefs(self.git_dir)
        try:
            if refs.are_files():
                return refs.value(name)
        except (OSError, ValueError):
            pass  # git says what is the matter
        return dict(self.refs(name)).get(name)

    def set_ref(self, name: str, new: str, old: str | None) -> bool:
        """Set a ref if it is still `old` (None: not there); "" as `new` deletes it.

        Returns whether it is set: otherwise someone was quicker.

        Raises:
            QcodeError: git cannot set it.
        """
        if not name.startswith(REFS):
            raise ValueError(f"{name} is not below {REFS}")
        self.make()
        if new:
            # By its file where that goes: a program started for each step would be felt.
            refs = LooseRefs(self.git_dir)
            try:
                if refs.are_files():
                    return refs.set(name, new, old)
            except (OSError, ValueError):
                pass  # git says what is the matter, or waits for its turn
        zeros = "0" * (2 * self._oid_size)
        change = ["-d", name, old or zeros] if not new else [name, new, old or zeros]
        for attempt in range(3):
            done = self.git("update-ref", "--no-deref", *change)
            if not done.returncode:
                return True
            if self.ref(name) != old:
                return False
            self._break_lock(name)
            if attempt == 2:
                raise QcodeError(f"git cannot set {name} in `{self.git_dir}`: {done.why}")
        return False

    def _break_lock(self, name: str) -> None:
        """Remove the lock of a ref that a killed git left; one in use is waited for.

        Nobody but qcode sets these refs, and `git pack-refs` holds such a lock for no time.
        """
        path = os.path.join(self.git_dir, f"{name}.lock")
        try:
            while time.time() - os.stat(path).st_mtime < _STALE_S:
                time.sleep(0.02)
            os.unlink(path)
        except OSError:
            return  # it is gone

    def refs(self, prefix: str) -> list[tuple[str, str]]:
        """Return the refs at or below a prefix in the order of their names: (name, object).

        Raises:
            QcodeError: git cannot read them.
        """
        if not self._is_made:
            return []
        done = self.git("for-each-ref", "--format=%(objectname) %(refname)", prefix.rstrip("/"))
        if done.returncode:
            raise QcodeError(f"git cannot list the refs in `{self.git_dir}`: {done.why}")
        rows = (os.fsdecode(row).partition(" ") for row in done.stdout.splitlines())
        return [(name, oid) for oid, _, name in rows]

    def make(self) -> None:
        """Make a private repository if it is not there yet, whole or not at all.

        Raises:
            QcodeError: it cannot be made.
        """
        if self._is_made:
            return
        # git does not go on with one that was begun when it was killed.
        fresh = self.git_dir.with_name(f"{self.git_dir.name}.new-{os.getpid():x}")
        options = ("--bare", "--quiet", "--template=", f"--object-format={self.hash_name}")
        try:
            self.git_dir.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)
            parent = self.git_dir.parent
            done = run(parent, "init", *options, str(fresh), writes=(str(parent),))
            if done.returncode:
                raise QcodeError(f"no checkpoint can be kept in `{self.git_dir}`: {done.why}")
            os.rename(fresh, self.git_dir)
        except OSError as error:
            if not os.path.isdir(self.objects):  # else another process was quicker
                raise QcodeError(
                    f"no checkpoint can be kept in `{self.git_dir}`: {error.strerror}"
                ) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        self._is_made = True

    def close(self) -> None:
        """Give up processes and files; they come back when needed."""
        with self._lock:
            self._end_batch()
            for _objects, packs in self._sources:
                packs.close()

    # The parts.

    def git(self, *arguments: str) -> Done:
        """Run git on the repository, whatever it is configured to do."""
        own = (str(self.git_dir),)
        return run(self.git_dir, f"--git-dir={self.git_dir}", *arguments, writes=own)

    def _all_sources(self) -> list[tuple[str, Packs]]:
        """Return the directories of objects: the store's own and those it borrows from."""
        if not self._sources:
            self._sources = [
                (directory, Packs(os.path.join(directory, "pack"), self._oid_size))
                for directory in _with_alternates(self.objects)
            ]
        return self._sources

    def _write(self, oid: str, packed: bytes, permissions: int) -> None:
        folder = f"{self.objects}/{oid[:2]}"
        path = f"{folder}/{oid[2:]}"
        # git's own name for what is being written: `git gc` removes those that a kill left.
        fresh = f"{folder}/tmp_obj_q{os.getpid():x}_{next(_numbers):x}"
        fd = self._create(fresh, permissions)
        try:
            try:
                view = memoryview(packed)
                while view:
                    view = view[os.write(fd, view) :]
            finally:
                os.close(fd)
            _publish(fresh, path)
        except BaseException:
            _remove(fresh)
            raise
        self._unsynced.append(path)

    def _create(self, path: str, permissions: int) -> int:
        """Make an empty file for an object, and its directory where that is missing."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        if self._mode < 0:
            self._mode = stat.S_IMODE(os.stat(self.objects).st_mode)
        is_shared = self._mode & 0o020  # then others have to be able to write there, too
        folder = os.path.dirname(path)
        for _ in range(3):  # `git gc` removes directories that are empty
            try:
                fd = os.open(path, flags, permissions)
            except FileNotFoundError:
                os.makedirs(folder, exist_ok=True)
                if is_shared:
                    os.chmod(folder, self._mode)
                continue
            if is_shared:
                os.fchmod(fd, 0o444 if self._mode & 0o004 else 0o440)
            return fd
        return os.open(path, flags, permissions)

    def _get_packed(self, oid: str) -> bytes | None:
        for _ in range(2):  # a process that was ended from outside is started again
            try:
                return self._ask_batch(oid)
            except (OSError, ValueError):
                self._end_batch()
        return None

    def _ask_batch(self, oid: str) -> bytes | None:
        if self._batch is None:
            options = (f"--git-dir={self.git_dir}", "cat-file", "--batch")
            self._batch = start(self.git_dir, *options, stdin=subprocess.PIPE)
        stdin, stdout = self._batch.stdin, self._batch.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{oid}\n".encode())
        stdin.flush()
        head = stdout.readline().split()
        if len(head) == 2:  # `<oid> missing`
            return None
        size = int(head[2]) if len(head) == 3 else -1
        data = stdout.read(size + 1) if size >= 0 else b""
        if len(data) != size + 1:
            raise ValueError("git has ended")
        return data[:-1]

    def _end_batch(self) -> None:
        process, self._batch = self._batch, None
        if process is not None:
            end(process)


def _cannot_write(objects: str, error: OSError) -> QcodeError:
    return QcodeError(
        f"a checkpoint could not be written to `{objects}`: {error.strerror}",
        hint="free some space or repair the permissions there",
    )


def _with_alternates(objects: str) -> Iterator[str]:
    """Yield a directory of objects and all that it borrows from."""
    waiting, seen = [objects], set()
    while waiting:
        directory = waiting.pop(0)
        if directory in seen:
            continue
        seen.add(directory)
        yield directory
        try:
            with open(os.path.join(directory, "info/alternates"), "rb") as file:
                lines = file.read().split(b"\n")
        except OSError:
            continue
        waiting += [
            os.path.normpath(os.path.join(directory, os.fsdecode(line)))
            for line in lines
            if line and not line.startswith(b"#")
        ]


def _level(data: bytes) -> int:
    """Return how hard to pack: hardly, and not at all what does not get smaller by it."""
    if len(data) > 4 * _SAMPLE:
        middle = len(data) // 2
        sample = data[middle : middle + _SAMPLE]
        if len(zlib.compress(sample, 1)) > 0.9 * len(sample):
            return 0
    return 1


def _publish(fresh: str, path: str) -> None:
    """Give a written file its name, unless it has content under that name already."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        if not os.stat(path).st_size:
            os.replace(fresh, path)
            return
    except OSError:  # no hard links here
        if not os.path.lexists(path):
            os.replace(fresh, path)
            return
    _remove(fresh)


def _sync(path: str) -> None:
    """Have a file or a directory written to disk, if it is there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return  # collected or packed by now
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_all(directory: str) -> bool:
    """Have all of a directory's file system written to disk; False: that cannot be asked for."""
    try:
        import ctypes

        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except (ImportError, OSError, AttributeError):
        return False  # another system than Linux
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not syncfs(fd):
            return True
        number = ctypes.get_errno()
        if number == errno.ENOSYS:
            return False
        raise OSError(number, os.strerror(number))
    finally:
        os.close(fd)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
