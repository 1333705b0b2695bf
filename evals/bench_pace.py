"""A model on loopback that writes a long answer at an even pace, as a real one would."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever asked was ended."""


class PacedServer:
    """Answers each request with the same tokens, so many a second."""

    def __init__(self, tokens: Sequence[str], tokens_s: float) -> None:
        self.tokens, self.tokens_s = tokens, tokens_s
        self.sent_at: dict[int, float] = {}
        """When each token left (monotonic), by its place; of the latest answer."""
        self.finished = threading.Event()
        """Set when the whole answer has been sent."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = b'{"object": "list", "data": []}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                try:
                    outer._write(self.wfile.write)
                except OSError:
                    pass  # whoever asked is gone

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _write(self, send: Callable[[bytes], object]) -> None:
        begin = time.monotonic()
        for place, token in enumerate(self.tokens):
            wait = begin + place / self.tokens_s - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            send(_event({"content": token}, None))
            self.sent_at[place] = time.monotonic()
        send(_event({}, "stop") + b"data: [DONE]\n\n")
        self.finished.set()


def _event(delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {
        "id": "paced-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "paced",
        "choices": [choice],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
