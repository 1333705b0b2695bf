"""A light HTTP/1.1 client over asyncio's own streams; see docs/decisions/0002.

One `HttpClient` speaks to one origin. An `Exchange` is one request and its
reply, which is received piece by piece; ending it early ends the connection,
so that the server sees at once that nobody listens any more.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from qcode.errors import UsageError
from qcode.providers.http1 import Head, MalformedError, ResponseParser

if TYPE_CHECKING:
    from qcode.providers.proxy import Proxy

_READ_BYTES = 1 << 18
_PROBE_TIMEOUT_S = 2.0


class Trouble(Enum):
    """What went wrong below the level of HTTP."""

    REFUSED = auto()
    UNRESOLVED = auto()
    """The host's name has no address."""
    UNREACHABLE = auto()
    """Any other failure to connect, a timeout among them."""
    TLS = auto()
    PROXY = auto()
    """The proxy did not let the connection through."""
    BROKEN = auto()
    """The connection ended before the reply was whole."""
    NOT_HTTP = auto()


class HttpError(Exception):
    """A request failed below the level of HTTP; the text is the cause, in one line."""

    def __init__(self, trouble: Trouble, cause: str) -> None:
        super().__init__(cause)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests go."""

    tls: bool
    host: str
    port: int
    path: str
    """What stands before every request's path; no slash at its end."""
    query: str = ""

    @property
    def authority(self) -> str:
        """Host, and port where it is not the usual one, as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_local(self) -> bool:
        """Whether the host is this machine or one of the same private network."""
        try:
            address = ip_address(self.host)
        except ValueError:
            return "." not in self.host or self.host.endswith((".local", ".localhost"))
        return address.is_loopback or address.is_private or address.is_link_local


def parse_origin(base_url: str) -> Origin:
    """Return the parts of an endpoint's base URL.

    Raises:
        UsageError: it is not an http or https URL.
    """
    hint = "write it as http://host:port/v1"
    try:
        parts = urlsplit(base_url.strip())
        port = parts.port
    except ValueError:
        raise UsageError(f"the base URL `{base_url}` is not a URL", hint=hint) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"the base URL `{base_url}` is not an http or https URL", hint=hint)
    if parts.username is not None:
        raise UsageError("the base URL holds a user name", hint="give the key as an API key")
    try:
        host = parts.hostname.encode("idna").decode() if not parts.hostname.isascii() else None
    except UnicodeError:
        raise UsageError(f"the base URL `{base_url}` has an impossible host", hint=hint) from None
    tls = parts.scheme == "https"
    if any(c <= " " or c > "~" for c in parts.path + parts.query):
        raise UsageError(f"the base URL `{base_url}` has characters no URL can have", hint=hint)
    usual = 443 if tls else 80
    return Origin(tls, host or parts.hostname, port or usual, parts.path.rstrip("/"), parts.query)


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: bool = False
    """Whether a reply has been received over it."""

    @property
    def is_stale(self) -> bool:
        return self.writer.is_closing() or self.reader.at_eof() or bool(self.reader.exception())

    def abort(self) -> None:
        self.writer.transport.abort()


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
        self._kept: _Connection | None = None

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
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                connection = await self._open(self.origin.host, self.origin.port)
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

    def keep(self, connection: _Connection) -> None:
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

    async def connect(self) -> _Connection:
        """Return a new connection.

        Raises:
            HttpError: none could be made in time.
        """
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                connection = await self._connect_through()
        except TimeoutError:
            raise HttpError(
                Trouble.UNREACHABLE, f"no connection within {self._connect_timeout_s:g} s"
            ) from None
        self.ever_connected = True
        return connection

    async def _connect_through(self) -> _Connection:
        proxy, origin = self._proxy, self.origin
        if proxy is None:
            return await self._open(origin.host, origin.port, tls=origin.tls)
        try:
            connection = await self._open(proxy.host, proxy.port, tls=proxy.tls)
            if origin.tls:
                try:
                    await self._tunnel(connection, proxy)
                except BaseException:
                    connection.abort()
                    raise
            return connection
        except HttpError as error:
            if error.trouble in (Trouble.TLS, Trouble.PROXY):
                raise
            place = f"the proxy {proxy.host}:{proxy.port}"
            raise HttpError(Trouble.PROXY, f"{place}: {error}") from error

    async def _tunnel(self, connection: _Connection, proxy: Proxy) -> None:
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
            raise _tls_error(error) from error

    async def _open(self, host: str, port: int, *, tls: bool = False) -> _Connection:
        """Connect to the first address of the host that answers."""
        failure: OSError | None = None
        for address in await _addresses(host, port):
            try:
                reader, writer = await asyncio.open_connection(
                    address,
                    port,
                    limit=_READ_BYTES,
                    ssl=self._tls() if tls else None,
                    server_hostname=host if tls else None,
                )
            except ssl.SSLError as error:
                raise _tls_error(error) from error
            except OSError as error:
                if failure is None or isinstance(error, ConnectionRefusedError):
                    failure = error
                continue
            _watch(writer)
            return _Connection(reader, writer)
        if isinstance(failure, ConnectionRefusedError):
            raise HttpError(Trouble.REFUSED, "connection refused") from failure
        raise HttpError(Trouble.UNREACHABLE, _words(failure)) from failure

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = _make_context(self._environ)
        return self._context


class Exchange:
    """One request and its reply. Must be closed, whole or not."""

    def __init__(
        self, client: HttpClient, connection: _Connection, head: bytes, body: bytes
    ) -> None:
        self._client = client
        self._connection: _Connection | None = connection
        self._request = (head, body)
        self._parser = ResponseParser()
        self._heard = False
        self._reopen = False

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
                data = await connection.reader.read(_READ_BYTES)
        except TimeoutError as error:
            # ETIMEDOUT of the socket is a TimeoutError, too.
            if error.errno is not None:
                return self._broken(_words(error))
            raise
        except OSError as error:
            return self._broken(_words(error))
        if not data:
            if self._parser.end():
                return None
            return self._broken("the connection was closed")
        self._heard = True
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
        if connection is None:
            return
        if self._parser.reusable and not connection.is_stale:
            self._client.keep(connection)
        else:
            connection.abort()


async def _addresses(host: str, port: int) -> Sequence[str]:
    """Return the host's addresses, without the loop's executor.

    The executor is waited for when the loop ends, and a name server that does
    not answer would then hold up the exit.
    """
    if host == "localhost":
        return ("127.0.0.1", "::1")
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        return (host,)
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def deliver(addresses: list[str], error: Exception | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses)

    def resolve() -> None:
        addresses: list[str] = []
        failure: Exception | None = None
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
        except (OSError, UnicodeError) as error:
            failure = HttpError(Trouble.UNRESOLVED, _words(error))
        try:
            loop.call_soon_threadsafe(deliver, addresses, failure)
        except RuntimeError:
            pass  # the loop has ended meanwhile; nobody waits for the answer

    threading.Thread(target=resolve, name="resolve", daemon=True).start()
    return await found


def _watch(writer: asyncio.StreamWriter) -> None:
    """Have the kernel notice a peer that vanished without a word, within a minute."""
    sock = writer.get_extra_info("socket")
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        # macOS before Python 3.10 and others lack some of these.
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _make_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"):
        place = environ.get(name)
        if not place:
            continue
        is_directory = Path(place).is_dir()
        try:
            return ssl.create_default_context(
                cafile=None if is_directory else place, capath=place if is_directory else None
            )
        except OSError as error:
            raise UsageError(
                f"cannot read the certificates in `{place}`: {_words(error)}",
                hint=f"correct or unset {name}",
            ) from error
    return ssl.create_default_context()


def _tls_error(error: Exception) -> HttpError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return HttpError(Trouble.TLS, f"its certificate is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "handshake failed").replace("_", " ").lower()
        return HttpError(Trouble.TLS, f"TLS failed: {reason}")
    return HttpError(Trouble.TLS, f"TLS failed: {_words(error)}")


def _words(error: BaseException | None) -> str:
    """Return what an error says in one line, without its number."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return str(error or "") or type(error).__name__
