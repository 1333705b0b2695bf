"""What was said, as OpenTelemetry's conventions write it: only where a person asked for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qcode.messages import AssistantMessage, JsonObject, Message, ToolMessage, UserMessage

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

_YES = ("true", "1", "span_only", "span_and_event")


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether spans are to hold what was said."""
    return environ.get(VARIABLE, "").strip().lower() in _YES


class Content:
    """Writes messages down, without the secrets in them."""

    def __init__(self, mask: Callable[[str], str]) -> None:
        self._mask = mask

    def messages(self, messages: Iterable[Message]) -> str:
        """Return messages as an attribute has them; pictures are left out."""
        return _dump([self._message(message) for message in messages])

    def answer(self, message: AssistantMessage, finish_reason: str | None) -> str:
        """Return the model's answer as an attribute has it."""
        return _dump([{**self._message(message), "finish_reason": finish_reason or "stop"}])

    def instructions(self, text: str) -> str:
        """Return the system prompt as an attribute has it."""
        return _dump([self._text(text)])

    def text(self, text: str) -> str:
        """Return a text as it may be told."""
        return self._mask(text)

    def _message(self, message: Message) -> JsonObject:
        match message:
            case UserMessage():
                return {"role": "user", "parts": [self._text(message.told)]}
            case ToolMessage():
                response = self._mask(message.text)
                part = {"type": "tool_call_response", "id": message.call_id, "response": response}
                return {"role": "tool", "parts": [part]}
            case AssistantMessage():
                parts: list[JsonObject] = []
                if message.reasoning:
                    parts.append({"type": "reasoning", "content": self._mask(message.reasoning)})
                if message.text:
                    parts.append(self._text(message.text))
                for call in message.tool_calls:
                    arguments = _parsed(self._mask(call.arguments))
                    parts.append(
                        {
                            "type": "tool_call",
                            "id": call.id,
                            "name": call.name,
                            "arguments": arguments,
                        }
                    )
                return {"role": "assistant", "parts": parts}

    def _text(self, text: str) -> JsonObject:
        return {"type": "text", "content": self._mask(text)}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
