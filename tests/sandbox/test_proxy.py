"""The proxy, spoken to over real sockets."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from qcode.sandbox.hosts import parse
from qcode.sandbox.proxy import Contact, Proxy, ProxyLimits
from qcode.sandbox.proxy_dial import dial, is_own, look_up

GUARD_S = 30.0
"""Nothing here takes as long unless it hangs."""
PUBLIC = "93.184.216.34"


class Upstream:
    """A server that notes what it is sent, and answers each connection once."""

    def __init__(self, answer: bytes = b"") -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.said: list[bytes] = []
        self.asked: list[tuple[str, int]] = []
        self.heard = threading.Condition()
        self.answer = answer
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            with self.heard:
                number = len(self.said)
                self.said.append(b"")
                self.heard.notify_all()
            if self.answer:
                connection.sendall(self.answer)
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(1 << 16):
                with self.heard:
                    self.said[number] += piece
                    self.heard.notify_all()
                if not self.answer:
                    connection.sendall(piece)

    def dial(self, address: str, port: int, timeout: float) -> socket.socket:
        """Take the place of every other host."""
        self.asked.append((address, port))
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def wait(self, ready: Callable[[list[bytes]], bool]) -> None:
        with self.heard:
            assert self.heard.wait_for(lambda: ready(self.said), GUARD_S), self.said


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.listener.close()


@contextmanager
def serving(
    *rules: str,
    addresses: Sequence[str] = (PUBLIC,),
    upstream: Upstream | None = None,
    **limits: float,
) -> Iterator[Proxy]:
    def resolve(host: str, port: int) -> Sequence[str]:
        looked_up.append(host)
        return addresses

    looked_up: list[str] = []
    proxy = Proxy(
        socket.create_server(("127.0.0.1", 0)),
        [parse(rule) for rule in rules],
        limits=ProxyLimits(**limits),  # type: ignore[arg-type]
        resolve=resolve if upstream else look_up,
        dial=upstream.dial if upstream else dial,
    )
    with proxy_closed(proxy):
        yield proxy


@contextmanager
def proxy_closed(proxy: Proxy) -> Iterator[None]:
    try:
        yield
    finally:
        proxy.close()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), GUARD_S)


def credentials(proxy: Proxy, password: str = "") -> bytes:
    said = base64.b64encode(f"qcode:{password or proxy.password}".encode())
    return b"Proxy-Authorization: Basic " + said + b"\r\n"


def tunnel(proxy: Proxy, target: str | bytes) -> tuple[socket.socket, bytes]:
    """Ask for a tunnel; returns the connection and the line of the answer."""
    client = connect(proxy)
    raw = target if isinstance(target, bytes) else target.encode("latin-1")
    client.sendall(b"CONNECT " + raw + b" HTTP/1.1\r\n" + credentials(proxy) + b"\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer and (piece := client.recv(1)):
        answer += piece
    return client, answer.partition(b"\r\n")[0]


def rest_of(client: socket.socket) -> bytes:
    data = b""
    with suppress(ConnectionError):
        while piece := client.recv(1 << 16):
            data += piece
    return data


def exchange(proxy: Proxy, request: bytes) -> bytes:
    with connect(proxy) as client:
        client.sendall(request)
        return rest_of(client)


def contacts(proxy: Proxy) -> list[Contact]:
    return [contact for contact, _ in proxy.contacts()]


def hello(name: str | None) -> bytes:
    """Return what a real client of TLS says first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


# --- what passes ---


def test_a_tunnel_to_a_listed_host_hands_on_bytes_both_ways(upstream: Upstream) -> None:
    with serving("allowed.test:22", upstream=upstream) as proxy:
        client, line = tunnel(proxy, "Allowed.TEST:22")
        with client:
            assert line == b"HTTP/1.1 200 Connection established"
            client.sendall(b"ping")
            assert client.recv(100) == b"ping"
            client.shutdown(socket.SHUT_WR)
            assert rest_of(client) == b""
        assert upstream.asked == [(PUBLIC, 22)]
        assert contacts(proxy) == [Contact("Allowed.TEST", 22)]


def test_much_data_passes_in_both_directions_at_once(upstream: Upstream) -> None:
    sent = bytes(range(256)) * 40_000
    with serving("allowed.test:22", upstream=upstream) as proxy:
        client, _ = tunnel(proxy, "allowed.test:22")
        with client:

            def send() -> None:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send)
            sender.start()
            assert rest_of(client) == sent
            sender.join(GUARD_S)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_loopback_is_reached_where_a_person_listed_it(name: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"{self.path} of {self.headers['Host']}".encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with serving(f"{name}:{port}") as proxy:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy.url}))
            with opener.open(f"http://{name}:{port}/a?b", timeout=GUARD_S) as answer:
                assert answer.read().decode() == f"/a?b of {name}:{port}"
            client, line = tunnel(proxy, f"{name}:{port}")
            client.close()
            assert b" 200 " in line
    finally:
        server.shutdown()
        server.server_close()


