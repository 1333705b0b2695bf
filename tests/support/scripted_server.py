"""A model server that plays a script: real HTTP/1.1 and SSE over a loopback socket.

```python
with ScriptedServer([call("read_file", file_path="a.py"), text("done")]) as server:
    provider = ChatProvider(base_url=server.base_url, model="scripted")
    ...
    assert server.requests[1].json["messages"][-1]["role"] == "tool"
```

Each chat request takes the next reply of the script. A reply is a `Stream`
(SSE items, in order), a `Whole` (one plain HTTP reply), or a callable that
gets the `Seen` request and returns one of them. The builders below make them.
A client that does not ask for `stream` gets the same reply as one JSON object.

Run alone: `python tests/support/scripted_server.py --steps 3` prints its base URL.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self, TypeAlias

Json: TypeAlias = dict[str, Any]

USAGE: Json = {
    "prompt_tokens": 1000,
    "completion_tokens": 20,
    "total_tokens": 1020,
    "prompt_tokens_details": {"cached_tokens": 0},
}


# ------------------------------------------------------------------ items of a stream


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing for `seconds`; 0 only ends the write, so that what follows is its own packet."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Until:
    """Nothing until the test sets the event (or the client leaves)."""

    event: threading.Event


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing more until the client leaves."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends here; with `reset` by RST, else by FIN."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class Raw:
    """These bytes in the body as they are, with no SSE around them."""

    data: bytes


Item: TypeAlias = "Json | Raw | Pause | Until | Stall | Cut"
"""A JSON object goes out as one SSE event; id and model are added to chunks."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An SSE reply: `before` any header, then the items in order."""

    items: tuple[Item, ...]
    before: tuple[Item, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = True
    """False: no Transfer-Encoding; the end of the connection is the end of the body."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A reply in one piece; `promised` is a Content-Length that need not be true."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    promised: int | None = None
    before: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A request as it arrived. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    at: float
    """`time.monotonic()` when it was whole."""
    connection: int
    """1 for the first connection that the server accepted."""
    query: str = ""
    """What stands behind the path's question mark."""
    left: threading.Event = field(default_factory=threading.Event)
    """Set when the client went away before the reply was whole."""
    answered: threading.Event = field(default_factory=threading.Event)
    """Set when the reply has been written, whole or cut."""

    @cached_property
    def json(self) -> Any:
        """The parsed body; {} if there is none."""
        return json.loads(self.raw or b"{}")


Reply: TypeAlias = Stream | Whole
Script: TypeAlias = "Sequence[Reply | Callable[[Seen], Reply]] | Callable[[Seen], Reply]"


# ------------------------------------------------------------------ builders

DONE = Raw(b"data: [DONE]\n\n")


def delta(finish: str | None = None, /, **fields: Any) -> Json:
    """Return one chunk with `fields` in its delta."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def usage_chunk(usage: Json) -> Json:
    return {"choices": [], "usage": usage}


def stream(
    *items: Item,
    finish: str | None = "stop",
    usage: Json | None = USAGE,
    done: bool = True,
) -> Stream:
    """Return `items` followed by the usual end: finish reason, usage, [DONE]."""
    end: list[Item] = []
    if finish is not None:
        end.append(delta(finish))
    if usage is not None:
        end.append(usage_chunk(usage))
    if done:
        end.append(DONE)
    return Stream((*items, *end))


def raw(*items: Item) -> Stream:
    """Return exactly these items: no finish reason, no [DONE]."""
    return Stream(items)


def pieces(whole: str, count: int) -> list[str]:
    """Cut a text into at most `count` pieces of about equal size."""
    size = max(1, -(-len(whole) // max(1, count)))
    return [whole[i : i + size] for i in range(0, len(whole), size)]


def _spaced(items: Sequence[Item], delay: float | None) -> list[Item]:
    if delay is None:
        return list(items)
    return [x for item in items for x in (item, Pause(delay))]


def text(
    content: str,
    *,
    reasoning: str = "",
    chunks: int = 2,
    delay: float | None = None,
    finish: str = "stop",
    usage: Json | None = USAGE,
) -> Stream:
    """Return an answer in words, written in `chunks` pieces `delay` seconds apart."""
    items: list[Item] = [delta(role="assistant", content="")]
    items += [delta(reasoning_content=p) for p in pieces(reasoning, chunks)]
    items += [delta(content=p) for p in pieces(content, chunks)]
    return stream(*_spaced(items, delay), finish=finish, usage=usage)


_ids = iter(range(1, sys.maxsize))


def call_items(
    name: str, arguments: str, *, index: int = 0, call_id: str | None = None, chunks: int = 2
) -> list[Item]:
    """Return the deltas of one native call; `arguments` go out as they are."""
    opening = {
        "index": index,
        "id": call_id or f"call_{next(_ids):08d}",
        "type": "function",
        "function": {"name": name, "arguments": ""},
    }
    return [
        delta(tool_calls=[opening]),
        *(
            delta(tool_calls=[{"index": index, "function": {"arguments": p}}])
            for p in pieces(arguments, chunks)
        ),
    ]


def calls(
    *wanted: tuple[str, Mapping[str, Any] | str],
    content: str = "",
    reasoning: str = "",
    chunks: int = 2,
    delay: float | None = None,
    finish: str = "tool_calls",
    usage: Json | None = USAGE,
) -> Stream:
    """Return an answer with several calls, each (name, arguments or their raw text)."""
    items: list[Item] = [delta(role="assistant", content=None)]
    items += [delta(reasoning_content=p) for p in pieces(reasoning, chunks)]
    items += [delta(content=p) for p in pieces(content, chunks)]
    for index, (name, arguments) in enumerate(wanted):
        written = arguments if isinstance(arguments, str) else json.dumps(arguments)
        items += call_items(name, written, index=index, chunks=chunks)
    return stream(*_spaced(items, delay), finish=finish, usage=usage)


def call(name: str, /, **arguments: Any) -> Stream:
    """Return an answer that calls one tool."""
    return calls((name, arguments))


def cut(reply: Stream, after: int | None = None, *, reset: bool = False) -> Stream:
    """Return the reply with its connection ended after `after` JSON events (None: half)."""
    wanted = sum(isinstance(i, dict) for i in reply.items) // 2 if after is None else after
    return replace(reply, items=(*_first_events(reply, wanted), Pause(), Cut(reset)))


def stall(reply: Stream, after: int = 0) -> Stream:
    """Return the reply, silent for ever after `after` JSON events."""
    return replace(reply, items=(*_first_events(reply, after), Stall()))


def _first_events(reply: Stream, count: int) -> list[Item]:
    out: list[Item] = []
    for item in reply.items:
        if isinstance(item, dict):
            if count == 0:
                break
            count -= 1
        out.append(item)
    return out


def silent(reply: Stream, seconds: float) -> Stream:
    """Return the reply with nothing, not even a header, for the first `seconds`."""
    return replace(reply, before=(Pause(seconds),))


def prefill(
    reply: Stream, *, total: int, cache: int = 0, steps: int = 4, delay: float = 0.0
) -> Stream:
    """Return the reply after llama.cpp's progress reports on reading the prompt."""
    reports: list[Item] = []
    for n in range(steps + 1):
        processed = cache + (total - cache) * n // max(1, steps)
        progress = {"total": total, "cache": cache, "processed": processed, "time_ms": n}
        reports.append({**delta(role="assistant", content=None), "prompt_progress": progress})
    return replace(reply, items=(*_spaced(reports, delay), *reply.items))


def empty(finish: str = "stop") -> Stream:
    """Return a whole answer with nothing in it."""
    return stream(delta(role="assistant", content=""), finish=finish)


def error_chunk(message: str, **fields: Any) -> Json:
    """Return the object with which servers report an error inside a stream."""
    return {"error": {"message": message, **fields}}


def whole(message: Json, *, finish: str = "stop", usage: Json | None = USAGE) -> Whole:
    """Return a chat.completion object: what a server answers that ignores `stream`."""
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage,
    }
    return Whole(json.dumps(answer).encode())


