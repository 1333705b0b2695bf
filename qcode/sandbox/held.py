"""The process that holds a shared network: it makes sockets there and hands them out.

Runs in a fresh interpreter without site packages, so this imports next to nothing.
"""

from __future__ import annotations

import os
import socket

NAMESPACES = b"namespaces"
"""The request for descriptors of its user and network namespace; others are port numbers."""
LONGEST = 4096


def serve() -> None:
    """Hand out namespaces and listening sockets, until the other end of stdin is closed."""
    asked = socket.socket(fileno=os.dup(0))
    while request := asked.recv(LONGEST):
        try:
            descriptors = _namespaces() if request == NAMESPACES else _listening(int(request))
        except OSError as error:
            asked.send(str(error).encode())
            continue
        socket.send_fds(asked, [b"+"], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _namespaces() -> list[int]:
    return [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("user", "net")]


def _listening(port: int) -> list[int]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return [listener.detach()]