def test_a_plain_request_names_the_host_that_was_decided_about(upstream: Upstream) -> None:
    with serving("allowed.test", upstream=upstream) as proxy, connect(proxy) as client:
        client.sendall(
            b"POST http://ALLOWED.test?q HTTP/1.1\r\nHost: evil.test\r\nhost: evil.test\r\n"
            b"Connection: X-Mine, Content-Length\r\nX-Mine: 1\r\nUpgrade: other\r\nX-Kept: 2\r\n"
            + credentials(proxy)
            + b"Content-Length: 4\r\n\r\nbo"
        )
        upstream.wait(lambda said: bool(said) and said[0].endswith(b"\r\n\r\nbo"))
        client.sendall(b"dyGET http://evil.test/ HTTP/1.1\r\n\r\n")
        upstream.wait(lambda said: said[0].endswith(b"body"))
    line, *fields = upstream.said[0].removesuffix(b"\r\n\r\nbody").split(b"\r\n")
    assert line == b"POST /?q HTTP/1.1"
    assert sorted(field.lower() for field in fields) == [
        b"connection: close",
        b"content-length: 4",
        b"host: allowed.test",
        b"x-kept: 2",
    ]


def test_an_answer_is_handed_on_to_its_end() -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500_000
    upstream = Upstream(answer)
    with serving("allowed.test", upstream=upstream) as proxy:
        request = b"GET http://allowed.test/ HTTP/1.1\r\n" + credentials(proxy) + b"\r\n"
        assert exchange(proxy, request) == answer


# --- which hosts ---


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:443",
        "2130706433:443",
        "0x7f.1:443",
        "[::1]:443",
        "allowed.test@127.0.0.1:443",
        "127.0.0.1\0.allowed.test:443",
        "127.0.0.1#.allowed.test:443",
        "allowed.test.evil.test:443",
        "evilallowed.test:443",
        "allowed.test:22",
        "allowed.test:443 evil.test:443",
        "\u00e4.allowed.test:443",
        ":443",
    ],
)
def test_other_hosts_are_refused_without_being_looked_up(target: str, upstream: Upstream) -> None:
    looked_up: list[str] = []
    proxy = Proxy(
        socket.create_server(("127.0.0.1", 0)),
        [parse("allowed.test"), parse("*.allowed.test")],
        resolve=lambda host, _: [looked_up.append(host) or PUBLIC],  # type: ignore[func-returns-value]
        dial=upstream.dial,
    )
    with proxy_closed(proxy):
        client, line = tunnel(proxy, target)
        client.close()
        assert line.split()[1] == b"403"
        assert [bool(contact.refused) for contact in contacts(proxy)] == [True]
    assert not upstream.asked
    assert not looked_up


def test_an_empty_list_allows_nothing(upstream: Upstream) -> None:
    with serving(upstream=upstream) as proxy:
        client, line = tunnel(proxy, "allowed.test:443")
        client.close()
        assert b"403" in line
    assert not upstream.asked


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        [PUBLIC, "127.0.0.1"],
        [],
    ],
)
def test_a_name_does_not_lead_to_the_networks_own_machines(
    addresses: list[str], upstream: Upstream
) -> None:
    with serving("allowed.test", addresses=addresses, upstream=upstream) as proxy:
        client, line = tunnel(proxy, "allowed.test:443")
        client.close()
        assert b"403" in line
        assert [contact.host for contact in contacts(proxy) if contact.refused] == ["allowed.test"]
    assert not upstream.asked


def test_the_machines_own_addresses_are_known() -> None:
    assert is_own("127.0.0.1")
    assert not is_own("203.0.113.1")


def test_a_name_is_looked_up_once_and_what_was_found_is_dialled(upstream: Upstream) -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    proxy = Proxy(
        socket.create_server(("127.0.0.1", 0)),
        [parse("allowed.test:22")],
        resolve=lambda *_: next(answers),
        dial=upstream.dial,
    )
    with proxy_closed(proxy):
        client, line = tunnel(proxy, "allowed.test:22")
        client.close()
        assert b" 200 " in line
    assert upstream.asked == [(PUBLIC, 22)]


def test_a_host_that_does_not_answer_is_said_not_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with serving(f"127.0.0.1:{port}") as proxy:
        client, line = tunnel(proxy, f"127.0.0.1:{port}")
        client.close()
        assert b"502" in line
        assert contacts(proxy) == [Contact("127.0.0.1", port, "it does not answer")]


