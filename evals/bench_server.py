"""A model server on loopback that plays a script and notes when each request arrives.

It speaks the four wires that terminal agents speak, so that the same script can be played
to all of them. Each reply leaves in one write: what is measured is the agent.
"""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

Json: TypeAlias = dict[str, Any]
Frames: TypeAlias = "Iterator[tuple[str, Json | str]]"
"""Server-sent events: name (may be empty) and data."""

SHELL_TOOLS = (
    *("run_shell_command", "exec_command", "shell_command", "bash", "Bash", "Shell", "shell"),
    *("execute_bash", "terminal", "run_command"),
)
COMMAND_KEYS = ("command", "cmd", "script")
FINAL = "All done."


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says next: words, or a call of the tool `name`."""

    text: str = ""
    name: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)
    call_id: str = ""
    namespace: str = ""
    """Of the tool, on wires that group tools."""

    @property
    def raw_arguments(self) -> str:
        """The arguments as JSON text."""
        return json.dumps(self.arguments)


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool as a request offers it."""

    name: str
    schema: Json
    namespace: str = ""


# ------------------------------------------------------------------ the wires


class Chat:
    """Chat Completions."""

    suffix = "/chat/completions"
    history = "messages"

    @staticmethod
    def tools(body: Json) -> list[Offered]:
        """Return the tools of a request."""
        functions = [tool["function"] for tool in body.get("tools") or () if "function" in tool]
        return [Offered(f["name"], f.get("parameters") or {}) for f in functions]

    @staticmethod
    def system(body: Json) -> list[object]:
        """Return the parts of a request that instruct the model."""
        return [m.get("content") for m in body.get("messages", ()) if m["role"] in _INSTRUCTING]

    @staticmethod
    def whole(reply: Reply, body: Json) -> Json:
        """Return the reply as one object, for a client that does not stream."""
        message: Json = {"role": "assistant", "content": reply.text or None}
        if reply.name:
            message["tool_calls"] = [Chat._call(reply)]
        choice = {"index": 0, "message": message, "finish_reason": Chat._finish(reply)}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1}
        return {**head, "model": body.get("model"), "choices": [choice], "usage": _CHAT_USAGE}

    @staticmethod
    def frames(reply: Reply, body: Json) -> Frames:
        """Yield the reply as a stream."""
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1}
        head["model"] = body.get("model") or ""

        def chunk(delta: Json, finish: str | None = None) -> tuple[str, Json]:
            return "", {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

        yield chunk({"role": "assistant", "content": ""})
        if reply.name:
            call = Chat._call(reply)
            function = {"name": reply.name, "arguments": ""}
            yield chunk({"tool_calls": [{"index": 0, **call, "function": function}]})
            for part in _halves(reply.raw_arguments):
                yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
        else:
            for part in _halves(reply.text):
                yield chunk({"content": part})
        yield chunk({}, Chat._finish(reply))
        yield "", {**head, "choices": [], "usage": _CHAT_USAGE}
        yield "", "[DONE]"

    @staticmethod
    def _call(reply: Reply) -> Json:
        function = {"name": reply.name, "arguments": reply.raw_arguments}
        return {"id": reply.call_id, "type": "function", "function": function}

    @staticmethod
    def _finish(reply: Reply) -> str:
        return "tool_calls" if reply.name else "stop"


class Responses:
    """The Responses API."""

    suffix = "/responses"
    history = "input"

    @staticmethod
    def tools(body: Json) -> list[Offered]:
        """Return the tools of a request, those inside namespaces too."""
        out = []
        for tool in body.get("tools") or ():
            inner = tool.get("tools")
            space = tool.get("name", "") if inner else ""
            for one in inner or (tool,):
                name = one.get("name") or one.get("type") or ""
                out.append(Offered(name, one.get("parameters") or {}, space))
        return out

    @staticmethod
    def system(body: Json) -> list[object]:
        """Return the parts of a request that instruct the model."""
        items = [i for i in _items(body.get("input")) if i.get("role") in _INSTRUCTING]
        return [body.get("instructions"), *(item.get("content") for item in items)]

    @staticmethod
    def whole(reply: Reply, body: Json) -> Json:
        """Return the finished response."""
        usage = {
            "input_tokens": 1000,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 1020,
        }
        head = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed"}
        output = [Responses._output(reply)]
        return {**head, "model": body.get("model"), "output": output, "usage": usage}

    @staticmethod
    def frames(reply: Reply, body: Json) -> Frames:
        """Yield the reply as a stream."""
        done = Responses.whole(reply, body)
        item = Responses._output(reply)
        place = {"item_id": item["id"], "output_index": 0}
        events: list[Json] = []
        begun = {**done, "status": "in_progress", "output": [], "usage": None}
        events.append({"type": "response.created", "response": begun})
        started: Json = {**item, "status": "in_progress"}
        started["arguments" if reply.name else "content"] = "" if reply.name else []
        events.append({"type": "response.output_item.added", "output_index": 0, "item": started})
        if reply.name:
            kind = "response.function_call_arguments"
            for part in _halves(reply.raw_arguments):
                events.append({"type": f"{kind}.delta", **place, "delta": part})
            events.append({"type": f"{kind}.done", **place, "arguments": reply.raw_arguments})
        else:
            kind = "response.output_text"
            for part in _halves(reply.text):
                events.append({"type": f"{kind}.delta", **place, "content_index": 0, "delta": part})
        events.append({"type": "response.output_item.done", "output_index": 0, "item": item})
        events.append({"type": "response.completed", "response": done})
        for number, event in enumerate(events):
            yield event["type"], {**event, "sequence_number": number}

    @staticmethod
    def _output(reply: Reply) -> Json:
        if not reply.name:
            content = [{"type": "output_text", "text": reply.text, "annotations": []}]
            head = {"type": "message", "id": "msg_1", "role": "assistant"}
            return {**head, "status": "completed", "content": content}
        call = {"call_id": reply.call_id, "name": reply.name, "arguments": reply.raw_arguments}
        item = {"type": "function_call", "id": f"fc_{reply.call_id}", "status": "completed", **call}
        return item | ({"namespace": reply.namespace} if reply.namespace else {})


class Messages:
    """The Messages API of Anthropic."""

    suffix = "/messages"
    history = "messages"

    @staticmethod
    def tools(body: Json) -> list[Offered]:
        """Return the tools of a request."""
        return [
            Offered(tool.get("name", ""), tool.get("input_schema") or {})
            for tool in body.get("tools") or ()
        ]

    @staticmethod
    def system(body: Json) -> list[object]:
        """Return the parts of a request that instruct the model."""
        return [body.get("system")]

    @staticmethod
    def whole(reply: Reply, body: Json) -> Json:
        """Return the finished message."""
        block: Json = {"type": "text", "text": reply.text}
        if reply.name:
            block = {"type": "tool_use", "id": f"toolu_{reply.call_id}", "name": reply.name}
            block["input"] = reply.arguments
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": body.get("model"),
            "content": [block],
            "stop_sequence": None,
            "stop_reason": "tool_use" if reply.name else "end_turn",
            "usage": {"input_tokens": 1000, "output_tokens": 20},
        }

    @staticmethod
    def frames(reply: Reply, body: Json) -> Frames:
        """Yield the reply as a stream."""
        done = Messages.whole(reply, body)
        block = done["content"][0]
        text = reply.raw_arguments if reply.name else reply.text
        kind, key = ("input_json_delta", "partial_json") if reply.name else ("text_delta", "text")
        blank: Json = {"input": {}} if reply.name else {"text": ""}
        events: list[Json] = [
            {"type": "message_start", "message": {**done, "content": [], "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": {**block, **blank}},
        ]
        for part in _halves(text):
            delta = {"type": kind, key: part}
            events.append({"type": "content_block_delta", "index": 0, "delta": delta})
        end = {"stop_reason": done["stop_reason"], "stop_sequence": None}
        events += [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": end, "usage": {"output_tokens": 20}},
            {"type": "message_stop"},
        ]
        for event in events:
            yield event["type"], event


class Gemini:
    """The generateContent calls of Gemini."""

    suffix = "enerateContent"
    history = "contents"

    @staticmethod
    def tools(body: Json) -> list[Offered]:
        """Return the tools of a request."""
        return [
            Offered(f["name"], f.get("parametersJsonSchema") or f.get("parameters") or {})
            for tool in body.get("tools") or ()
            for f in tool.get("functionDeclarations") or ()
        ]

    @staticmethod
    def system(body: Json) -> list[object]:
        """Return the parts of a request that instruct the model."""
        return [body.get("systemInstruction")]

    @staticmethod
    def whole(reply: Reply, body: Json) -> Json:
        """Return the reply as one object."""
        part: Json = {"text": reply.text}
        if reply.name:
            part = {"functionCall": {"name": reply.name, "args": reply.arguments}}
        content = {"role": "model", "parts": [part]}
        usage = {"promptTokenCount": 1000, "candidatesTokenCount": 20, "totalTokenCount": 1020}
        candidate = {"index": 0, "content": content, "finishReason": "STOP"}
        head = {"modelVersion": body.get("model") or "bench-model"}
        return {**head, "candidates": [candidate], "usageMetadata": usage}

    @staticmethod
    def frames(reply: Reply, body: Json) -> Frames:
        """Yield the reply as a stream of one event."""
        yield "", Gemini.whole(reply, body)


Wire: TypeAlias = "type[Chat] | type[Responses] | type[Messages] | type[Gemini]"
WIRES: tuple[Wire, ...] = (Chat, Responses, Messages, Gemini)

_INSTRUCTING = ("system", "developer")
_CHAT_USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 20,
    "total_tokens": 1020,
    "prompt_tokens_details": {"cached_tokens": 0},
}


