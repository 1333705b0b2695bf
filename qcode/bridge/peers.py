"""Who is at the other end of a local socket."""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

_SO_PEERCRED = 17
_LOCAL_PEERCRED = 1
_DEEPEST = 64


def refusal(peer: socket.socket) -> str:
    """Return why who connected is not to be heard; nothing if it is.

    It has to be the same person's process, and none that this one started: what a model runs
    shall not speak for the person.
    """
    user, pid = credentials(peer)
    if user is not None and user != os.getuid():
        return "another user's process"
    if pid is not None and _is_below(pid, os.getpid()):
        return "a process that this session started"
    return ""


def credentials(peer: socket.socket) -> tuple[int | None, int | None]:
    """Return user and process at the other end, as far as the system tells."""
    try:
        if sys.platform == "linux":
            data = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERCRED, struct.calcsize("3i"))
            pid, user, _group = struct.unpack("3i", data)
            return user, pid
        if sys.platform == "darwin":
            data = peer.getsockopt(0, _LOCAL_PEERCRED, 76)
            return struct.unpack_from("2I", data)[1], None
    except (OSError, struct.error):
        return -1, None  # nobody's: it is not heard
    return None, None  # the folder's permissions are all there is


def _is_below(pid: int, top: int) -> bool:
    for _ in range(_DEEPEST):
        if pid == top:
            return True
        if pid <= 1:
            return False
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        pid = int(stat.rpartition(")")[2].split()[1])
    return False