# --- TLS ---


def test_tls_for_the_same_host_passes_unchanged(upstream: Upstream) -> None:
    said = hello("Allowed.test")
    with serving("allowed.test", upstream=upstream) as proxy:
        client, _ = tunnel(proxy, "allowed.test:443")
        with client:
            for start, end in pairwise([0, 1, 4, 50, len(said)]):
                client.sendall(said[start:end])
            upstream.wait(lambda heard: heard == [said])
        assert contacts(proxy) == [Contact("allowed.test", 443)]


def test_tls_in_several_records_is_understood(upstream: Upstream) -> None:
    message = hello("allowed.test")[5:]
    cut = [message[start : start + 40] for start in range(0, len(message), 40)]
    said = b"".join(b"\x16\x03\x01" + len(part).to_bytes(2) + part for part in cut)
    with serving("allowed.test", upstream=upstream) as proxy:
        client, _ = tunnel(proxy, "allowed.test:443")
        with client:
            client.sendall(said)
            upstream.wait(lambda heard: heard == [said])


@pytest.mark.parametrize(
    "said",
    [
        hello("evil.test"),
        hello("a.allowed.test"),
        hello(None),
        b"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x16\x03\x01\xff\xff" + b"\x01" * 70_000,
        b"\x15\x03\x01\x00\x02\x01\x00",
        hello("allowed.test").replace(b"allowed.test", b"allowed.tes\0"),
    ],
)
def test_other_tls_or_none_is_cut_off_before_a_byte_passes(said: bytes, upstream: Upstream) -> None:
    with serving("allowed.test", upstream=upstream) as proxy:
        client, line = tunnel(proxy, "allowed.test:443")
        with client:
            assert b" 200 " in line
            with suppress(ConnectionError):
                client.sendall(said)
            assert rest_of(client) == b""
        assert [bool(contact.refused) for contact in contacts(proxy)] == [True]
        assert upstream.said in ([], [b""])


def test_a_client_that_says_nothing_is_cut_off(upstream: Upstream) -> None:
    with serving("allowed.test", upstream=upstream, head_s=0.05) as proxy:
        client, _ = tunnel(proxy, "allowed.test:443")
        with client:
            assert rest_of(client) == b""
        assert contacts(proxy)[0].refused == "no TLS in time"


# --- credentials ---


@pytest.mark.parametrize(
    "line", [b"CONNECT allowed.test:22 HTTP/1.1", b"GET http://allowed.test/ HTTP/1.1"]
)
def test_nothing_is_reached_without_the_password(line: bytes, upstream: Upstream) -> None:
    with serving("allowed.test", "allowed.test:22", upstream=upstream) as proxy:
        for field in (
            b"",
            b"Proxy-Authorization: Basic\r\n",
            b"Proxy-Authorization: Bearer " + proxy.password.encode() + b"\r\n",
            b"Authorization" + credentials(proxy).removeprefix(b"Proxy-Authorization"),
            credentials(proxy, "wrong"),
        ):
            answer = exchange(proxy, line + b"\r\n" + field + b"\r\n")
            assert answer.startswith(b"HTTP/1.1 407 ")
            assert proxy.password.encode() not in answer
        twice = exchange(proxy, line + b"\r\n" + credentials(proxy) * 2 + b"\r\n")
        assert twice.startswith(b"HTTP/1.1 400 ")
        refused = {contact.refused for contact in contacts(proxy)}
        assert refused == {"without the password of the proxy"}
    assert not upstream.asked


def test_each_proxy_has_a_password_of_its_own() -> None:
    with serving() as one, serving() as other:
        assert len(one.password) >= 24
        assert one.password != other.password
        assert one.password in one.environment()["https_proxy"]


def test_programs_are_told_what_not_to_ask_it_for() -> None:
    with serving("example.com") as proxy:
        assert proxy.environment()["no_proxy"] == "localhost,127.0.0.1,::1"
    with serving("localhost:8000") as proxy:
        assert proxy.environment()["NO_PROXY"] == "127.0.0.1,::1"


# --- what clients do wrong ---


