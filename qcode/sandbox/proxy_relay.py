"""Bytes between two sockets, with limits on time and size."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress

_PIECE = 64 * 1024
_PARTING_S = 10.0


class Slow(Exception):
    """Something was not said in time."""


class Long(Slow):
    """It goes on for too long."""


class Ended(Exception):
    """The other side has gone, or is not to be served any longer."""


def until(client: socket.socket, mark: bytes, most: int, deadline: float) -> tuple[bytes, bytes]:
    """Read from a socket that does not block up to a mark, or once with an empty one.

    Returns:
        What there was up to and with the mark, and what came after it.

    Raises:
        Slow: the mark did not come in time.
        Long: it did not come within the first `most` bytes.
        Ended: the client has gone.
    """
    data = b""
    waiting = select.poll()
    waiting.register(client, select.POLLIN)
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            raise Slow
        try:
            piece = client.recv(_PIECE)
        except BlockingIOError:
            continue
        if not piece:
            raise Ended
        searched = max(0, len(data) - len(mark))
        data += piece
        if not mark:
            return b"", data
        end = data.find(mark, searched)
        if end >= 0 and end <= most:
            return data[: end + len(mark)], data[end + len(mark) :]
        if len(data) > most:
            raise Long


class Passed:
    """How many bytes went each way; counted as they pass, however it ends."""

    up = 0
    down = 0


class _Way:
    """One direction."""

    def __init__(self, source: socket.socket, sink: socket.socket, waiting: bytes = b"") -> None:
        self.source = source
        self.sink = sink
        self.waiting = memoryview(waiting)
        self.is_open = True
        """Whether more may come from the source."""
        self.is_over = False
        self.passed = len(waiting)
        self.left: int | None = None
        """How much more is handed on; None for no limit."""

    def read(self) -> None:
        try:
            piece = self.source.recv(_PIECE if self.left is None else min(_PIECE, self.left))
        except BlockingIOError:
            return
        self.waiting = memoryview(piece)
        self.passed += len(piece)
        if self.left is not None:
            self.left -= len(piece)
        self.is_open = bool(piece) and self.left != 0

    def write(self) -> None:
        with suppress(BlockingIOError):
            self.waiting = self.waiting[self.sink.send(self.waiting) :]


def relay(
    client: socket.socket,
    upstream: socket.socket,
    first: bytes,
    *,
    body: int | None,
    idle_s: float,
    until: float,
    most: int,
    passed: Passed,
) -> None:
    """Hand on bytes both ways until both ends are closed, or a limit is reached.

    Args:
        client: A socket that does not block.
        upstream: Another one.
        first: What to send upstream before anything else.
        body: How much of what the client sends is handed on, then no more; all if None.
        idle_s: For how long nothing may happen.
        until: When it ends, by the monotonic clock.
        most: How many bytes may go in each direction.
        passed: Is told how many went.

    Raises:
        OSError: one of the ends broke.
    """
    up = _Way(client, upstream, first)
    down = _Way(upstream, client)
    up.left, up.is_open = body, body != 0
    gone = False
    try:
        while up.passed <= most and down.passed <= most:
            events = {client: 0}
            for way in (up, down):
                if way.waiting:
                    events[way.sink] = events.get(way.sink, 0) | select.POLLOUT
                elif way.is_open:
                    events[way.source] = events.get(way.source, 0) | select.POLLIN
                elif not way.is_over:
                    way.is_over = True
                    # A server may take the end of a plain request's body for the end of it all.
                    if way is down or body is None:
                        way.sink.shutdown(socket.SHUT_WR)
            if down.is_over:
                return
            if up.is_over and body is not None and not gone:
                events[client] |= select.POLLIN
            waiting = select.poll()
            for connection, wanted in events.items():
                waiting.register(connection, wanted)
            left = min(idle_s, until - time.monotonic())
            ready = dict(waiting.poll(left * 1000)) if left > 0 else {}
            seen = ready.get(client.fileno(), 0)
            if not ready or seen & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                return
            if up.is_over and seen & select.POLLIN:
                # Nothing more is handed on. Whoever says more, or hangs up, waits for no answer
                # to come late; but one that only closed its own direction still gets one.
                with suppress(BlockingIOError):
                    gone = not client.recv(_PIECE)
                idle_s = min(idle_s, _PARTING_S)
            for way in (up, down):
                if way.waiting:
                    if ready.get(way.sink.fileno(), 0):
                        way.write()
                elif way.is_open and ready.get(way.source.fileno(), 0):
                    way.read()
    finally:
        passed.up, passed.down = up.passed, down.passed