def _halves(text: str) -> tuple[str, ...]:
    """Cut a text in two, as streams do."""
    middle = (len(text) + 1) // 2
    return (text[:middle], text[middle:]) if middle < len(text) else (text,)


def _items(value: object) -> list[Json]:
    """Return the items of a history, which some clients write as a bare string."""
    return [i for i in value if isinstance(i, dict)] if isinstance(value, list) else []


def shell_call(tools: list[Offered], command: str, call_id: str) -> Reply | None:
    """Return a call of the shell tool among `tools`; None if there is none."""
    named = {tool.name: tool for tool in tools}
    tool = next((named[name] for name in SHELL_TOOLS if name in named), None)
    if tool is None:
        return None
    properties: Json = tool.schema.get("properties") or {}
    key = next((key for key in COMMAND_KEYS if key in properties), COMMAND_KEYS[0])
    is_list = _type(properties.get(key, {})) == "array"
    arguments: dict[str, object] = {key: ["bash", "-c", command] if is_list else command}
    for name in tool.schema.get("required") or ():
        arguments.setdefault(name, _blandest(properties.get(name, {})))
    return Reply(name=tool.name, arguments=arguments, call_id=call_id, namespace=tool.namespace)


def _type(schema: Json) -> str:
    found = schema.get("type", "string")
    return str(found[0] if isinstance(found, list) else found).lower()