def fault(
    status: int,
    message: str = "",
    *,
    retry_after: float | str | None = None,
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> Whole:
    """Return an HTTP error with an OpenAI-like body; `fields` join its error object."""
    sent = dict(headers or {})
    if retry_after is not None:
        sent["Retry-After"] = str(retry_after)
    error = {"message": message or f"scripted error {status}", **fields}
    return Whole(json.dumps({"error": error}).encode(), status, sent)


def html(status: int = 200, page: str = "<!DOCTYPE html><html><h1>Welcome</h1></html>") -> Whole:
    return Whole(page.encode(), status, content_type="text/html")


# ------------------------------------------------------------------ the server

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


class ScriptedServer:
    """Serves the script on a free port of 127.0.0.1 from threads of its own.

    `requests` are the chat requests, `others` all else; both in order of
    arrival. After the script's end every chat request gets `then`, or a 400
    that says so, which no client should try again. `routes` (path to reply)
    stand before the server's own replies to what is no chat request.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        then: Reply | None = None,
        key: str | None = None,
        models: Sequence[str] = ("scripted",),
        check_model: bool = False,
        refuse: Sequence[str] = (),
        context: int = 32768,
        slots: int = 1,
        routes: Mapping[str, Reply | Callable[[Seen], Reply]] | None = None,
        keep_alive: bool = True,
        keep_bodies: bool = True,
        port: int = 0,
    ) -> None:
        self.requests: list[Seen] = []
        self.others: list[Seen] = []
        self.connections = 0
        self._script = script
        self._then = then
        self._key = key
        self._models = models
        self._slots = slots
        self._check_model = check_model
        self._refuse = refuse
        self._context = context
        self._routes = routes or {}
        self._keep_alive = keep_alive
        self._keep_bodies = keep_bodies
        self._position = 0
        self._arrived = threading.Condition()
        self._stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="scripted-server", daemon=True)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all connections and stop listening; a second call does nothing."""
        self._stopping.set()
        self.stop_listening()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop_listening(self) -> None:
        """Refuse new connections; those that are open stay so."""
        try:
            # Closing alone would not wake the thread that waits in accept().
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    def drop_connections(self) -> None:
        """End every open connection, as a server does with those kept alive too long."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def wait_for(self, count: int, timeout: float = 10.0) -> Seen:
        """Block until `count` chat requests have arrived; return the last of them."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"{len(self.requests)} of {count} requests arrived")
            return self.requests[count - 1]

    def since_last_request(self) -> float | None:
        """Return the seconds since the last chat request arrived; None before the first."""
        return time.monotonic() - self.requests[-1].at if self.requests else None

    # -- connections

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            number = self.connections
            threading.Thread(
                target=self._serve, args=(connection, number), name="scripted-client", daemon=True
            ).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = bytearray()
        try:
            while not self._stopping.is_set():
                seen = _read_request(connection, buffer, number)
                if seen is None or not self._answer(connection, seen):
                    return
        except OSError:
            return
        finally:
            self._open.discard(connection)
            connection.close()

    def _answer(self, connection: socket.socket, seen: Seen) -> bool:
        """Reply to one request; return whether the connection stays open."""
        is_chat = seen.method == "POST" and seen.path == "/v1/chat/completions"
        reply = self._chat(seen) if is_chat else self._other(seen)
        writer = _Writer(connection, seen, self._stopping)
        asked_to_close = seen.headers.get("connection", "").lower() == "close"
        keep = self._keep_alive and not asked_to_close
        try:
            return writer.send(reply, keep)
        except OSError:
            seen.left.set()
            return False
        finally:
            seen.answered.set()

    def _chat(self, seen: Seen) -> Reply:
        with self._arrived:
            self.requests.append(seen if self._keep_bodies else replace(seen, raw=b""))
            self._arrived.notify_all()
        refusal = self._refusal(seen)
        if refusal:
            return refusal
        if callable(self._script):
            reply = self._script(seen)
        else:
            with self._arrived:
                position = self._position
                self._position += 1
            if position < len(self._script):
                entry = self._script[position]
                reply = entry(seen) if callable(entry) else entry
            elif self._then:
                reply = self._then
            else:
                reply = fault(400, f"the script has only {len(self._script)} replies")
        if isinstance(reply, Stream) and not seen.json.get("stream"):
            return _fold(reply)
        return reply

    def _refusal(self, seen: Seen) -> Whole | None:
        if self._key is not None and seen.headers.get("authorization") != f"Bearer {self._key}":
            return fault(401, "Incorrect API key provided", code="invalid_api_key")
        model = seen.json.get("model") if self._check_model else None
        if self._check_model and model not in self._models:
            return fault(404, f"The model `{model}` does not exist", code="model_not_found")
        for name in self._refuse:
            if name in seen.json:
                return fault(400, f"Unrecognized request argument supplied: {name}", param=name)
        return None

    def _other(self, seen: Seen) -> Reply:
        self.others.append(seen)
        route = self._routes.get(seen.path)
        if route is not None:
            return route(seen) if callable(route) else route
        match seen.path:
            case "/v1/models" | "/models":
                served = [
                    {"id": m, "object": "model", "meta": {"n_ctx_train": self._context}}
                    for m in self._models
                ]
                return Whole(json.dumps({"object": "list", "data": served}).encode())
            case "/health":
                return Whole(b'{"status":"ok"}')
            case "/props":
                props = {
                    "default_generation_settings": {"n_ctx": self._context},
                    "total_slots": self._slots,
                    "model_path": f"/models/{self._models[0]}.gguf",
                    "chat_template": "",
                }
                return Whole(json.dumps(props).encode())
            case _:
                return fault(404, "File Not Found", type="not_found_error")


def _read_request(connection: socket.socket, buffer: bytearray, number: int) -> Seen | None:
    """Return the next request, or None once the client has closed the connection."""

    def more() -> bool:
        data = connection.recv(1 << 16)
        buffer.extend(data)
        return bool(data)

    while (end := buffer.find(b"\r\n\r\n")) < 0:
        if not more():
            return None
    lines = bytes(buffer[:end]).decode("latin-1").split("\r\n")
    del buffer[: end + 4]
    method, path, _ = lines[0].split(" ", 2)
    headers = {k.strip().lower(): v.strip() for k, _, v in (x.partition(":") for x in lines[1:])}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        raise OSError("the scripted server does not read chunked requests")
    length = int(headers.get("content-length", "0"))
    while len(buffer) < length:
        if not more():
            return None
    body = bytes(buffer[:length])
    del buffer[:length]
    path, _, query = path.partition("?")
    return Seen(method, path, headers, body, time.monotonic(), number, query)


class _Writer:
    """Writes one reply, with as few packets as its pauses allow."""

    def __init__(self, connection: socket.socket, seen: Seen, stopping: threading.Event) -> None:
        self._connection = connection
        self._seen = seen
        self._stopping = stopping
        self._pending = bytearray()
        self._chunked = False

    def send(self, reply: Reply, keep: bool) -> bool:
        """Write the reply; return whether the connection can take another request."""
        for item in reply.before:
            if not self._item(item, ""):
                return False
        if isinstance(reply, Whole):
            length = len(reply.body) if reply.promised is None else reply.promised
            self._head(
                reply.status,
                {"Content-Type": reply.content_type, "Content-Length": length, **reply.headers},
                keep,
            )
            self._pending += reply.body
            self._flush()
            return keep and length == len(reply.body)
        keep = keep and reply.chunked
        framing = {"Transfer-Encoding": "chunked"} if reply.chunked else {}
        kind = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        self._head(200, {**kind, **framing, **reply.headers}, keep)
        self._chunked = reply.chunked
        model = str(self._seen.json.get("model", ""))
        for item in reply.items:
            if not self._item(item, model):
                return False
        if reply.chunked:
            self._pending += b"0\r\n\r\n"
        self._flush()
        return keep

    def _head(self, status: int, headers: Mapping[str, object], keep: bool) -> None:
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Scripted')}"]
        headers = {"Server": "scripted", **headers}
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"Connection: {'keep-alive' if keep else 'close'}")
        self._pending += "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _item(self, item: Item, model: str) -> bool:
        """Write or wait as the item says; return False if the connection is over."""
        match item:
            case Raw(data):
                self._body(data)
            case Pause(seconds):
                self._flush()
                return self._idle(lambda: False, seconds)
            case Until(event):
                self._flush()
                return self._idle(event.is_set, None)
            case Stall():
                self._flush()
                return self._idle(lambda: False, None)
            case Cut(reset):
                self._flush()
                if reset:
                    # Closing with a linger time of zero sends RST instead of FIN.
                    linger = struct.pack("ii", 1, 0)
                    self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return False
            case _:
                chunk = item
                if "choices" in item:
                    names = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1}
                    chunk = {**names, "model": model, **item}
                self._body(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        return True

    def _body(self, data: bytes) -> None:
        self._pending += b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data

    def _flush(self) -> None:
        if self._pending:
            self._connection.sendall(self._pending)
            self._pending.clear()

    def _idle(self, over: Callable[[], bool], seconds: float | None) -> bool:
        """Wait; return False if the client left or the server stops meanwhile."""
        end = None if seconds is None else time.monotonic() + seconds
        while not over():
            left = 0.01 if end is None else min(0.01, end - time.monotonic())
            if left <= 0:
                return True
            if self._stopping.is_set():
                return False
            if select.select([self._connection], [], [], left)[0]:
                if not self._connection.recv(1, socket.MSG_PEEK):
                    self._seen.left.set()
                    return False
                # A request sent ahead is no reason to end the wait.
                time.sleep(left)
        return True


def _fold(reply: Stream) -> Whole:
    """Return the stream as the one object that a client without `stream` expects."""
    message: Json = {"role": "assistant", "content": None}
    found: dict[int, Json] = {}
    finish: str | None = None
    usage: Json | None = None
    for item in reply.items:
        if not isinstance(item, dict):
            continue
        if "error" in item:
            return Whole(json.dumps(item).encode(), 500)
        usage = item.get("usage") or usage
        for choice in item.get("choices", ()):
            finish = choice.get("finish_reason") or finish
            for name in ("content", "reasoning_content"):
                if choice["delta"].get(name):
                    message[name] = (message.get(name) or "") + choice["delta"][name]
            for part in choice["delta"].get("tool_calls") or ():
                blank = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
                slot = found.setdefault(part.get("index", 0), blank)
                slot["id"] = part.get("id") or slot["id"]
                for name, value in part.get("function", {}).items():
                    slot["function"][name] += value or ""
    if found:
        message["tool_calls"] = list(found.values())
    return whole(message, finish=finish or "stop", usage=usage)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--steps", type=int, default=3, help="calls before the final text")
    parser.add_argument("--tool", default="shell", help="name of the tool that is called")
    parser.add_argument(
        "--arguments", default='{"command":"echo step-%d"}', help="JSON; %%d is the step's number"
    )
    parser.add_argument("--final", default="ALL-DONE", help="the final text")
    options = parser.parse_args()
    script = [
        calls((options.tool, options.arguments.replace("%d", str(n))))
        for n in range(1, options.steps + 1)
    ]
    with ScriptedServer(
        script, then=text(options.final), port=options.port, keep_bodies=False
    ) as server:
        print(server.base_url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
