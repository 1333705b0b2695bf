"""A server that answers each POST with the next reply of a script, for any SSE format.

The formats stand on top of it: `responses_server.py`, `anthropic_server.py`.
"""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, TypeAlias

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Events:
    """An SSE reply. Every event has a `type`, which is also its SSE event name."""

    events: tuple[Json, ...]
    stall: bool = False
    """After the events nothing more, until the client leaves."""
    cut: bool = False
    """After the events the connection ends, in the middle of the body."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A reply in one piece."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Reply: TypeAlias = Events | Plain


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived; header names in lower case."""

    path: str
    headers: Mapping[str, str]
    json: Json
    left: threading.Event
    """Set when the client went away before the reply was whole."""


class SseServer:
    """Plays `script` on a free port of 127.0.0.1 and keeps the requests."""

    def __init__(self, script: Sequence[Reply]) -> None:
        self.requests: list[Seen] = []
        self._script = list(script)
        self._stopping = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.path, headers, json.loads(body), threading.Event())
                server.requests.append(seen)
                reply = server._script[len(server.requests) - 1]
                if isinstance(reply, Plain):
                    self._plain(reply)
                else:
                    self._events(reply, seen)

            def _plain(self, reply: Plain) -> None:
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(reply.body)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            def _events(self, reply: Events, seen: Seen) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream; charset=utf-8")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for event in reply.events:
                    text = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
                if reply.stall:
                    self._wait_until_left(seen)
                if reply.stall or reply.cut:
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")

            def _wait_until_left(self, seen: Seen) -> None:
                while not server._stopping.is_set():
                    if select.select([self.connection], [], [], 0.02)[0]:
                        if not self.connection.recv(1, socket.MSG_PEEK):
                            seen.left.set()
                        return

            def log_message(self, format: str, *args: object) -> None:
                """Keep quiet."""

        return Handler
