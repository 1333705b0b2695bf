"""A light HTTP/1.1 client over asyncio's own streams; see docs/decisions/0002.

One `HttpClient` speaks to one origin. An `Exchange` is one request and its
reply, which is received piece by piece; ending it early ends the connection,
so that the server sees at once that nobody listens any more.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qcode.network import ledger, purpose
from qcode.providers.connection import (
    READ_BYTES,
    Connection,
    HttpError,
    Origin,
    Trouble,
    connect,
    make_context,
    tls_error,
    words,
)
from qcode.providers.http1 import Head, MalformedError, ResponseParser

if TYPE_CHECKING:
    from qcode.providers.proxy import Proxy

_PROBE_TIMEOUT_S = 2.0

PURPOSE = "model"
"""What requests are for where nobody said otherwise."""


class HttpClient:
    """Requests to one origin; keeps one connection for the next request.

    `proxy` is the URL of a proxy for everything; without it the usual
    environment variables decide, and loopback addresses never go through one.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        connect_timeout_s: float,
        environ: Mapping[str, str] | None = None,
        proxy: str | None = None,
    ) -> None:
        self.origin = origin
        self.ever_connected = False
        self._connect_timeout_s = connect_timeout_s
        self._environ = os.environ if environ is None else environ
        self._proxy = self._find_proxy(proxy)
        self._context: ssl.SSLContext | None = None
        self._kept: Connection | None = None

    def _find_proxy(self, explicit: str | None) -> Proxy | None:
        names = ("http_proxy", "https_proxy", "all_proxy")
        is_set = any(self._environ.get(n) or self._environ.get(n.upper()) for n in names)
        if not explicit and (self.origin.is_loopback or not is_set):
            return None
        from qcode.providers.proxy import parse_proxy, proxy_for

        if explicit:
            return parse_proxy(explicit, "the settings")
        scheme = "https" if self.origin.tls else "http"
        return proxy_for(scheme, self.origin.host, self.origin.port, self._environ)

    async def start(
        self,
        method: str,
        path: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Exchange:
        """Send a request, over the kept connection if there is one.

        Raises:
            HttpError: no connection could be made.
        """
        head = self._request_head(method, path, headers, len(body))
        kept, self._kept = self._kept, None
        if kept is not None and kept.is_stale:
            kept.abort()
            kept = None
        connection = kept or await self.connect()
        exchange = Exchange(self, connection, head, body)
        exchange.send()
        return exchange

    async def is_listening(self) -> bool:
        """Return whether the server still takes connections.

        Only a refusal says no: a busy server of one thread may be slow to accept.
        """
        if self._proxy is not None:
            return True
        try:
            with purpose.meant_for(purpose.here(PURPOSE)):
                async with asyncio.timeout(_PROBE_TIMEOUT_S):
                    connection = await connect(self.origin.host, self.origin.port)
        except HttpError as error:
            return error.trouble is not Trouble.REFUSED
        except TimeoutError:
            return True
        connection.abort()
        return True

    async def close(self) -> None:
        """Give up the kept connection."""
        if self._kept is not None:
            kept, self._kept = self._kept, None
            kept.abort()
            # The transport closes its socket in the loop's next round.
            await asyncio.sleep(0)

    def keep(self, connection: Connection) -> None:
        """Take a connection back for the next request."""
        connection.used = True
        if self._kept is not None:
            self._kept.abort()
        self._kept = connection

    def _request_head(
        self, method: str, path: str, headers: Sequence[tuple[str, str]], length: int
    ) -> bytes:
        target = f"{self.origin.path}{path}"
        if self.origin.query:
            target += f"?{self.origin.query}"
        own = [("Host", self.origin.authority)]
        if self._proxy is not None and not self.origin.tls:
            target = f"http://{self.origin.authority}{target}"
            if self._proxy.authorization:
                own.append(("Proxy-Authorization", self._proxy.authorization))
        if method == "POST":
            own.append(("Content-Length", str(length)))
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in (*own, *headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    async def connect(self) -> Connection:
        """Return a new connection.

        Raises:
            HttpError: none could be made in time.
        """
        try:
            with purpose.meant_for(purpose.here(PURPOSE)):
                async with asyncio.timeout(self._connect_timeout_s):
                    connection = await self._connect_through()
        except TimeoutError:
            raise HttpError(
                Trouble.UNREACHABLE, f"no connection within {self._connect_timeout_s:g} s"
            ) from None
        self.ever_connected = True
        return connection

    async def _connect_through(self) -> Connection:
        proxy, origin = self._proxy, self.origin
        if proxy is None:
            return await connect(origin.host, origin.port, tls=self._tls() if origin.tls else None)
        try:
            connection = await connect(
                proxy.host, proxy.port, tls=self._tls() if proxy.tls else None
            )
            if origin.tls:
                try:
                    await self._tunnel(connection, proxy)
                except BaseException:
                    connection.abort()
                    raise
            return connection
        except HttpError as error:
            if error.trouble in (Trouble.TLS, Trouble.PROXY, Trouble.OFFLINE):
                raise
            place = f"the proxy {proxy.host}:{proxy.port}"
            raise HttpError(Trouble.PROXY, f"{place}: {error}") from error

    async def _tunnel(self, connection: Connection, proxy: Proxy) -> None:
        """Have the proxy connect to the origin, and speak TLS through it."""
        host = self.origin.host
        target = f"{f'[{host}]' if ':' in host else host}:{self.origin.port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        connection.writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        try:
            reply = await connection.reader.readuntil(b"\r\n\r\n")
            parser = ResponseParser()
            parser.feed(reply)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
            raise HttpError(Trouble.PROXY, f"the proxy {proxy.host} hung up") from error
        except MalformedError as error:
            raise HttpError(Trouble.PROXY, f"the proxy {proxy.host}: {error}") from error
        status = parser.head.status if parser.head else 0
        if not 200 <= status < 300:
            reason = parser.head.reason if parser.head else ""
            raise HttpError(
                Trouble.PROXY, f"the proxy {proxy.host} answered {status} {reason}".rstrip()
            )
        try:
            await connection.writer.start_tls(self._tls(), server_hostname=host)
        except (OSError, ssl.CertificateError) as error:
            raise tls_error(error) from error

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = make_context(self._environ)
        return self._context


class Exchange:
    """One request and its reply. Must be closed, whole or not."""

    def __init__(
        self, client: HttpClient, connection: Connection, head: bytes, body: bytes
    ) -> None:
        self._client = client
        self._connection: Connection | None = connection
        self._request = (head, body)
        self._parser = ResponseParser()
        self._heard = False
        self._reopen = False
        self._sent = self._received = 0
        """Bytes of HTTP."""

    @property
    def head(self) -> Head | None:
        """Status and headers, once they have arrived."""
        head = self._parser.head
        return head if head is not None and head.status >= 200 else None

    @property
    def complete(self) -> bool:
        """Whether the whole reply has arrived."""
        return self._parser.complete

    def send(self) -> None:
        """Write the request; what the socket does not take yet is sent in the background."""
        assert self._connection is not None
        head, body = self._request
        self._sent += len(head) + len(body)
        if len(body) < 1 << 14:
            self._connection.writer.write(head + body)
        else:
            self._connection.writer.write(head)
            self._connection.writer.write(body)

    async def receive(self, timeout_s: float) -> bytes | None:
        """Return the next bytes of the body, or None at its end.

        May return no bytes when only headers have arrived.

        Raises:
            TimeoutError: nothing arrived for `timeout_s`; it can be called again.
            HttpError: the reply broke off, or is no HTTP.
        """
        if self._parser.complete:
            return None
        if self._reopen:
            self._connection = await self._client.connect()
            self._reopen = False
            self.send()
        connection = self._connection
        assert connection is not None, "the exchange is closed"
        try:
            async with asyncio.timeout(timeout_s):
                data = await connection.reader.read(READ_BYTES)
        except TimeoutError as error:
            # ETIMEDOUT of the socket is a TimeoutError, too.
            if error.errno is not None:
                return self._broken(words(error))
            raise
        except OSError as error:
            return self._broken(words(error))
        if not data:
            if self._parser.end():
                return None
            return self._broken("the connection was closed")
        self._heard = True
        self._received += len(data)
        try:
            return self._parser.feed(data)
        except MalformedError as error:
            raise HttpError(Trouble.NOT_HTTP, str(error)) from error

    def _broken(self, cause: str) -> bytes:
        connection = self._connection
        if connection is not None and connection.used and not self._heard:
            # A server may close a kept connection at any moment; that the
            # request met this moment is no fault, and nothing was answered.
            connection.abort()
            self._connection, self._reopen = None, True
            return b""
        raise HttpError(Trouble.BROKEN, cause)

    def close(self) -> None:
        """Keep the connection if the reply is whole and it allows so; else cut it."""
        connection, self._connection = self._connection, None
        self._account()
        if connection is None:
            return
        if self._parser.reusable and not connection.is_stale:
            self._client.keep(connection)
        else:
            connection.abort()

    def _account(self) -> None:
        """Write down once what went each way."""
        if self._sent:
            origin = self._client.origin
            sent, received, self._sent = self._sent, self._received, 0
            ledger.add(origin.host, origin.port, PURPOSE, sent=sent, received=received)
