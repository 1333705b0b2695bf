"""The body of a Chat Completions request, rendered so that it only grows.

The order of the keys is fixed and `messages` stands last: the body without its
closing `]}` is, byte for byte, the beginning of the next request's body. A
server's prompt cache lives by that, and a step costs the same at the
thousandth as at the first, because what was rendered is kept.

Format: OpenAI's API reference, "Create chat completion".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from qcode.messages import AssistantMessage, Message, ToolMessage, UserMessage
from qcode.providers import Request, ToolSpec
from qcode.record import Record, replace

_CLOSING = b"]}"

RESERVED = frozenset({"model", "stream", "messages", "tools"})
"""What an extra body cannot replace."""


class Dialect(Record):
    """What the endpoint is told besides the conversation; learnt from its refusals."""

    max_tokens_field: str = "max_tokens"
    stream_options: bool = True
    return_progress: bool = False
    """llama.cpp's reports on reading the prompt."""
    send_reasoning: bool = False

    def after_refusal(self, words: str) -> Dialect | None:
        """Return the dialect that leaves out or renames the field a refusal names, if it does."""
        if self.return_progress and "return_progress" in words:
            return replace(self, return_progress=False)
        if self.stream_options and "stream_options" in words:
            return replace(self, stream_options=False)
        if "max_completion_tokens" in words and self.max_tokens_field == "max_tokens":
            return replace(self, max_tokens_field="max_completion_tokens")
        return None


class BodyRenderer:
    """Renders one session's requests; keeps the bytes of what it rendered before."""

    def __init__(self, model: str, extra: Mapping[str, object], dialect: Dialect) -> None:
        self.dialect = dialect
        self._model = model
        self._extra = {k: v for k, v in extra.items() if k not in RESERVED}
        self._top = b""
        """Everything before the first message."""
        self._top_of: tuple[str, Sequence[ToolSpec], int, Dialect] | None = None
        self._body = b""
        """The last request's body without its closing brackets."""
        self._messages: list[Message] = []
        """The messages in it."""
        self._ends: list[int] = []
        """Where each of them ends in it."""

    def render(self, request: Request) -> bytes:
        """Return the request's body."""
        self._begin(request)
        known = self._known(request.messages)
        if known < len(self._messages):
            del self._messages[known:]
            del self._ends[known:]
            self._body = self._body[: self._ends[-1] if self._ends else len(self._top)]
        added: list[bytes] = []
        end = len(self._body)
        for message in request.messages[known:]:
            rendered = _encode(render_message(message, self.dialect))
            if end > len(self._top) or self._top.endswith(b"}"):
                rendered = b"," + rendered
            added.append(rendered)
            end += len(rendered)
            self._messages.append(message)
            self._ends.append(end)
        self._body = b"".join([self._body, *added])
        if request.temperature is None:
            return self._body + _CLOSING
        # Behind the messages: what stands before them stays the same from request to request.
        return self._body + b'],"temperature":%.2f}' % request.temperature

    def _begin(self, request: Request) -> None:
        """Start anew if anything that stands before the messages has changed."""
        wanted = (request.system, tuple(request.tools), request.max_tokens, self.dialect)
        if self._top_of == wanted:
            return
        self._top_of = wanted
        self._top = self._body = self._render_top(request)
        self._messages.clear()
        self._ends.clear()

    def _render_top(self, request: Request) -> bytes:
        top: dict[str, Any] = {"model": self._model, "stream": True}
        if self.dialect.stream_options:
            top["stream_options"] = {"include_usage": True}
        if self.dialect.return_progress:
            top["return_progress"] = True
        top[self.dialect.max_tokens_field] = request.max_tokens
        top |= self._extra
        if request.tools:
            top["tools"] = [_render_tool(spec) for spec in request.tools]
        top["messages"] = []
        if request.system:
            top["messages"] = [{"role": "system", "content": request.system}]
        return _encode(top).removesuffix(_CLOSING)

    def _known(self, messages: Sequence[Message]) -> int:
        """Return how many messages at the beginning stand in the kept body already."""
        count = len(self._messages)
        # One comparison in C, by identity first: this is what nearly always holds.
        if self._messages == list(messages[:count]):
            return count
        count = 0
        for kept, message in zip(self._messages, messages, strict=False):
            if kept is not message and kept != message:
                break
            count += 1
        return count


def render_message(message: Message, dialect: Dialect) -> dict[str, Any]:
    """Return the API's form of a message."""
    match message:
        case UserMessage(text):
            return {"role": "user", "content": text}
        case ToolMessage():
            return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
        case AssistantMessage():
            # Never null: templates print that as "None", and some servers
            # refuse an answer that has neither content nor calls.
            out: dict[str, Any] = {"role": "assistant", "content": message.text}
            if dialect.send_reasoning and message.reasoning:
                out["reasoning_content"] = message.reasoning
            if message.tool_calls:
                out["tool_calls"] = [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {
                            "name": call.name,
                            "arguments": safe_arguments(call.arguments),
                        },
                    }
                    for call in message.tool_calls
                ]
            return out


def safe_arguments(written: str) -> str:
    """Return the arguments as written, or, if they are no JSON object, inside of one.

    Strict servers refuse a history with malformed arguments, and chat templates
    that parse them fail; so the model's words go back as a value.
    """
    if not written.strip():
        return "{}"
    try:
        value = json.loads(written, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return json.dumps({"_malformed": written}, ensure_ascii=False)
    if not isinstance(value, dict):
        return json.dumps({"_malformed": written}, ensure_ascii=False)
    # An escaped half of a surrogate pair is fine for Python and for no one else.
    if "\\ud" in written.lower():
        rendered = json.dumps(value, ensure_ascii=False)
        if not rendered.isascii() and _has_lone_surrogate(rendered):
            return _without_surrogates(rendered)
    return written


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _render_tool(spec: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": spec.name,
            "description": spec.description,
            "parameters": spec.parameters,
        },
    }


def _encode(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _without_surrogates(text).encode()


def _has_lone_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _without_surrogates(text: str) -> str:
    """Join the halves that belong together and replace the others by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
