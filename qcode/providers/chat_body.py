"""The body of a Chat Completions request, rendered so that it only grows.

The order of the keys is fixed and `messages` stands last: the body without its
closing `]}` is, byte for byte, the beginning of the next request's body. A
server's prompt cache lives by that, and a step costs the same at the
thousandth as at the first, because what was rendered is kept.

Format: OpenAI's API reference, "Create chat completion".
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qcode.messages import AssistantMessage, Message, ToolMessage, UserMessage
from qcode.providers import Request, ToolSpec
from qcode.providers.prefix import described
from qcode.record import Record, replace

if TYPE_CHECKING:
    from qcode.models.model import RenderBack

log = logging.getLogger(__name__)

_CLOSING = b"]}"

RESERVED = frozenset({"model", "stream", "messages", "tools"})
"""What an extra body cannot replace."""


class Dialect(Record):
    """What the endpoint is told besides the conversation; learnt from its refusals."""

    max_tokens_field: str = "max_tokens"
    stream_options: bool = True
    return_progress: bool = False
    """llama.cpp's reports on reading the prompt."""
    send_reasoning: RenderBack = "never"
    """What the model is shown again of what it thought: that of the turn under way, or all."""
    reasoning_refused: bool = False
    """Whether the endpoint would not have it."""
    tool_choice: bool = True
    """Whether a forced call is asked for by `tool_choice`."""
    response_format: bool = True
    """Whether a forced call that is text is asked for by `response_format`."""
    plain_schemas: bool = False
    """Whether tools go out with the plain subset of their schemas: see `plain_schema`."""

    def after_refusal(self, words: str) -> Dialect | None:
        """Return the dialect that leaves out or renames the field a refusal names, if it does."""
        if self.return_progress and "return_progress" in words:
            return replace(self, return_progress=False)
        if self.stream_options and "stream_options" in words:
            return replace(self, stream_options=False)
        if "max_completion_tokens" in words and self.max_tokens_field == "max_tokens":
            return replace(self, max_tokens_field="max_completion_tokens")
        if "reasoning_content" in words and not self.reasoning_refused:
            if "must be passed back" in words and self.send_reasoning != "always":
                return replace(self, send_reasoning="always")
            if self.send_reasoning != "never":
                return replace(self, send_reasoning="never", reasoning_refused=True)
        return None

    def after_tool_refusal(self, words: str, sent: Request) -> Dialect | None:
        """Return the dialect that asks for less around tools, if a refusal of that is why.

        The force goes first: it stands behind the messages, so that the server
        need not read them again, and the same tools may have been taken without it.
        """
        # Their patterns take time to compile.
        from qcode.providers.refusals import refuses_force, refuses_schemas

        if sent.force_call and refuses_force(words):
            if sent.tools and self.tool_choice:
                return replace(self, tool_choice=False)
            if not sent.tools and sent.call_schema and self.response_format:
                return replace(self, response_format=False)
        if not self.plain_schemas and refuses_schemas(words):
            from qcode.providers.schemas import plain_schema

            if any(plain_schema(spec.parameters) != spec.parameters for spec in sent.tools):
                return replace(self, plain_schemas=True)
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
        self._turn_at = 0
        """Where in them the turn under way began."""

    def render(self, request: Request) -> bytes:
        """Return the request's body."""
        if request.reads_only:
            # Of its own, so that what is kept, and compared, is the conversation alone.
            ahead = BodyRenderer(self._model, self._extra, self.dialect)
            return ahead.render(replace(request, reads_only=False))[:-1] + b',"n_predict":0}'
        before = self._body
        self._begin(request)
        known = self._known(request.messages)
        turn_at = self._turn_of(request.messages)
        if turn_at != self._turn_at:
            known = min(known, self._reasoned(*sorted((turn_at, self._turn_at))))
            self._turn_at = turn_at
        if known < len(self._messages):
            del self._messages[known:]
            del self._ends[known:]
            self._body = self._body[: self._ends[-1] if self._ends else len(self._top)]
        added: list[bytes] = []
        end = len(self._body)
        for at, message in enumerate(request.messages[known:], known):
            rendered = _encode(render_message(message, self.dialect, in_turn=at >= turn_at))
            if end > len(self._top) or self._top.endswith(b"}"):
                rendered = b"," + rendered
            added.append(rendered)
            end += len(rendered)
            self._messages.append(message)
            self._ends.append(end)
        self._body = b"".join([self._body, *added])
        if log.isEnabledFor(logging.DEBUG) and (words := described(before, self._body)):
            log.debug("%s", words)
        # Behind the messages: what stands before them stays the same from request to request.
        return self._body + b"]" + self._behind(request) + b"}"

    def _behind(self, request: Request) -> bytes:
        """Return the fields that may change from request to request."""
        out = b""
        if request.temperature is not None:
            out += b',"temperature":%.2f' % request.temperature
        if not request.force_call:
            return out
        if request.tools:
            return out + b',"tool_choice":"required"' if self.dialect.tool_choice else out
        if request.call_schema and self.dialect.response_format:
            shape = {"name": "tool_call", "schema": request.call_schema}
            wanted = {"type": "json_schema", "json_schema": shape}
            return out + b',"response_format":' + _encode(wanted)
        return out

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
            top["tools"] = [_render_tool(spec, self.dialect) for spec in request.tools]
        top["messages"] = []
        if request.system:
            top["messages"] = [{"role": "system", "content": request.system}]
        return _encode(top).removesuffix(_CLOSING)

    def _turn_of(self, messages: Sequence[Message]) -> int:
        """Return where the turn under way begins, where that makes a difference."""
        if self.dialect.send_reasoning != "turn":
            return 0
        for at in range(len(messages) - 1, -1, -1):
            message = messages[at]
            if isinstance(message, UserMessage) and not message.is_nudge:
                return at
        return 0

    def _reasoned(self, begin: int, end: int) -> int:
        """Return the first of the kept messages in a part that is rendered otherwise now."""
        for at, message in enumerate(self._messages[begin:end], begin):
            if isinstance(message, AssistantMessage) and message.reasoning:
                return at
        return len(self._messages)

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


def render_message(message: Message, dialect: Dialect, *, in_turn: bool = True) -> dict[str, Any]:
    """Return the API's form of a message; `in_turn`: it is of the turn under way."""
    match message:
        case UserMessage():
            content: Any = message.told
            if message.images:
                pictures = [{"type": "image_url", "image_url": {"url": image.url}}
                            for image in message.images]  # fmt: skip
                content = [{"type": "text", "text": message.told}, *pictures]
            return {"role": "user", "content": content}
        case ToolMessage():
            return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
        case AssistantMessage():
            # Never null: templates print that as "None", and some servers
            # refuse an answer that has neither content nor calls.
            out: dict[str, Any] = {"role": "assistant", "content": message.text}
            back = dialect.send_reasoning
            if message.reasoning and (back == "always" or (back == "turn" and in_turn)):
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


def _render_tool(spec: ToolSpec, dialect: Dialect) -> dict[str, Any]:
    parameters = spec.parameters
    if dialect.plain_schemas:
        from qcode.providers.schemas import plain_schema

        parameters = plain_schema(parameters)
    return {
        "type": "function",
        "function": {
            "name": spec.name,
            "description": spec.description,
            "parameters": parameters,
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
