"""The proxy through which commands reach the hosts of a list, and nothing else.

It accepts on a socket made inside the sandbox's network, where there is no other way out
and no name look-up, and dials from outside. A host is looked up once, here; the addresses
found are checked, and those very addresses are dialled.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from qcode.network import ledger, purpose
from qcode.record import Record
from qcode.sandbox import proxy_requests as requests
from qcode.sandbox.hosts import Rule, Verdict, address_refused, decide
from qcode.sandbox.proxy_dial import Dial, Resolve, dial, is_own, look_up
from qcode.sandbox.proxy_relay import Ended, Long, Passed, Slow, relay, until

USER = "qcode"
PURPOSE = "command"
"""What connections of the proxy are for (`qcode.network`)."""
_LONGEST_HEAD = 16 * 1024
_LONGEST_HELLO = 64 * 1024
_LONGEST_NAME = 300
_ADDRESSES = 4
"""So many of a host's addresses are dialled one after the other."""
_CONTACTS = 1000
_PARTING_S = 0.25


class ProxyLimits(Record):
    """What one connection may use up, and how many there may be at once."""

    connections: int = 64
    """Others wait to be accepted."""
    head_s: float = 10.0
    """For a client to say what it wants."""
    dial_s: float = 10.0
    idle_s: float = 300.0
    total_s: float = 3600.0
    bytes: int = 8 << 30
    """In each direction."""


class Contact(Record):
    """What was decided about one host, for the receipt of a run."""

    host: str
    """As the client spelled it, with odd characters escaped."""
    port: int
    refused: str = ""
    """Why it was not reached, in words; empty if it was."""