def _blandest(schema: Json) -> object:
    """Return a value that a required argument of this schema may have."""
    if "default" in schema:
        return schema["default"]
    if schema.get("enum"):
        return schema["enum"][0]
    plain = {"integer": 30, "number": 30, "boolean": False, "array": [], "object": {}}
    return plain.get(_type(schema), "step")


# ------------------------------------------------------------------ the play


@dataclass(slots=True)
class Arrival:
    """A request to the model."""

    at: float
    """Monotonic time at which it was whole."""
    size: int
    hidden: bool
    """Nobody's conversation: a title, a summary, a probe."""
    replied_at: float = 0.0
    """Monotonic time just before the reply was written."""
    raw_prefix: bool | None = None
    """Whether it begins with the one before byte for byte; None: it is the first."""
    same_prefix: bool | None = None
    """Whether its system text, tools and first messages are those of the one before."""
    output_seen: bool = True
    """Whether the output of the step before is in it."""


class Play:
    """One session's script and what was seen of the session.

    The model calls the shell `steps` times (`echo step-1`, …) and then says that it is done.
    """

    def __init__(
        self,
        steps: int = 0,
        *,
        final_command: str = "",
        uses_tools: bool = True,
        on_arrival: Callable[[int], None] = lambda _number: None,
    ) -> None:
        self.arrivals: list[Arrival] = []
        self.others: list[str] = []
        """Requests for anything else, such as a list of models."""
        self.first: tuple[Wire, Json] | None = None
        self.problem = ""
        self.steps = steps
        self._final_command = final_command
        self._uses_tools = uses_tools
        self._on_arrival = on_arrival
        self._last: tuple[bytes, Json] | None = None
        self._position = 0
        self._lock = threading.Lock()

    @property
    def main(self) -> list[Arrival]:
        """The requests that carry the conversation."""
        return [arrival for arrival in self.arrivals if not arrival.hidden]

    def take(self, wire: Wire, raw: bytes, body: Json, at: float) -> tuple[Arrival, Reply]:
        """Note a request and return the reply to it."""
        with self._lock:
            tools = wire.tools(body)
            arrival = Arrival(at, len(raw), hidden=self._uses_tools and not tools)
            self.arrivals.append(arrival)
            if arrival.hidden:
                return arrival, Reply(text="A title")
            self._on_arrival(self._position)
            self._compare(arrival, wire, raw, body)
            self._position += 1
            number = self._position
            if number <= self.steps:
                reply = shell_call(tools, f"echo step-{number}", f"call_{number:08d}")
            elif self._final_command:
                reply = shell_call(tools, self._final_command, f"call_{number:08d}")
            else:
                reply = Reply(text=FINAL)
            if reply is None:
                self.problem = f"no shell tool among {', '.join(tool.name for tool in tools)}"
                reply = Reply(text=FINAL)
            return arrival, reply

    def _compare(self, arrival: Arrival, wire: Wire, raw: bytes, body: Json) -> None:
        history = wire.history
        if self._last is None:
            self.first = wire, body
        else:
            raw_before, before = self._last
            # Where the history is the last field, only the two brackets that close it differ.
            arrival.raw_prefix = raw_before.endswith(b"]}") and raw.startswith(
                raw_before[:-2] + b","
            )
            old, new = before.get(history) or [], body.get(history) or []
            fixed = ("tools", "system", "instructions", "systemInstruction")
            arrival.same_prefix = new[: len(old)] == old and all(
                before.get(key) == body.get(key) for key in fixed
            )
            if self._position <= self.steps:
                output = f"step-{self._position}"
                arrival.output_seen = output in json.dumps(new[len(old) :])
        self._last = raw, body


