"""OpenAI's Responses API over a loopback socket, as far as a stream of one answer goes.

The events follow the API reference ("Streaming events"): an item is added,
grows by deltas, is done; the last event repeats the whole response.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sse_server import Events, Json, Plain, SseServer

USAGE: Json = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 640},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 1050,
}


class ResponsesServer(SseServer):
    """Serves answers made by the builders below; `base_url` is what the SDK wants."""

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"


def message(*parts: str, id: str = "msg_1", refusal: bool = False) -> Json:
    """Return a message item; each part is sent as a delta of its own."""
    kind, key = ("refusal", "refusal") if refusal else ("output_text", "text")
    content: Json = {"type": kind, key: "".join(parts)}
    if not refusal:
        content |= {"annotations": []}
    return {
        "id": id,
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [content],
        "_parts": parts,
    }


def reasoning(*summaries: str, id: str = "rs_1", encrypted: str | None = "gAAAA") -> Json:
    """Return a reasoning item with its summaries."""
    return {
        "id": id,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in summaries],
        "encrypted_content": encrypted,
    }


def call(name: str, *arguments: str, call_id: str = "call_1", id: str = "fc_1") -> Json:
    """Return a function call; each piece of its arguments is sent as a delta of its own."""
    return {
        "id": id,
        "type": "function_call",
        "status": "completed",
        "name": name,
        "call_id": call_id,
        "arguments": "".join(arguments),
        "_parts": arguments,
    }


def item(source: Json) -> Json:
    """Return an item of the builders above as the API sends it."""
    return {key: value for key, value in source.items() if key != "_parts"}


def answer(
    *items: Json,
    status: str = "completed",
    usage: Json | None = USAGE,
    deltas: bool = True,
    **fields: object,
) -> Events:
    """Return the events of a whole answer; without `deltas` items come in one piece."""
    events: list[Json] = [
        {"type": "response.created", "response": _response([], "in_progress", None)},
        {"type": "response.in_progress", "response": _response([], "in_progress", None)},
    ]
    for index, source in enumerate(items):
        events += _item_events(index, source, deltas)
    whole = _response([item(i) for i in items], status, usage) | fields
    events.append({"type": f"response.{status}", "response": whole})
    return Events(tuple(e | {"sequence_number": n} for n, e in enumerate(events)))


def truncated(*items: Json, reason: str = "max_output_tokens") -> Events:
    """Return an answer that ended early."""
    return answer(*items, status="incomplete", incomplete_details={"reason": reason})


def failed(code: str, text: str, *items: Json) -> Events:
    """Return an answer that failed after some items."""
    return answer(*items, status="failed", usage=None, error={"code": code, "message": text})


def cut(reply: Events, after: int, *, stall: bool = False) -> Events:
    """Return the first `after` events; then the connection ends, or falls silent."""
    return Events(reply.events[:after], stall=stall, cut=not stall)


def error(code: str | None, text: str, *, nested: bool = False) -> Events:
    """Return a stream of one `error` event, flat as documented or nested as also seen."""
    fields: Json = {"code": code, "message": text, "param": None}
    event = {"error": {"type": code, **fields}} if nested else fields
    return Events(({"type": "error", "sequence_number": 0, **event},))


def refused(
    status: int,
    text: str,
    *,
    code: str | None = None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Plain:
    """Return an HTTP error with the API's error object."""
    body = {"error": {"message": text, "type": "error", "param": param, "code": code}}
    return Plain(json.dumps(body).encode(), status, headers=headers or {})


def _response(output: Sequence[Json], status: str, usage: Json | None) -> Json:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1750000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": "gpt-5",
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }


def _item_events(index: int, source: Json, deltas: bool) -> list[Json]:
    whole = item(source)
    place: Json = {"output_index": index, "item_id": whole["id"]}
    grown: list[Json] = []
    started = whole
    if whole["type"] == "function_call":
        started = whole | {"arguments": "", "status": "in_progress"}
        kind = "response.function_call_arguments"
        grown = [{"type": f"{kind}.delta", **place, "delta": p} for p in source["_parts"]]
        grown.append({"type": f"{kind}.done", **place, "arguments": whole["arguments"]})
    elif whole["type"] == "message":
        started = whole | {"content": [], "status": "in_progress"}
        part = whole["content"][0]
        kind = "response.refusal" if part["type"] == "refusal" else "response.output_text"
        at = place | {"content_index": 0}
        grown = [{"type": "response.content_part.added", **at, "part": part}]
        grown += [
            {"type": f"{kind}.delta", **at, "delta": p, "logprobs": []} for p in source["_parts"]
        ]
    elif whole["type"] == "reasoning":
        started = whole | {"summary": [], "encrypted_content": None}
        for number, part in enumerate(whole["summary"]):
            at = place | {"summary_index": number}
            kind = "response.reasoning_summary"
            empty = {"type": "summary_text", "text": ""}
            grown.append({"type": f"{kind}_part.added", **at, "part": empty})
            grown.append({"type": f"{kind}_text.delta", **at, "delta": part["text"]})
            grown.append({"type": f"{kind}_text.done", **at, "text": part["text"]})
    return [
        {"type": "response.output_item.added", "output_index": index, "item": started},
        *(grown if deltas else []),
        {"type": "response.output_item.done", "output_index": index, "item": whole},
    ]
