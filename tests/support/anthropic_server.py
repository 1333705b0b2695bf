"""Anthropic's Messages API over a loopback socket, as far as a stream of one answer goes.

The events follow the API's documentation ("Streaming messages"): content
blocks start, grow by deltas and stop, one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from sse_server import Events, Json, Plain, SseServer

USAGE: Json = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 300,
    "output_tokens": 1,
}


class AnthropicServer(SseServer):
    """Serves answers made by the builders below; `origin` is what litellm wants."""


def text(*parts: str) -> tuple[Json, ...]:
    """Return the events of a text block, without their index."""
    deltas = [{"type": "text_delta", "text": part} for part in parts]
    return _block({"type": "text", "text": ""}, *deltas)


def thinking(*parts: str, signature: str = "SIG==") -> tuple[Json, ...]:
    """Return the events of a thinking block."""
    deltas: list[Json] = [{"type": "thinking_delta", "thinking": part} for part in parts]
    deltas.append({"type": "signature_delta", "signature": signature})
    return _block({"type": "thinking", "thinking": "", "signature": ""}, *deltas)


def redacted(data: str) -> tuple[Json, ...]:
    """Return the events of a redacted thinking block."""
    return _block({"type": "redacted_thinking", "data": data})


def call(name: str, *arguments: str, id: str = "toolu_1") -> tuple[Json, ...]:
    """Return the events of a tool use."""
    deltas = [{"type": "input_json_delta", "partial_json": part} for part in ("", *arguments)]
    return _block({"type": "tool_use", "id": id, "name": name, "input": {}}, *deltas)


def answer(*blocks: tuple[Json, ...], stop: str = "end_turn", output: int = 50) -> Events:
    """Return the events of a whole answer."""
    message: Json = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE,
    }
    events: list[Json] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    for index, block in enumerate(blocks):
        events += [event | {"index": index} for event in block]
    delta = {"stop_reason": stop, "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}})
    events.append({"type": "message_stop"})
    return Events(tuple(events))


def broken(reply: Events, after: int, kind: str, message: str) -> Events:
    """Return the first events and then an `error` event."""
    error = {"type": "error", "error": {"type": kind, "message": message}}
    return Events((*reply.events[:after], error))


def refused(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
) -> Plain:
    """Return an HTTP error with the API's error object."""
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    return Plain(json.dumps(body).encode(), status, headers=headers or {})


def _block(start: Json, *deltas: Json) -> tuple[Json, ...]:
    return (
        {"type": "content_block_start", "content_block": start},
        *({"type": "content_block_delta", "delta": delta} for delta in deltas),
        {"type": "content_block_stop"},
    )
