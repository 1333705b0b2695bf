"""What clients say to the proxy: the head of a request, and the first message of TLS.

Read strictly: what two programs could understand in two ways is refused.
"""

from __future__ import annotations

import base64
import hmac
import re

from qcode.record import Record

TLS_PORT = 443
_LINE = re.compile(rb"([A-Z]{1,20}) ([!-~]+) HTTP/1\.[01]")
_TUNNEL = re.compile(r"(.*):([0-9]{1,5})")
_URL = re.compile(r"http://([^/?:]*)(?::([0-9]{1,5}))?([/?].*)?", re.IGNORECASE)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_ABOUT_THIS_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authorization te trailer upgrade host expect"
    b" http2-settings".split()
)


class Malformed(Exception):
    """It cannot be understood, or not in one way only."""

    def __init__(self, what: str, status: str = "400 Bad Request", host: str = "") -> None:
        super().__init__(what)
        self.status = status
        self.host = host
        """What stands where a host should be, if that is what is wrong."""


class Request(Record):
    """What a client wants of the proxy."""

    host: str
    """As it was spelled; not to be used before it was decided about."""
    port: int
    authorization: str
    """The value of Proxy-Authorization, empty if there is none."""
    head: bytes = b""
    """What to send to the host first, without line and Host; nothing for a tunnel."""
    method: str = "CONNECT"
    path: str = ""
    body: int = 0
    """How many bytes follow the head."""

    @property
    def is_tunnel(self) -> bool:
        """Whether bytes are to be handed on as they come."""
        return self.method == "CONNECT"


def read_head(head: bytes) -> Request:
    """Understand the head of a request, with the empty line at its end.

    Raises:
        Malformed: it is none.
    """
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    found = _LINE.fullmatch(first)
    if found is None:
        words = first.split(b" ")
        if words[0] == b"CONNECT" and len(words) > 1:  # to be named in the answer
            raise Malformed("it is no host", "403 Forbidden", words[1].decode("latin-1"))
        raise Malformed("this is no request to a proxy")
    method, target = found[1].decode(), found[2].decode()
    fields = [_field(line) for line in lines]
    authorization = [value for name, value in fields if name == b"proxy-authorization"]
    if len(authorization) > 1:
        raise Malformed("Proxy-Authorization is there twice")
    said = authorization[0].decode("latin-1") if authorization else ""
    if method == "CONNECT":
        parts = _TUNNEL.fullmatch(target)
        if parts is None:
            raise Malformed("CONNECT needs a host and a port")
        return Request(parts[1], int(parts[2]), said)
    url = _URL.fullmatch(target)
    if url is None:
        raise Malformed("only CONNECT and URLs that begin with http:// are understood here")
    path = url[3] or "/"
    return Request(
        host=url[1],
        port=int(url[2] or 80),
        authorization=said,
        head=b"".join(b"%s: %s\r\n" % field for field in fields if _is_handed_on(field, fields)),
        method=method,
        path=path if path.startswith("/") else "/" + path,
        body=_length(fields),
    )


def first_bytes(request: Request, host: str) -> bytes:
    """Return the head as it is sent to the host, which is named as it was decided about."""
    named = host if request.port == 80 else f"{host}:{request.port}"
    line = f"{request.method} {request.path} HTTP/1.1\r\nHost: {named}\r\n"
    return line.encode("ascii") + request.head + b"Connection: close\r\n\r\n"


def is_authorized(request: Request, user: str, password: str) -> bool:
    """Whether a request brings the proxy's own password."""
    scheme, _, said = request.authorization.partition(" ")
    expected = base64.b64encode(f"{user}:{password}".encode())
    return scheme.lower() == "basic" and hmac.compare_digest(
        said.strip().encode("latin-1"), expected
    )


def _field(line: bytes) -> tuple[bytes, bytes]:
    found = _FIELD.fullmatch(line)
    if found is None:
        raise Malformed("a header line is malformed")
    return found[1].lower(), found[2].strip(b" \t")


def _is_handed_on(field: tuple[bytes, bytes], fields: list[tuple[bytes, bytes]]) -> bool:
    listed = b",".join(value for name, value in fields if name == b"connection").lower()
    # What says where the body ends cannot be left out by a client's wish.
    if field[0] in (b"content-length", b"transfer-encoding"):
        return True
    return field[0] not in _ABOUT_THIS_HOP and field[0] not in map(bytes.strip, listed.split(b","))


def _length(fields: list[tuple[bytes, bytes]]) -> int:
    if any(name == b"transfer-encoding" for name, _ in fields):
        raise Malformed("a body needs a Content-Length here", "411 Length Required")
    lengths = [value for name, value in fields if name == b"content-length"]
    if not lengths:
        return 0
    if len(lengths) > 1 or not re.fullmatch(rb"[0-9]{1,15}", lengths[0]):
        raise Malformed("Content-Length is there twice, or no number")
    return int(lengths[0])


def hello_name(data: bytes) -> str | None:
    """Return which host the first message of TLS names: empty if none.

    Returns:
        None while more bytes are needed.

    Raises:
        Malformed: this is not the beginning of TLS, or it names hosts in an odd way.
    """
    message = b""
    at = 0
    while True:
        if data[at : at + 1] not in (b"", b"\x16") or data[at + 1 : at + 2] not in (b"", b"\x03"):
            raise Malformed("this is not TLS")
        if len(data) < at + 5:
            return None
        size = int.from_bytes(data[at + 3 : at + 5])
        if not 0 < size <= 1 << 14:
            raise Malformed("this is not TLS")
        message += data[at + 5 : at + 5 + size]
        at += 5 + size
        if message[:1] not in (b"", b"\x01"):
            raise Malformed("TLS begins with something else than a hello")
        if len(message) >= 4 and len(message) - 4 >= int.from_bytes(message[1:4]):
            return _named(_Bytes(message[4 : 4 + int.from_bytes(message[1:4])]))
        if len(data) < at:
            return None


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        if len(self.data) < count:
            raise Malformed("the hello of TLS ends too early")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def block(self, width: int) -> _Bytes:
        """Take as many bytes as a number of this width says."""
        return _Bytes(self.take(int.from_bytes(self.take(width))))


def _named(hello: _Bytes) -> str:
    hello.take(2 + 32)  # version, random
    for width in (1, 2, 1):  # session, ciphers, compression
        hello.block(width)
    names: list[bytes] = []
    if hello.data:
        extensions = hello.block(2)
        while extensions.data:
            kind = extensions.take(2)
            body = extensions.block(2)
            if kind == b"\0\0":
                listed = body.block(2)
                while listed.data:
                    what = listed.take(1)
                    name = listed.block(2).data
                    names.append(name if what == b"\0" else b"?")
    if len(names) > 1:
        raise Malformed("TLS names several hosts")
    return names[0].decode("latin-1") if names else ""
