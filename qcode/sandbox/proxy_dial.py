"""How the proxy finds and reaches a host from outside of the sandbox."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

Resolve = Callable[[str, int], Sequence[str]]
Dial = Callable[[str, int, float], socket.socket]


def look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host.

    Raises:
        OSError: it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def dial(address: str, port: int, timeout: float) -> socket.socket:
    """Connect to an address.

    Raises:
        OSError: it does not answer.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    upstream = socket.socket(family, socket.SOCK_STREAM)
    try:
        upstream.settimeout(timeout)
        upstream.connect((address, port))
    except OSError:
        upstream.close()
        raise
    return upstream


def is_own(address: str) -> bool:
    """Whether an address is one of this machine."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        # Some systems are told to let any address be bound to: they cannot tell in this way.
        return not _binds_any(family)
    return False


def _binds_any(family: int) -> bool:
    """Whether even an address of nobody (kept for documentation) can be bound to."""
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind(("2001:db8::1" if family == socket.AF_INET6 else "203.0.113.1", 0))
        return True
    return False
