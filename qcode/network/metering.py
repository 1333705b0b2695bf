"""Bytes as the system counted them for a socket, for what nobody else counts.

Linux tells them by TCP_INFO (`struct tcp_info` in its header `linux/tcp.h`): what went over
the wire, TLS included, without headers of TCP and without what was sent twice. Elsewhere such
bytes stay unknown.
"""

from __future__ import annotations

import contextlib
import struct
import sys
import threading
from typing import Any
from weakref import ref

from qcode.network import ledger, names, purpose

_ACKED, _RECEIVED, _SENT, _RETRANSMITTED = 120, 128, 200, 208
"""Offsets of 64 bit counters; the first two are there since Linux 4.1, the others since 4.19."""
_SIZE = 232


class _Metered:
    """A socket that is watched, and how far it was written down."""

    def __init__(self, sock: Any, host: str, port: int, meter: str) -> None:
        self.socket = ref(sock)
        self.host = host
        self.port = port
        self.meter = meter
        self.seen = self.written = (0, 0)


_lock = threading.Lock()
_sockets: list[_Metered] = []


def heard(sock: Any, address: str, port: int) -> None:
    """Take note of a connection that is about to be made."""
    host = names.name_of(address)
    what = purpose.of(host)
    ledger.heard(host, port, what.name)
    if what.meter:
        # A socket of the C module alone cannot be held without keeping it open.
        with _lock, contextlib.suppress(TypeError):
            _sockets.append(_Metered(sock, host, port, what.meter))


def look() -> None:
    """Read the counters; often enough, as a socket that was closed tells nothing any more."""
    with _lock:
        metered = list(_sockets)
    for one in metered:
        sock = one.socket()
        counted = _counted(sock) if sock is not None else None
        if counted is not None:
            one.seen = counted


def write(meter: str, what: str) -> None:
    """Write down for a purpose what passed over somebody's sockets since the last time."""
    look()
    with _lock:
        metered = [one for one in _sockets if one.meter == meter]
        gone = [one for one in _sockets if (s := one.socket()) is None or s.fileno() < 0]
        _sockets[:] = [one for one in _sockets if one not in gone]
    for one in metered:
        sent, received = (now - before for now, before in zip(one.seen, one.written, strict=True))
        if sent or received:
            one.written = one.seen
            with purpose.meant_for(what):
                ledger.add(one.host, one.port, what, sent=sent, received=received)


def _counted(sock: Any) -> tuple[int, int] | None:
    """Return the bytes that a socket has sent and received; None where that is not told."""
    if sys.platform != "linux":
        return None
    import socket

    try:
        data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
    except OSError:  # closed, or none of TCP
        return None
    if len(data) < _RECEIVED + 8:
        return None

    def at(offset: int) -> int:
        return int(struct.unpack_from("=Q", data, offset)[0])

    if len(data) < _RETRANSMITTED + 8:
        return at(_ACKED), at(_RECEIVED)
    return at(_SENT) - at(_RETRANSMITTED), at(_RECEIVED)
