"""Opening connections: names, addresses, TLS, and what can go wrong with them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from enum import Enum, auto
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from qcode.errors import OfflineError, UsageError
from qcode.record import Record

READ_BYTES = 1 << 18


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
    OFFLINE = auto()
    """qcode was told to reach nothing but this machine; the text says all there is to say."""


class HttpError(Exception):
    """A request failed below the level of HTTP; the text is the cause, in one line."""

    def __init__(self, trouble: Trouble, cause: str) -> None:
        super().__init__(cause)
        self.trouble = trouble


class Origin(Record):
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


class Connection:
    """An open connection, with TLS where that was asked for."""

    __slots__ = ("reader", "used", "writer")

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.used = False
        """Whether a reply has been received over it."""

    @property
    def is_stale(self) -> bool:
        """Whether the other side has ended it, as far as is known."""
        return self.writer.is_closing() or self.reader.at_eof() or bool(self.reader.exception())

    def abort(self) -> None:
        """End it now, whatever is under way."""
        self.writer.transport.abort()


async def connect(host: str, port: int, *, tls: ssl.SSLContext | None = None) -> Connection:
    """Connect to the first address of the host that answers.

    Raises:
        HttpError: none does.
    """
    failure: OSError | None = None
    for address in await _addresses(host, port):
        try:
            reader, writer = await asyncio.open_connection(
                address,
                port,
                limit=READ_BYTES,
                ssl=tls,
                server_hostname=host if tls else None,
            )
        except ssl.SSLError as error:
            raise tls_error(error) from error
        except OfflineError as error:
            raise HttpError(Trouble.OFFLINE, str(error)) from error
        except OSError as error:
            if failure is None or isinstance(error, ConnectionRefusedError):
                failure = error
            continue
        _watch(writer)
        return Connection(reader, writer)
    if isinstance(failure, ConnectionRefusedError):
        raise HttpError(Trouble.REFUSED, "connection refused") from failure
    raise HttpError(Trouble.UNREACHABLE, words(failure)) from failure


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
        except OfflineError as error:
            failure = HttpError(Trouble.OFFLINE, str(error))
        except (OSError, UnicodeError) as error:
            failure = HttpError(Trouble.UNRESOLVED, words(error))
        try:
            loop.call_soon_threadsafe(deliver, addresses, failure)
        except RuntimeError:
            pass  # the loop has ended meanwhile; nobody waits for the answer

    # With the context, which knows what the connection is for.
    run = copy_context().run
    threading.Thread(target=run, args=(resolve,), name="resolve", daemon=True).start()
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


def make_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return what TLS trusts: what the usual environment variables name, or the system.

    Raises:
        UsageError: a variable names no certificates.
    """
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
                f"cannot read the certificates in `{place}`: {words(error)}",
                hint=f"correct or unset {name}",
            ) from error
    return ssl.create_default_context()


def tls_error(error: Exception) -> HttpError:
    """Return what a failed handshake means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return HttpError(Trouble.TLS, f"its certificate is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "handshake failed").replace("_", " ").lower()
        return HttpError(Trouble.TLS, f"TLS failed: {reason}")
    return HttpError(Trouble.TLS, f"TLS failed: {words(error)}")


def words(error: BaseException | None) -> str:
    """Return what an error of the system says, in one line and without its number."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return str(error or "") or type(error).__name__
