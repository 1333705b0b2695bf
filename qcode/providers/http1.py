"""Reading an HTTP/1.1 response, without any input or output of its own.

Format: RFC 9112. Only what a client needs that sends no HEAD, no Upgrade and
no Accept-Encoding.
"""

from __future__ import annotations

from collections.abc import Mapping

from qcode.record import Record

MAX_HEAD_BYTES = 64 << 10
MAX_LINE_BYTES = 4 << 10

_HEX = frozenset(b"0123456789abcdefABCDEF")


class MalformedError(Exception):
    """The bytes are not an HTTP/1.1 response."""


class Head(Record):
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
        """Take the next status line and headers; return False if they are not all here."""
        if self._buffer[:5] != b"HTTP/"[: len(self._buffer)]:
            raise MalformedError("the reply does not begin with an HTTP status line")
        end = self._head_end()
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise MalformedError("the reply's headers do not end")
            return False
        first, *rest = self._buffer[:end].decode("latin-1").splitlines()
        del self._buffer[:end]
        version, _, said = first.partition(" ")
        status, _, reason = said.partition(" ")
        if version not in ("HTTP/1.0", "HTTP/1.1") or len(status) != 3 or not status.isdecimal():
            raise MalformedError(f"the reply begins with {first[:60]!r}")
        headers: dict[str, str] = {}
        for line in rest:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            if name:
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self.head = Head(int(status), reason, headers, version == "HTTP/1.0")
        if self.head.status == 101:
            raise MalformedError("the server changed the protocol unasked")
        if self.head.status >= 200:
            self._frame(self.head)
        return True

    def _head_end(self) -> int:
        """Return where the blank line behind the headers ends, or -1."""
        # Some bytes back, because the end may have come in two pieces.
        start = max(0, self._scanned - 3)
        self._scanned = len(self._buffer)
        ends = [
            found + len(blank)
            for blank in (b"\n\r\n", b"\n\n")
            if (found := self._buffer.find(blank, start)) >= 0
        ]
        if ends:
            self._scanned = 0
        return min(ends, default=-1)

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
            end = buffer.find(b"\n", at)
            if end < 0:
                if len(buffer) - at > MAX_LINE_BYTES:
                    raise MalformedError("a line between the reply's chunks does not end")
                break
            self._between_chunks(bytes(buffer[at:end]).removesuffix(b"\r"))
            at = end + 1
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
            size = line.partition(b";")[0].strip()
            # int() alone would take signs and underscores, too.
            if not size or len(size) > 15 or not _HEX.issuperset(size):
                raise MalformedError("the reply's chunks are not framed as chunks")
            self._left = int(size, 16)
            if self._left == 0:
                self._in_trailer = True
