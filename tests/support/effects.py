"""What this process does to the disk, effect by effect, so that a test can end it at any one.

`watch` wraps the system's functions in this process, for good: it is meant for
a child that was forked to be killed. A listener is asked at each moment: before
an effect, after it, and for a write also when half of its bytes are written.
"""

from __future__ import annotations

import builtins
import io
import os
import stat
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

_PATHS_FIRST = ("mkdir", "rmdir", "unlink", "remove", "chmod", "utime", "truncate", "setxattr")
_PATHS_BOTH = ("replace", "rename", "link", "symlink")
_DESCRIPTORS = ("fsync", "fdatasync", "fchmod", "fchown", "ftruncate")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_pid = os.getpid
_readlink = os.readlink
_write = os.write
_open = os.open
_close = os.close


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the process is."""

    when: str
    """`before`, `half` or `after`."""
    effect: str
    """The system's function."""
    path: str
    """What it is done to; of two paths the one that comes to be."""

    def __str__(self) -> str:
        return f"{self.when} {self.effect} {self.path}"


class Listener(Protocol):
    """Told of each moment; it may kill the process, or raise in place of the effect."""

    def __call__(self, moment: Moment, /) -> None: ...


def watch(listener: Listener) -> None:
    """Tell the listener of each moment from now on, one at a time."""
    lock = threading.RLock()
    telling = threading.local()

    def tell(when: str, effect: str, path: str) -> None:
        if getattr(telling, "now", False):
            return
        with lock:
            telling.now = True
            try:
                listener(Moment(when, effect, path))
            finally:
                telling.now = False

    def wrap(name: str, path_of: Callable[..., str]) -> None:
        real = getattr(os, name, None)
        if real is None:
            return

        def wrapped(*args: Any, **options: Any) -> Any:
            path = path_of(*args, **options)
            tell("before", name, path)
            result = real(*args, **options)
            tell("after", name, path)
            return result

        setattr(os, name, wrapped)

    def first(path: Any, *_: Any, dir_fd: int | None = None, **__: Any) -> str:
        return _of(path) if isinstance(path, int) else _at(path, dir_fd)

    def second(_source: Any, path: Any, *_: Any, **options: Any) -> str:
        return _at(path, options.get("dst_dir_fd", options.get("dir_fd")))

    for name in _PATHS_FIRST:
        wrap(name, first)
    for name in _PATHS_BOTH:
        wrap(name, second)
    for name in _DESCRIPTORS:
        wrap(name, first)
    _wrap_open(tell)
    _wrap_write(tell)
    _wrap_files()
    _wrap_processes(tell)


def _at(path: Any, folder: int | None) -> str:
    name = os.fsdecode(path)
    return name if folder is None else os.path.join(_of(folder), name)


def _of(descriptor: int) -> str:
    try:
        return _readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return f"fd {descriptor}"


def _wrap_open(tell: Callable[[str, str, str], None]) -> None:
    def opened(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if not flags & _WRITING:
            return _open(path, flags, *args, **options)
        name = _at(path, options.get("dir_fd"))
        tell("before", "open", name)
        descriptor = _open(path, flags, *args, **options)
        tell("after", "open", name)
        return descriptor

    os.open = opened


def _wrap_write(tell: Callable[[str, str, str], None]) -> None:
    def written(descriptor: int, data: Any, /) -> int:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return _write(descriptor, data)
        path = _of(descriptor)
        tell("before", "write", path)
        view = memoryview(data)
        half = len(view) // 2
        done = _write(descriptor, view[:half]) if half else 0
        tell("half", "write", path)
        done += _write(descriptor, view[done:])
        tell("after", "write", path)
        return done

    os.write = written


class _Raw(io.RawIOBase):
    """An open file whose bytes go through `os.write`, where they can be seen."""

    def __init__(self, path: Any, flags: int) -> None:
        self._descriptor = -1
        self._descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
        self.name = path

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Any, /) -> int:
        return os.write(self._descriptor, data)

    def close(self) -> None:
        if self._descriptor >= 0 and not self.closed:
            _close(self._descriptor)
        super().close()


_FLAGS = {
    "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "x": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
}


def _wrap_files() -> None:
    real = io.open

    def opened(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        plain = mode.replace("b", "").replace("t", "")
        if isinstance(file, int) or opener is not None or plain not in _FLAGS:
            return real(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = io.BufferedWriter(_Raw(file, _FLAGS[plain]))
        if "b" in mode:
            return raw
        return io.TextIOWrapper(raw, encoding or "utf-8", errors, newline)

    io.open = opened
    builtins.open = opened


def _wrap_processes(tell: Callable[[str, str, str], None]) -> None:
    real = subprocess.Popen._execute_child  # type: ignore[attr-defined]

    def started(self: Any, args: Any, *rest: Any) -> None:
        words = [args] if isinstance(args, str) else [os.fsdecode(word) for word in args]
        name = " ".join(word for word in words if word != "-c" and "=" not in word)
        tell("before", "start", name)
        real(self, args, *rest)
        tell("after", "start", name)

    subprocess.Popen._execute_child = started  # type: ignore[attr-defined]

    from qcode.sandbox.sandbox import Sandbox

    begin = Sandbox._start

    def confined(self: Any, tier: Any, argv: Any, *rest: Any) -> Any:
        """Tell of what is started by another process for this one."""
        words = [os.path.basename(argv[0]), *argv[1:]]
        name = " ".join(word for word in words if word != "-c" and "=" not in word)
        tell("before", "start", name)
        child = begin(self, tier, argv, *rest)
        tell("after", "start", name)
        return child

    Sandbox._start = confined  # type: ignore[method-assign, assignment]
