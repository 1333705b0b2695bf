"""The proxy as commands in a sandbox see it: the one way out of it."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from qcode.sandbox.bubblewrap import Bubblewrap, find
from qcode.sandbox.hosts import parse
from qcode.sandbox.policy import Confinement, Network
from qcode.sandbox.proxy import Proxy
from qcode.sandbox.unavailable import Unavailable

PROGRAM = find((), "/usr/bin")
GUARD_S = 30.0

pytestmark = pytest.mark.skipif(not PROGRAM, reason="bubblewrap is not installed")

_CLIENT = """
import socket, sys, urllib.request, urllib.error
listed, other = sys.argv[1:]
def said(url):
    try:
        return urllib.request.urlopen(url, timeout=10).read().decode()
    except OSError as error:
        return str(error)
print(said(f"http://127.0.0.1:{listed}/"))
print(said(f"http://127.0.0.1:{other}/"))
try:
    socket.create_connection(("127.0.0.1", int(listed)), 5)
    print("connected")
except OSError:
    print("not connected")
try:
    print(socket.getaddrinfo("example.com", 80))
except OSError:
    print("not looked up")
"""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"reached")

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_command_reaches_what_is_listed_through_it_and_nothing_else(tmp_path: Path) -> None:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _Handler) for _ in range(2)]
    ports = [server.server_address[1] for server in servers]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with closing(Bubblewrap(PROGRAM, seen=[str(tmp_path), sys.prefix])) as bubblewrap:
        try:
            listener = bubblewrap.listen(3128)
        except Unavailable as error:
            pytest.skip(str(error))
        with closing(Proxy(listener, [parse(f"127.0.0.1:{ports[0]}")])) as proxy:
            child = bubblewrap.start(
                [sys.executable, "-I", "-c", _CLIENT, *map(str, ports)],
                cwd=str(tmp_path),
                env={"PATH": "/usr/bin:/bin", **proxy.environment()},
                confinement=Confinement(writable=(str(tmp_path),), network=Network.PROXY),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            with closing(child):
                assert child.stdout is not None
                out = child.stdout.read().decode()
                child.wait(GUARD_S)
            assert out.splitlines() == [
                "reached",
                "HTTP Error 403: Forbidden",
                "not connected",
                "not looked up",
            ]
            assert [(c.port, bool(c.refused)) for c, _ in proxy.contacts()] == [
                (ports[0], False),
                (ports[1], True),
            ]
    for server in servers:
        server.shutdown()
        server.server_close()