@pytest.mark.parametrize(
    "request_, status",
    [
        (b"POST http://a.test/ HTTP/1.1\r\n" + b"Content-Length: 1\r\n" * 2 + b"\r\n", b"400"),
        (b"hello\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x00\xff\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n", b"400"),
        (b"GET https://allowed.test/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET http://user:pw@allowed.test/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET http://allowed.test/ HTTP/2\r\n\r\n", b"400"),
        (b"GET  http://allowed.test/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET http://allowed.test/ HTTP/1.1\nX: y\r\n\r\n", b"400"),
        (b"GET http://allowed.test/ HTTP/1.1\r\nX : y\r\n\r\n", b"400"),
        (b"GET http://allowed.test/ HTTP/1.1\r\nX: a\r\n b\r\n\r\n", b"400"),
        (b"GET http://allowed.test/ HTTP/1.1\r\nX: a\nY: b\r\n\r\n", b"400"),
        (b"GET http://allowed.test/ HTTP/1.1\r\nX: a\0b\r\n\r\n", b"400"),
        (b"POST http://allowed.test/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n", b"400"),
        (b"POST http://allowed.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"CONNECT allowed.test HTTP/1.1\r\n\r\n", b"400"),
        (b"X" * 20_000, b"431"),
        (b"GET http://allowed.test/" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET http://allowed.test/ HTTP/1.1\r\nX: slow", b"408"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_answered_and_goes_nowhere(
    request_: bytes, status: bytes, upstream: Upstream
) -> None:
    with serving("allowed.test", upstream=upstream, head_s=0.3) as proxy:
        first, line_end, rest = request_.partition(b"\r\n")
        if line_end:
            request_ = first + line_end + credentials(proxy) + rest
        assert exchange(proxy, request_).split(b" ")[1] == status
    assert not upstream.asked


def test_clients_that_hang_do_not_keep_others_out(upstream: Upstream) -> None:
    before = threading.active_count()
    with (
        serving("allowed.test:22", upstream=upstream, connections=4, head_s=0.1) as proxy,
        ExitStack() as held,
    ):
        for _ in range(20):
            held.enter_context(connect(proxy)).sendall(b"CONN")
        client, line = tunnel(proxy, "allowed.test:22")
        client.close()
        assert b" 200 " in line
        # The one that accepts, four that serve; two of the host's.
        assert threading.active_count() <= before + 5 + 2


def test_limits_end_a_connection(upstream: Upstream) -> None:
    for limits in ({"idle_s": 0.1}, {"total_s": 0.3}, {"bytes": 1000}):
        with serving("allowed.test:22", upstream=upstream, **limits) as proxy:
            client, _ = tunnel(proxy, "allowed.test:22")
            with client, suppress(ConnectionError):
                if "bytes" in limits:
                    client.sendall(b"x" * 100_000)
                assert len(rest_of(client)) < 100_000


def test_closing_ends_what_is_under_way_and_leaves_no_thread(upstream: Upstream) -> None:
    with ExitStack() as held:
        with serving("allowed.test:22", upstream=upstream) as proxy:
            clients = [held.enter_context(tunnel(proxy, "allowed.test:22")[0]) for _ in range(5)]
            clients.append(held.enter_context(connect(proxy)))
        for client in clients:
            assert rest_of(client) == b""
        assert not [t for t in threading.enumerate() if t.name.startswith("proxy")]
        with pytest.raises(OSError, match=r"refused|reset"):
            connect(proxy)
        proxy.close()


def test_a_look_up_that_hangs_does_not_keep_it_from_closing(upstream: Upstream) -> None:
    asked, over = threading.Event(), threading.Event()

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.set()
        over.wait(GUARD_S)
        return (PUBLIC,)

    proxy = Proxy(
        socket.create_server(("127.0.0.1", 0)),
        [parse("allowed.test:22")],
        resolve=resolve,
        dial=upstream.dial,
    )
    with connect(proxy) as client:
        client.sendall(b"CONNECT allowed.test:22 HTTP/1.1\r\n" + credentials(proxy) + b"\r\n")
        assert asked.wait(GUARD_S)
        start = time.monotonic()
        proxy.close()
        assert time.monotonic() - start < GUARD_S
    over.set()
    for thread in threading.enumerate():
        if thread.name == "proxy connection":
            thread.join(GUARD_S)
    assert upstream.said in ([], [b""])


def test_decisions_are_told_and_counted(upstream: Upstream) -> None:
    told: list[Contact] = []
    proxy = Proxy(
        socket.create_server(("127.0.0.1", 0)),
        [parse("allowed.test:22")],
        tell=told.append,
        resolve=lambda *_: (PUBLIC,),
        dial=upstream.dial,
    )
    with proxy_closed(proxy):
        for target in ("allowed.test:22", "evil\x1b.test:22", "evil.test:22", "evil.test:22"):
            tunnel(proxy, target)[0].close()
        why = "it is not on the list of hosts"
        deadline = time.monotonic() + 10  # each is told by its own connection, in no order
        while sum(count for _, count in proxy.contacts()) < 4 and time.monotonic() < deadline:
            time.sleep(0.005)
        assert dict(proxy.contacts())[Contact("evil.test", 22, why)] == 2
    assert Contact("allowed.test", 22) in told
    assert "evil\\x1b.test:22" in {contact.host for contact in told}