# ------------------------------------------------------------------ the server


class ModelServer:
    """Serves the current play on a free port of 127.0.0.1, a thread a connection."""

    def __init__(self) -> None:
        self.play = Play()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, name="bench-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        _shut(self._listener)
        for connection in list(self._open):
            _shut(connection)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = connection.makefile("rb")
        try:
            while request := _read(reader.readline, reader.read, connection):
                self._answer(connection, *request)
        except (OSError, ValueError):
            pass  # the client left, or sent what no client sends
        finally:
            self._open.discard(connection)
            reader.close()
            connection.close()

    def _answer(self, connection: socket.socket, line: str, raw: bytes, at: float) -> None:
        play = self.play
        method, target, _ = line.split(" ", 2)
        path = target.partition("?")[0]
        wire = next((w for w in WIRES if method == "POST" and path.endswith(w.suffix)), None)
        if wire is None:
            play.others.append(f"{method} {path}")
            known = path.endswith("/models")
            models = {"object": "list", "data": [{"id": "bench-model", "object": "model"}]}
            body = json.dumps(models if known else {}).encode()
            connection.sendall(_framed("200 OK" if known else "404 Not Found", body))
            return
        request: Json = json.loads(raw)
        arrival, reply = play.take(wire, raw, request, at)
        if request.get("stream") or path.endswith("streamGenerateContent"):
            text = "".join(_event(name, data) for name, data in wire.frames(reply, request))
            data = _framed("200 OK", text.encode(), "text/event-stream")
        else:
            data = _framed("200 OK", json.dumps(wire.whole(reply, request)).encode())
        arrival.replied_at = time.monotonic()
        connection.sendall(data)


def _event(name: str, data: Json | str) -> str:
    text = data if isinstance(data, str) else json.dumps(data)
    return f"event: {name}\ndata: {text}\n\n" if name else f"data: {text}\n\n"


def _framed(status: str, body: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def _read(
    readline: Callable[[], bytes], read: Callable[[int], bytes], connection: socket.socket
) -> tuple[str, bytes, float] | None:
    """Return the next request's first line, body and time of arrival; None at the end."""
    first = readline().decode("latin-1").strip()
    if not first:
        return None
    headers = {}
    while line := readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int(readline().split(b";")[0], 16):
            body += read(size)
            readline()
        readline()
    else:
        body = read(int(headers.get("content-length", "0")))
    at = time.monotonic()
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    return first, body, at


def _shut(connection: socket.socket) -> None:
    # Closing alone would not wake the thread that waits in accept() or recv().
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
