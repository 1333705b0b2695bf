"""Requests as programs send them to a server, read from a connection (RFC 9112), and replies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from qcode.record import Record

MAX_HEAD_BYTES = 1 << 16
MAX_BODY_BYTES = 1 << 28
"""Pictures make requests large; nothing that an agent sends is larger than this."""

_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 411: "Length Required"}
_REASONS |= {413: "Content Too Large", 502: "Bad Gateway"}


class BadRequest(Exception):
    """What arrived is no request that can be answered; the connection is of no more use."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Asked(Record):
    """One request. Names of headers are in lower case."""

    method: str
    target: str
    """As it stands in the first line: a path, or for proxies a URL or `host:port`."""
    headers: Mapping[str, str]
    body: bytes

    @property
    def stays_open(self) -> bool:
        """Whether the client means to send another one on this connection."""
        return "close" not in self.headers.get("connection", "").lower()

    @property
    def elsewhere(self) -> str:
        """The host that a proxy is asked to reach; empty: the request is for us."""
        if self.method == "CONNECT":
            return self.target.rpartition(":")[0] or self.target
        if self.target.startswith("/"):
            return ""
        return self.target.partition("://")[2].partition("/")[0] or self.target


async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked | None:
    """Return the next request, or None where the client has closed the connection.

    Raises:
        BadRequest: it is no HTTP, or too large.
        asyncio.IncompleteReadError: it breaks off.
        OSError: the connection broke.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise BadRequest(400, "the headers do not end") from None
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest(400, "this is no request of HTTP/1.1")
    pairs = (line.partition(":") for line in lines if ":" in line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower().endswith("chunked"):
        body = await _chunks(reader)
    else:
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise BadRequest(400, "Content-Length is not a number")
        if int(length) > MAX_BODY_BYTES:
            raise BadRequest(413, "the request is too large")
        body = await reader.readexactly(int(length))
    return Asked(parts[0], parts[1], headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        line = (await reader.readuntil(b"\r\n")).partition(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError:
            raise BadRequest(400, "the chunks are not framed as chunks") from None
        if size < 0 or len(body) + size > MAX_BODY_BYTES:
            raise BadRequest(413, "the request is too large")
        if size == 0:
            while (await reader.readuntil(b"\r\n")).strip():  # trailers
                pass
            return bytes(body)
        body += await reader.readexactly(size)
        await reader.readexactly(2)


def head(status: int, headers: Mapping[str, str], *, reason: str = "") -> bytes:
    """Return the first lines of a reply."""
    lines = [f"HTTP/1.1 {status} {reason or _REASONS.get(status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def error(status: int, message: str, code: str) -> bytes:
    """Return a whole reply with an error as OpenAI's API writes it."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    words = {"error": {"message": message, "type": kind, "code": code, "param": None}}
    body = json.dumps(words).encode()
    told = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return head(status, told) + body
