"""Where sessions listen, and how editors find the one of a workspace.

Each has a small JSON file in a folder that nobody else may enter: who it is, where it works,
its socket, and the token to begin with.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qcode.bridge.protocol import VERSION
from qcode.errors import QcodeError
from qcode.files_safe import read_small
from qcode.record import Record

SOCKET_BYTES = 100
"""Of a socket's path; macOS takes 103, Linux 107."""


class Listening(Record):
    """A session that can be reached."""

    session: str
    pid: int
    cwd: str
    socket: str
    token: str
    started: float
    """Seconds since the epoch."""
    key: str = ""
    """What an editor that started it had put into `QCODE_BRIDGE_KEY`."""


def private(folder: Path) -> Path:
    """Make a folder that is ours alone, and return it.

    Raises:
        QcodeError: it cannot be, or somebody else can get at it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise QcodeError(f"cannot make `{folder}`: {error.strerror}") from error
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not is_ours or found.st_mode & 0o077:
        raise QcodeError(f"`{folder}` is not yours alone", hint=f"chmod 700 {folder}")
    return folder


def socket_in(folder: Path) -> Path:
    """Return where a socket can be made: in the folder, or in a new one where that is too long."""
    path = folder / f"{os.getpid()}.sock"
    if len(os.fsencode(path)) <= SOCKET_BYTES:
        return path
    return Path(tempfile.mkdtemp(prefix="qcode-", dir="/tmp")) / "bridge.sock"


def announce(folder: Path, listening: Listening) -> Path:
    """Write a session's file, whole or not at all; return its path."""
    path = folder / f"{listening.pid}.json"
    said = {"version": VERSION, **{name: getattr(listening, name) for name in _FIELDS}}
    made = folder / f".{listening.pid}.tmp"
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(said, file)
    made.replace(path)
    return path


def listening(folder: Path) -> Iterator[Listening]:
    """Yield the sessions that are there, the newest first; what others left is taken away."""
    found = []
    try:
        private(folder)
        files = sorted(folder.glob("*.json"))
    except (OSError, QcodeError):
        return
    for file in files:
        one = _read(file)
        if one is None:
            continue
        if _is_alive(one.pid):
            found.append(one)
        else:
            withdraw(file, one.socket)
    yield from sorted(found, key=lambda one: -one.started)


def of_place(every: list[Listening], place: Path) -> Listening | None:
    """Return the session that works on a directory or a file, the nearest and newest; or None."""
    real = os.path.realpath(place)
    fitting = [one for one in every if real == one.cwd or real.startswith(_top(one.cwd))]
    return max(fitting, key=lambda one: (len(one.cwd), one.started), default=None)


def withdraw(file: Path, socket: str) -> None:
    """Take away what a session left."""
    for path in (file, Path(socket)):
        try:
            path.unlink(missing_ok=True)
        except OSError:
            pass
    if Path(socket).parent != file.parent:
        try:
            Path(socket).parent.rmdir()
        except OSError:
            pass


_FIELDS = ("session", "pid", "cwd", "socket", "token", "started", "key")


def _read(file: Path) -> Listening | None:
    try:
        value: Any = json.loads(read_small(file))
        one = Listening(**{name: value[name] for name in _FIELDS})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    texts = (one.session, one.cwd, one.socket, one.token, one.key)
    is_sound = all(isinstance(text, str) for text in texts) and isinstance(one.pid, int)
    return one if is_sound and isinstance(one.started, int | float) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return pid > 0


def _top(folder: str) -> str:
    return folder if folder.endswith("/") else f"{folder}/"