class Proxy:
    """Serves on a listening socket until it is closed; one thread for each connection.

    Attributes:
        password: What clients have to bring, so that no other user of the machine gets in.
    """

    def __init__(
        self,
        listener: socket.socket,
        rules: Sequence[Rule],
        *,
        tell: Callable[[Contact], None] = lambda _: None,
        limits: ProxyLimits = ProxyLimits(),  # noqa: B008 - frozen
        resolve: Resolve = look_up,
        dial: Dial = dial,
    ) -> None:
        """Start to serve.

        Args:
            listener: It belongs to the proxy from now on.
            rules: What may be reached; none means nothing.
            tell: Is called for every decision, from threads of the proxy.
            limits: How much is served.
            resolve: Finds the addresses of a host.
            dial: Connects to one of them.
        """
        import secrets

        self.password = secrets.token_urlsafe(24)
        self.port: int = listener.getsockname()[1]
        self._session = purpose.session()  # of whose command the proxy is begun for
        self._rules = tuple(rules)
        self._tell = tell
        self._limits = limits
        self._resolve = resolve
        self._dial = dial
        self._listener = listener
        self._listener.setblocking(False)
        self._free = threading.BoundedSemaphore(limits.connections)
        self._lock = threading.Lock()
        self._contacts: dict[Contact, int] = {}
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._closing = False
        self._woken, self._wake = os.pipe()
        self._accepting = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        """Where programs find it, with the password."""
        return f"http://{USER}:{self.password}@127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return the variables by which programs find it; not for what is on their own loopback."""
        listed = {rule.host for rule in self._rules}
        local = ",".join(name for name in ("localhost", "127.0.0.1", "::1") if name not in listed)
        names = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), self.url)
        return {**names, "no_proxy": local, "NO_PROXY": local}

    def contacts(self) -> tuple[tuple[Contact, int], ...]:
        """Return the different decisions so far (the first 1,000), and how often they were made."""
        with self._lock:
            return tuple(self._contacts.items())

    def close(self) -> None:
        """End all connections and serve no more; idempotent.

        A look-up that hangs is left behind; it reaches nothing any more.
        """
        with self._lock:
            if self._closing:
                return
            self._closing = True
            still = list(self._open)
        os.write(self._wake, b".")
        for connection in still:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        with self._lock:
            threads = self._threads - {threading.current_thread()}
        until_s = time.monotonic() + 2.0
        for thread in threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        for descriptor in (self._woken, self._wake):
            os.close(descriptor)

    def _accept(self) -> None:
        with self._listener:
            waiting = select.poll()
            waiting.register(self._listener, select.POLLIN)
            waiting.register(self._woken, select.POLLIN)
            pause = select.poll()
            pause.register(self._woken, select.POLLIN)
            while not self._closing:
                waiting.poll()
                # A tenth of a second: when all places are taken, a close must still be seen.
                if self._closing or not self._free.acquire(timeout=0.1):
                    continue
                try:
                    client, _ = self._listener.accept()
                except OSError:  # gone already, or no descriptors are left: not for long
                    self._free.release()
                    pause.poll(20)
                    continue
                thread = threading.Thread(
                    target=self._serve, args=(client,), name="proxy connection", daemon=True
                )
                with self._lock:
                    self._threads.add(thread)
                try:
                    thread.start()
                except RuntimeError:  # no more threads may be made
                    with self._lock:
                        self._threads.discard(thread)
                    client.close()
                    self._free.release()

    def _serve(self, client: socket.socket) -> None:
        purpose.begin(PURPOSE)
        purpose.begin_session(self._session)
        try:
            with ExitStack() as held, suppress(OSError, Ended):
                self._hold(held, client)
                client.setblocking(False)
                try:
                    self._answer(held, client)
                except requests.Malformed as error:
                    _refuse(client, error.status, str(error))
                except Long:
                    _refuse(
                        client, "431 Request Header Fields Too Large", "the request is too long"
                    )
                except Slow:
                    _refuse(client, "408 Request Timeout", "the request took too long")
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
            self._free.release()

    def _hold(self, held: ExitStack, connection: socket.socket) -> None:
        """Have a connection closed with the others when the proxy is."""
        held.callback(connection.close)
        with self._lock:
            if self._closing:
                raise Ended
            self._open.add(connection)
        held.callback(self._let_go, connection)

    def _let_go(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def _answer(self, held: ExitStack, client: socket.socket) -> None:
        limits = self._limits
        now = time.monotonic()
        head, rest = until(client, b"\r\n\r\n", _LONGEST_HEAD, now + limits.head_s)
        try:
            request = requests.read_head(head)
        except requests.Malformed as error:
            if error.host:
                self._note(Contact(_escaped(error.host), 0, str(error)))
            raise
        if not requests.is_authorized(request, USER, self.password):
            if request.authorization:
                self._note(_contact(request, "without the password of the proxy"))
            _refuse(
                client,
                "407 Proxy Authentication Required",
                "the password in http_proxy is missing",
                'Proxy-Authenticate: Basic realm="qcode"\r\n',
            )
            return
        verdict = decide(request.host, request.port, self._rules)
        why = verdict.refused
        addresses: Sequence[str] = ()
        if not why:
            addresses, why = self._found(verdict)
        if why:
            self._note(_contact(request, why))
            _refuse(client, "403 Forbidden", f"{_escaped(request.host)}:{request.port}: {why}")
            return
        upstream = self._reached(addresses, request.port)
        if upstream is None:
            self._note(_contact(request, "it does not answer"))
            _refuse(client, "502 Bad Gateway", f"{verdict.host}:{request.port} does not answer")
            return
        self._hold(held, upstream)
        if request.is_tunnel:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if request.port == requests.TLS_PORT:
                rest = self._hello(client, rest, request, verdict)
            body = None
        else:
            rest, body = (
                requests.first_bytes(request, verdict.host) + rest[: request.body],
                max(0, request.body - len(rest)),
            )
        self._note(_contact(request))
        passed = Passed()
        try:
            relay(
                client,
                upstream,
                rest,
                body=body,
                idle_s=limits.idle_s,
                until=now + limits.total_s,
                most=limits.bytes,
                passed=passed,
            )
        finally:
            ledger.add(verdict.host, request.port, PURPOSE, sent=passed.up, received=passed.down)

    def _found(self, verdict: Verdict) -> tuple[Sequence[str], str]:
        """Return the addresses to be dialled, or why there are none."""
        host, port = verdict.host, verdict.port
        if verdict.is_address:
            return (host,), ""
        try:
            addresses = self._resolve(host, port)[:_ADDRESSES]
        except (OSError, UnicodeError):
            return (), "its address is not found"
        for address in addresses:
            if why := address_refused(address, host, port, self._rules):
                return (), why
            listed = not decide(address, port, self._rules).refused
            if not listed and host != "localhost" and is_own(address):
                return (), f"{address} is an address of this machine"
        return addresses, "" if addresses else "its address is not found"

    def _reached(self, addresses: Sequence[str], port: int) -> socket.socket | None:
        for address in addresses:
            with suppress(OSError):
                upstream = self._dial(address, port, self._limits.dial_s)
                upstream.setblocking(False)
                return upstream
        return None

    def _hello(
        self, client: socket.socket, data: bytes, request: requests.Request, verdict: Verdict
    ) -> bytes:
        """Return the first bytes of a client once they are seen to ask for the same host."""
        deadline = time.monotonic() + self._limits.head_s
        try:
            while (name := requests.hello_name(data)) is None:
                if len(data) > _LONGEST_HELLO:
                    raise requests.Malformed("the hello of TLS does not end")
                data += until(client, b"", 0, deadline)[1]
        except (requests.Malformed, Slow) as error:
            self._note(_contact(request, str(error) or "no TLS in time"))
            raise Ended from error
        expected = "" if verdict.is_address else verdict.host
        if name.lower().removesuffix(".") != expected:
            what = f"TLS asks for {_escaped(name)}" if name else "TLS does not say for which host"
            self._note(_contact(request, what))
            raise Ended
        return data

    def _note(self, contact: Contact) -> None:
        with self._lock:
            if contact in self._contacts or len(self._contacts) < _CONTACTS:
                self._contacts[contact] = self._contacts.get(contact, 0) + 1
        self._tell(contact)


def _contact(request: requests.Request, refused: str = "") -> Contact:
    return Contact(_escaped(request.host), request.port, refused)


def _escaped(host: str) -> str:
    return ascii(host[:_LONGEST_NAME])[1:-1]


def _refuse(client: socket.socket, status: str, why: str, header: str = "") -> None:
    body = f"qcode's proxy: {why}\n".encode("ascii", "backslashreplace")
    head = f"HTTP/1.1 {status}\r\n{header}Content-Type: text/plain\r\nConnection: close\r\n"
    client.settimeout(_PARTING_S)
    client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body)
    # Bytes that were not read would make the system withdraw what was just sent.
    client.shutdown(socket.SHUT_WR)
    with suppress(OSError):
        end = time.monotonic() + _PARTING_S
        while client.recv(1 << 16) and time.monotonic() < end:
            pass
