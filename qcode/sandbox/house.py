"""Running qcode's own git: confined like everything else, whoever asks for it.

A repository can have git run programs, by filters, hooks, a file system monitor and
more with each version. What asks git (checkpoints, commits, a status) turns off what
it knows of; what it does not know of finds itself in the sandbox.
"""

from __future__ import annotations

import atexit
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path

from qcode.sandbox.child import Child, Done
from qcode.sandbox.communicate import communicate
from qcode.sandbox.launching import Launcher, Purpose
from qcode.sandbox.policy import Grant

_lock = threading.Lock()
_launcher: Launcher | None = None
_make: Callable[[], Launcher] | None = None
_here: ContextVar[Launcher | None] = ContextVar("launcher of qcode's own programs", default=None)


def use(make: Callable[[], Launcher]) -> None:
    """Have the launcher for qcode's own programs made that way, when the first one is run."""
    global _launcher, _make
    with _lock:
        _launcher, _make = None, make


def bind(launcher: Launcher) -> None:
    """Have qcode's own programs started by that one in this context, and tasks begun from it.

    Where several sessions are held in one process, each has its own; it is closed by them.
    """
    _here.set(launcher)


def launcher() -> Launcher:
    """Return what starts qcode's own programs; unconfined where nobody said how."""
    global _launcher
    if (bound := _here.get()) is not None:
        return bound
    with _lock:
        if _launcher is None:
            atexit.register(close)
            if _make is None:
                from qcode.sandbox.plain import Plain

                _launcher = Plain()
            else:
                _launcher = _make()
        return _launcher


def close() -> None:
    """Give up what is held; it is made anew when the next program is run."""
    global _launcher
    with _lock:
        present, _launcher = _launcher, None
    atexit.unregister(close)
    if present is not None:
        present.close()


def start(
    argv: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str],
    writes: Sequence[str] = (),
    is_ours: bool = False,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.DEVNULL,
) -> Child:
    """Start a program of qcode's own; it may write to `writes` alone, and reach nothing.

    With `is_ours` it works on a repository that qcode made for itself, hidden from all else:
    nobody has configured that, so it need not be confined.

    Raises:
        OSError: it cannot be started.
    """
    if is_ours:
        from qcode.sandbox import plain

        return plain.start(argv, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
    return launcher().start(
        argv,
        cwd=cwd,
        env=env,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        purpose=Purpose.LOOK,
        grant=Grant(read=tuple(writes), write=tuple(writes)) if writes else None,
    )


def run(
    argv: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str],
    writes: Sequence[str] = (),
    is_ours: bool = False,
    input: bytes = b"",
    timeout_s: float,
) -> Done:
    """Run a program of qcode's own to its end, whatever its exit code.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it took longer, and was ended.
    """
    pipe = subprocess.PIPE
    given = pipe if input else subprocess.DEVNULL
    child = start(
        argv,
        cwd=cwd,
        env=env,
        writes=writes,
        is_ours=is_ours,
        stdin=given,
        stdout=pipe,
        stderr=pipe,
    )
    return communicate(child, argv, input, timeout_s)
