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
_makers: dict[str, Callable[[], Launcher]] = {}
"""By the folder in which it is used; empty: elsewhere."""
_launchers: dict[str, Launcher] = {}
_here: ContextVar[Launcher | None] = ContextVar("launcher of qcode's own programs", default=None)


def use(make: Callable[[], Launcher], *, root: Path | None = None, elsewhere: bool = True) -> None:
    """Have the launcher for qcode's own programs made that way, when the first one is run.

    With a `root` it is also the one for programs run in there, whatever is used elsewhere
    later: one process may hold sessions in several places. `elsewhere`: it is also the one for
    all other places, from now on.
    """
    with _lock:
        keys = [*([""] if elsewhere or root is None else []), *([str(root)] if root else [])]
        for key in keys:
            _makers[key] = make
            _launchers.pop(key, None)


def bind(launcher: Launcher) -> None:
    """Have qcode's own programs started by that one in this context, and tasks begun from it.

    Where several sessions are held in one process, each has its own; it is closed by them.
    """
    _here.set(launcher)


def launcher(cwd: Path | str = "") -> Launcher:
    """Return what starts qcode's own programs in a folder; unconfined where nobody said how."""
    with _lock:
        place = str(cwd)
        inside = [key for key in _makers if place == key or place.startswith(f"{key}/")]
        key = max(inside, key=len, default="")
        if not key and (bound := _here.get()) is not None:
            return bound
        if key not in _launchers:
            if not _launchers:
                atexit.register(close)
            make = _makers.get(key)
            if make is None:
                from qcode.sandbox.plain import Plain

                _launchers[key] = Plain()
            else:
                _launchers[key] = make()
        return _launchers[key]


def close() -> None:
    """Give up what is held; it is made anew when the next program is run."""
    with _lock:
        present = [*_launchers.values()]
        _launchers.clear()
    atexit.unregister(close)
    for each in present:
        each.close()


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
    return launcher(cwd).start(
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
