"""A model that plays the script of a task over the wire, so that no real one is needed.

A turn of a script is an object:

```
{"text": "I look at it.", "calls": [{"tool": "read", "path": "a.py"}, …]}
```

Tools are `read` (path), `write` (path, content), `replace` (path, old, new) and `shell` (cmd), or
any by its own name: `{"tool": "glob", "arguments": {…}}`; arguments that are text go out as they
are, however broken. `"wait_s": 2` in a turn waits before it is played. When the script is over,
the last text is said again; a second try at a task goes on where the first one stopped.

Every request is kept, so that it can be judged what the model was told.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from qcode.errors import UsageError

MODEL = "scripted"
"""What the model is called."""
WINDOW = 32_768
_MESSAGE_TOKENS = 100
"""Of each message of a request: counted so that runs in other folders use as many."""
_LETTERS_A_TOKEN = 4
_TOOLS = {
    "read": ("read_file", {"path": "file_path"}),
    "write": ("write_file", {"path": "file_path", "content": "content"}),
    "replace": ("edit", {"path": "file_path", "old": "old_string", "new": "new_string"}),
    "shell": ("run_shell_command", {"cmd": "command"}),
}
"""A script's own words for what every agent can do, in qcode's."""


def turns_of(script: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the turns of a script that can be played.

    Raises:
        UsageError: a turn or call is none.
    """
    for turn in script:
        for call in turn.get("calls", ()):
            call_of(call)
    return list(script)


def call_of(call: Mapping[str, Any]) -> tuple[str, str]:
    """Return a call's tool and its arguments as text.

    Raises:
        UsageError: it is none.
    """
    if "arguments" in call:
        arguments = call["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        return str(call.get("tool", "")), text
    try:
        name, fields = _TOOLS[call["tool"]]
        return name, json.dumps({theirs: call[ours] for ours, theirs in fields.items()})
    except KeyError as error:
        raise UsageError(
            f"a call of a script lacks or does not know {error}",
            hint=f"`tool` is one of {', '.join(_TOOLS)}, or say its `arguments`",
        ) from error


class ScriptedModel:
    """A server on loopback that plays one script; each request takes the next turn."""

    def __init__(self, script: Sequence[Mapping[str, Any]], requests: Path | None = None) -> None:
        """Prepare it; requests are appended to a file, a line each.

        Raises:
            UsageError: the script is none.
        """
        self._turns = turns_of(script)
        self._requests = requests
        self._lock = threading.Lock()
        self._played = 0
        self._calls = 0
        self._read = 0
        said = [str(turn["text"]) for turn in self._turns if turn.get("text")]
        self._last = said[-1] if said else "Done."
        self._server: ThreadingHTTPServer | None = None

    @property
    def base_url(self) -> str:
        """The endpoint; only while it serves."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"player": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(self, *_why: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def next(self, raw: bytes) -> tuple[Mapping[str, Any], list[tuple[str, str, str]], Any]:
        """Take in a request; return the turn, its calls (id, tool, arguments) and the usage.

        Raises:
            ValueError: the request is no JSON object.
        """
        request = json.loads(raw)
        with self._lock:
            if self._requests is not None:
                with self._requests.open("ab") as file:
                    file.write(json.dumps(request, ensure_ascii=False).encode() + b"\n")
            over = self._played >= len(self._turns)
            turn: Mapping[str, Any] = {"text": self._last} if over else self._turns[self._played]
            self._played += 1
            calls = []
            for call in turn.get("calls", ()):
                self._calls += 1
                calls.append((f"call_{self._calls:04d}", *call_of(call)))
            read = _MESSAGE_TOKENS * len(request.get("messages", ()))
            letters = sum(len(text) for each in calls for text in each)
            written = 1 + (len(str(turn.get("text", ""))) + letters) // _LETTERS_A_TOKEN
            usage = {
                "prompt_tokens": read,
                "completion_tokens": written,
                "total_tokens": read + written,
                "prompt_tokens_details": {"cached_tokens": min(self._read, read)},
            }
            self._read = read
        return turn, calls, usage


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    player: ScriptedModel

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Tell which model there is."""
        if not self.path.rstrip("/").endswith("/models"):
            self._send(404, {"error": {"message": "there is nothing here"}})
            return
        model = {"id": MODEL, "object": "model", "owned_by": "evals", "max_model_len": WINDOW}
        self._send(200, {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        """Play the next turn."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.path.endswith("/chat/completions"):
            self._send(404, {"error": {"message": "only chat completions are served"}})
            return
        try:
            turn, calls, usage = self.player.next(raw)
        except ValueError:
            self._send(400, {"error": {"message": "the request is no JSON"}})
            return
        time.sleep(float(turn.get("wait_s", 0)))
        wants = json.loads(raw)
        text = str(turn.get("text", ""))
        try:
            if wants.get("stream"):
                self._stream(_chunks(text, calls, usage))
            else:
                self._send(200, _whole(text, calls, usage))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # whoever asked is gone: ended at its limit, say

    def _send(self, status: int, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, chunks: Iterator[Mapping[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        events = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
        for data in (*events, b"data: [DONE]\n\n"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")


def _chunks(
    text: str, calls: Sequence[tuple[str, str, str]], usage: Any
) -> Iterator[Mapping[str, Any]]:
    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> Mapping[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"object": "chat.completion.chunk", "model": MODEL, "choices": [choice]}

    yield chunk({"role": "assistant", "content": text or None})
    for index, (call_id, name, arguments) in enumerate(calls):
        function = {"name": name, "arguments": arguments}
        call = {"index": index, "id": call_id, "type": "function", "function": function}
        yield chunk({"tool_calls": [call]})
    yield chunk({}, "tool_calls" if calls else "stop")
    yield {"object": "chat.completion.chunk", "model": MODEL, "choices": [], "usage": usage}


def _whole(text: str, calls: Sequence[tuple[str, str, str]], usage: Any) -> Mapping[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text or None}
    if calls:
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in calls
        ]
    finish = "tool_calls" if calls else "stop"
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"object": "chat.completion", "model": MODEL, "choices": [choice], "usage": usage}
