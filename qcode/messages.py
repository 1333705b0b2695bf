"""The neutral history: user, assistant and tool messages, and their JSON form.

Messages hold what was said as it was said, in no provider's format. Each
provider renders them when a request is sent, so the model can change in the
middle of a session.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from qcode.record import Record

JsonObject: TypeAlias = dict[str, Any]


class ToolCall(Record):
    """The model's request to run one tool."""

    id: str
    """Unique within the session; goes back to the provider unchanged."""
    name: str
    arguments: str
    """The JSON text as the model wrote it; may be malformed."""


class Image(Record):
    """A picture that the model is shown."""

    name: str
    media_type: str
    """`image/png`, `image/jpeg`, `image/webp` or `image/gif`."""
    data: str
    """Base64."""

    @property
    def url(self) -> str:
        """The picture as a `data:` address, as APIs take it."""
        return f"data:{self.media_type};base64,{self.data}"


class UserMessage(Record):
    """What a person said, or qcode on their behalf."""

    text: str
    is_nudge: bool = False
    """Whether qcode said it on its own, in the middle of a turn."""
    before: str = ""
    """What the model is told with it, ahead of it: what changes seldom."""
    after: str = ""
    """What the model is told with it, behind it: what it points at, and what changes often."""
    images: tuple[Image, ...] = ()
    """Shown behind all of it."""
    is_summary: bool = False
    """Whether compaction made it of others: a ledger, with the request that is worked on."""

    @property
    def told(self) -> str:
        """All that the model is told."""
        return "\n\n".join(filter(None, (self.before, self.text, self.after)))


class Native(Record):
    """Items of an answer that only the provider that made them can read back.

    OpenAI's Responses API wants its reasoning items returned on the next
    request; any other provider ignores them.
    """

    provider: str
    items: tuple[str, ...]
    """Each one JSON object, as text."""


class AssistantMessage(Record):
    """One answer of the model; `interrupted` if a person cut it short."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    native: Native | None = None
    interrupted: bool = False


class ToolMessage(Record):
    """The answer to exactly one tool call."""

    call_id: str
    name: str
    text: str
    is_error: bool = False


Message: TypeAlias = UserMessage | AssistantMessage | ToolMessage


class Usage(Record):
    """Tokens of one request or of several added up."""

    input_tokens: int = 0
    """All prompt tokens, cached ones included."""
    output_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens the server did not have to read again."""
    cost_usd: float | None = None
    """None where the price is not known."""
    cache_write_tokens: int = 0
    """Of the prompt tokens that were read anew, those that the server says it kept for later
    requests; some charge more for them."""

    @property
    def read_anew(self) -> int:
        """Prompt tokens that the server had to read."""
        return max(0, self.input_tokens - self.cached_tokens)

    def __add__(self, other: Usage) -> Usage:
        costs = [c for c in (self.cost_usd, other.cost_usd) if c is not None]
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            sum(costs) if costs else None,
            self.cache_write_tokens + other.cache_write_tokens,
        )


BROKEN_OFF = "broken off"
"""The purpose of requests whose answers did not come to their end, and are void."""


STRONGER = "stronger step"
"""The purpose of a step that a stronger model took: its answer is one of the conversation."""


PICTURE = "picture"
"""The purpose of a request that has a picture put into words."""


class Asked(Record):
    """One request of a session, as the server counted it."""

    usage: Usage
    purpose: str = ""
    """What it was for (`summary`, `commit message`); empty: a step."""
    model: str = ""
    """Who answered, where that is not the session's model."""
    duration_s: float | None = None
    """From sending it to the end of the answer; None: it was not noted."""
    at: str = ""
    """When it ended, in UTC as in `2026-01-02T03:04:05Z`; empty in older journals."""
    is_estimate: bool = False
    """Whether it was stopped before the server had counted, so that its tokens are estimated."""

    @property
    def read_anew(self) -> int:
        """Prompt tokens that the server had to read."""
        return self.usage.read_anew


def to_json(message: Message) -> JsonObject:
    """Return the message as a JSON object; fields at their default are left out."""
    match message:
        case UserMessage(text):
            told = {"before": message.before, "after": message.after}
            more: JsonObject = {name: words for name, words in told.items() if words}
            if message.images:
                more["images"] = [
                    {"name": image.name, "media_type": image.media_type, "data": image.data}
                    for image in message.images
                ]
            return {"role": "user", "text": text, **more, **_flags(message)}
        case AssistantMessage():
            out: JsonObject = {"role": "assistant"}
            if message.text:
                out["text"] = message.text
            if message.reasoning:
                out["reasoning"] = message.reasoning
            if message.tool_calls:
                out["tool_calls"] = [
                    {"id": c.id, "name": c.name, "arguments": c.arguments}
                    for c in message.tool_calls
                ]
            if message.native:
                out["native"] = {
                    "provider": message.native.provider,
                    "items": list(message.native.items),
                }
            if message.interrupted:
                out["interrupted"] = True
            return out
        case ToolMessage():
            out = {
                "role": "tool",
                "call_id": message.call_id,
                "name": message.name,
                "text": message.text,
            }
            if message.is_error:
                out["is_error"] = True
            return out


def _flags(message: UserMessage) -> JsonObject:
    flags = {"nudge": message.is_nudge, "summary": message.is_summary}
    return {name: True for name, value in flags.items() if value}


def from_json(data: JsonObject) -> Message:
    """Return the message that `to_json` wrote.

    Raises:
        KeyError, ValueError, TypeError: the object is not such a message.
    """
    role = data["role"]
    if role == "user":
        return UserMessage(
            str(data["text"]),
            bool(data.get("nudge", False)),
            str(data.get("before", "")),
            str(data.get("after", "")),
            tuple(
                Image(str(image["name"]), str(image["media_type"]), str(image["data"]))
                for image in data.get("images", ())
            ),
            bool(data.get("summary", False)),
        )
    if role == "tool":
        return ToolMessage(
            str(data["call_id"]),
            str(data["name"]),
            str(data["text"]),
            bool(data.get("is_error", False)),
        )
    if role == "assistant":
        native = data.get("native")
        return AssistantMessage(
            str(data.get("text", "")),
            str(data.get("reasoning", "")),
            tuple(
                ToolCall(str(c["id"]), str(c["name"]), str(c["arguments"]))
                for c in data.get("tool_calls", ())
            ),
            Native(str(native["provider"]), tuple(native["items"])) if native else None,
            bool(data.get("interrupted", False)),
        )
    raise ValueError(f"unknown role {role!r}")
