"""Reading an HTTP/1.1 response, without any input or output of its own.

Format: RFC 9112. Only what a client needs that sends no HEAD, no Upgrade and
no Accept-Encoding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_HEAD_BYTES = 64 << 10
MAX_LINE_BYTES = 4 << 10

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9]\d\d)(?: (.*))?")
_LINE_END = re.compile(rb"\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)


class MalformedError(Exception):
    """The bytes are not an HTTP/1.1 response."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of a response; header names are in lower case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    http_1_0: bool = False


class ResponseParser:
    """Takes a response's bytes, cut anywhere, and gives those of its body."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self.complete = False
        """Whether the body has ended as its framing says."""
        self._buffer = bytearray()
        self._scanned = 0
        self._chunked = False
        self._left: int | None = None
        """Bytes until the end of the body, or of the chunk; None: not known."""
        self._in_trailer = False

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another request now."""
        if self.head is None or not self.complete or self._buffer:
            return False
        wanted = self.head.headers.get("connection", "").lower()
        if "close" in wanted or (self.head.http_1_0 and "keep-alive" not in wanted):
            return False
        return self._chunked or self._left == 0

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return those of the body among them.

        Raises:
            MalformedError: this is no HTTP response.
        """
        self._buffer += data
        while self.head is None or self.head.status < 200:
            if not self._read_head():
                return b""
        if self.complete:
            return b""
        return self._read_chunks() if self._chunked else self._read_plain()

    def end(self) -> bool:
        """The connection has ended; return whether that is the end of the body."""
        if self.head is not None and not self._chunked and self._left is None:
            self.complete = self.head.status >= 200
        return self.complete

    def _read_head(self) -> bool:
        # Three bytes back, because the end may have come in two pieces.
        found = _HEAD_END.search(self._buffer, max(0, self._scanned - 3))
        if not found:
            self._scanned = len(self._buffer)
            if self._buffer[:5] != b"HTTP/"[: len(self._buffer)]:
                raise MalformedError("the reply does not begin with an HTTP status line")
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise MalformedError("the reply's headers do not end")
            return False
        text = self._buffer[: found.start()].decode("latin-1")
        del self._buffer[: found.end()]
        self._scanned = 0
        first, *rest = text.replace("\r\n", "\n").split("\n")
        status_line = _STATUS_LINE.fullmatch(first)
        if not status_line:
            raise MalformedError(f"the reply begins with {first[:60]!r}")
        headers: dict[str, str] = {}
        for line in rest:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        status = int(status_line[2])
        self.head = Head(status, status_line[3] or "", headers, status_line[1] == "0")
        if status == 101:
            raise MalformedError("the server changed the protocol unasked")
        if status >= 200:
            self._frame(self.head)
        return True

    def _frame(self, head: Head) -> None:
        """Set how the end of the body will be known (RFC 9112, section 6.3)."""
        encoding = head.headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", ""):
            raise MalformedError(f"the reply is in {encoding}, which was not asked for")
        if head.status in (204, 304):
            self._left, self.complete = 0, True
        elif head.headers.get("transfer-encoding", "").lower().endswith("chunked"):
            self._chunked = True
        elif "content-length" in head.headers:
            # Sent twice, equal values are joined by a comma.
            lengths = {v.strip() for v in head.headers["content-length"].split(",")}
            value = lengths.pop()
            if lengths or not (value.isascii() and value.isdigit()):
                raise MalformedError("the reply's Content-Length is not a number")
            self._left = int(value)
            self.complete = self._left == 0

    def _read_plain(self) -> bytes:
        if self._left is None or self._left >= len(self._buffer):
            out = bytes(self._buffer)
            self._buffer.clear()
        else:
            out = bytes(self._buffer[: self._left])
            del self._buffer[: self._left]
        if self._left is not None:
            self._left -= len(out)
            self.complete = self._left == 0
        return out

    def _read_chunks(self) -> bytes:
        buffer, out, at = self._buffer, bytearray(), 0
        while not self.complete:
            if self._left:
                piece = buffer[at : at + self._left]
                out += piece
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
            found = _LINE_END.search(buffer, at)
            if not found:
                if len(buffer) - at > MAX_LINE_BYTES:
                    raise MalformedError("a line between the reply's chunks does not end")
                break
            line = bytes(buffer[at : found.start()])
            at = found.end()
            self._between_chunks(line)
        del buffer[:at]
        return bytes(out)

    def _between_chunks(self, line: bytes) -> None:
        if self._in_trailer:
            self.complete = not line
        elif self._left == 0:
            if line:
                raise MalformedError("a chunk of the reply is longer than it says")
            self._left = None
        else:
            size = _CHUNK_SIZE.fullmatch(line)
            if not size:
                raise MalformedError("the reply's chunks are not framed as chunks")
            self._left = int(size[1], 16)
            if self._left == 0:
                self._in_trailer = True
