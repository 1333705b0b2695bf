"""A wire between qcode and a llama.cpp server that keeps what went over it, and what was counted.

It stands on loopback and passes bytes on as they come. A client that leaves is
noticed with the next piece of the answer, and the server is left in turn.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

TIMEOUT_S = 900.0
"""A long prompt on a busy machine takes minutes, and so may one batch of it."""


@dataclass(slots=True)
class Sent:
    """One request for an answer, with what the server said of it. Counts are tokens."""

    body: dict[str, Any]
    cached: int = 0
    """Of the prompt, reused."""
    read: int = 0
    """Of the prompt, read anew."""
    held: int = 0
    """Of the prompt, in the server's memory when the answer ended or was given up."""
    written: int = 0
    """Of the answer."""
    pieces: int = 0
    """Events of the answer that held some of it: a token each, or more."""
    text: str = ""
    """Of the answer; without its calls, where the server takes them out."""
    ended: bool = False
    """Whether the server gave its final counts: false where the client left before."""
    prompt: list[int] = field(default_factory=list)
    """Filled in by `Wire.tokens`."""

    def see(self, event: dict[str, Any]) -> None:
        """Take what one event of the answer tells."""
        progress = event.get("prompt_progress")
        if isinstance(progress, dict):
            self.cached = int(progress.get("cache") or 0)
            self.held = int(progress.get("processed") or 0)
            self.read = self.held - self.cached
        for choice in event.get("choices") or ():
            said = choice.get("delta") or {}
            self.pieces += bool(said.get("content") or said.get("tool_calls"))
            self.text += said.get("content") or ""
        timings = event.get("timings")
        if isinstance(timings, dict):
            self.cached, self.read = int(timings["cache_n"]), int(timings["prompt_n"])
            self.held, self.written = self.cached + self.read, int(timings["predicted_n"])
            self.ended = True


class Wire:
    """Runs until closed; `sent` grows by one with each request for an answer."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        self.sent: list[Sent] = []
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._pass_on("GET", b"")

            def do_POST(self) -> None:
                self._pass_on("POST", self.rfile.read(int(self.headers["Content-Length"])))

            def _pass_on(self, method: str, body: bytes) -> None:
                # One answer a connection: where the client leaves, so does everything here.
                self.close_connection = True
                with contextlib.suppress(OSError, http.client.HTTPException):
                    wire._pass_on(self, method, body)

            def log_message(self, format: str, *args: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}{parts.path}"

    def close(self) -> None:
        """Take no more connections."""
        self._server.shutdown()
        self._server.server_close()

    def tokens(self, sent: Sent) -> list[int]:
        """Return the prompt as the server's own template and tokenizer make it."""
        if not sent.prompt:
            rendered = self._ask(
                "/apply-template",
                {key: sent.body[key] for key in ("messages", "tools") if key in sent.body},
            )
            wanted = {"content": rendered["prompt"], "add_special": True, "parse_special": True}
            sent.prompt = self._ask("/tokenize", wanted)["tokens"]
        return sent.prompt

    def _ask(self, path: str, body: object) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"{path} answers {answer.status}: {answer.read(400)!r}")
            return cast("dict[str, Any]", json.loads(answer.read()))

    def _pass_on(self, handler: BaseHTTPRequestHandler, method: str, body: bytes) -> None:
        sent = None
        if handler.path.endswith("/chat/completions"):
            sent = Sent(json.loads(body))
            self.sent.append(sent)
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request(method, handler.path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            handler.send_response(answer.status)
            handler.send_header("Content-Type", answer.getheader("Content-Type", ""))
            handler.send_header("Connection", "close")
            handler.end_headers()
            for line in _lines(answer):
                if sent is not None and line.startswith(b"data: {"):
                    sent.see(json.loads(line.removeprefix(b"data: ")))
                handler.wfile.write(line)
                handler.wfile.flush()


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while line := answer.readline():
        yield line
