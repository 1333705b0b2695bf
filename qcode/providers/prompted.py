"""Tools by text: described in the prompt, called and answered in the conversation.

For servers and models that take no native tools, or do badly with them. The
wrapped provider sees a conversation of plain texts in strict alternation, which
every chat template takes. The answer's text passes through as it comes; finding
the calls in it is somebody else's work, as it is with native tools.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import cast

from qcode.messages import (
    AssistantMessage,
    Image,
    JsonObject,
    Message,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from qcode.providers import Delta, Provider, Request, ToolSpec
from qcode.providers.schemas import call_schema
from qcode.providers.styles import STYLES, Style, style_for


class PromptedProvider(Provider):
    """Wraps a provider; requests reach it without tools and tool messages.

    `style` is one of `STYLES`; anything else takes the one for the model's name.
    """

    def __init__(self, inner: Provider, style: str | None = None) -> None:
        self._inner = inner
        self._style = STYLES.get(style or "") or STYLES[style_for(inner.model)]
        self._conversation = Conversation(self._style)
        self._told_of: tuple[str, tuple[ToolSpec, ...]] | None = None
        self._system = ""
        self._schema: JsonObject | None = None

    @property
    def model(self) -> str:
        return self._inner.model

    async def close(self) -> None:
        await self._inner.close()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        # Every provider's stream is a generator, though the seam asks for less.
        answer = cast("AsyncGenerator[Delta, None]", self._inner.stream(self.translate(request)))
        async with aclosing(answer) as deltas:
            async for delta in deltas:
                yield delta

    def translate(self, request: Request) -> Request:
        """Return the request as text alone."""
        told_of = (request.system, tuple(request.tools))
        if self._told_of != told_of:
            self._told_of = told_of
            self._system = self._describe(*told_of)
            self._schema = None
        if request.force_call and request.tools and self._schema is None:
            self._schema = call_schema(request.tools)
        return Request(
            self._system,
            self._conversation.render(request.messages),
            (),
            request.max_tokens,
            request.temperature,
            request.force_call,
            self._schema if request.force_call else None,
            request.reads_only,
            request.cut,
        )

    def _describe(self, system: str, tools: Sequence[ToolSpec]) -> str:
        if not tools:
            return system
        text = self._style.describe(tools)
        return f"{system}\n\n{text}" if system else text


class Conversation:
    """A history as plain texts, user and assistant in turns; what was rendered is kept.

    Neighbours of one role are one message: results with each other, and with
    what a person says next. So the rendering of a history that has grown begins
    with the rendering of what it was, except that the last text may go on.
    """

    def __init__(self, style: Style) -> None:
        self._style = style
        self._source: list[Message] = []
        self._rendered: list[UserMessage | AssistantMessage] = []
        self._calls: Mapping[str, ToolCall] = {}
        """Those of the last answer, by id."""
        self._after_result = False
        """Whether the last text ends with a result."""
        self._images: list[Image] = []
        """Those of the messages that are not closed yet."""

    def render(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Return the messages as texts."""
        known = len(self._source)
        # One comparison in C, by identity first: this is what nearly always holds.
        if self._source != list(messages[:known]):
            self._source.clear()
            self._rendered.clear()
            self._calls = {}
            known = 0
        pieces: list[str] = []
        for message in messages[known:]:
            if isinstance(message, AssistantMessage):
                self._close(pieces)
                self._answer(message)
            else:
                self._hear(message, pieces)
        self._close(pieces)
        self._source.extend(messages[known:])
        return tuple(self._rendered)

    def _hear(self, message: UserMessage | ToolMessage, pieces: list[str]) -> None:
        is_result = isinstance(message, ToolMessage)
        last = self._rendered[-1] if self._rendered else None
        if pieces or isinstance(last, UserMessage):
            pieces.append("\n" if is_result and self._after_result else "\n\n")
        if isinstance(message, ToolMessage):
            pieces.append(self._style.result(message, self._calls.get(message.call_id)))
        else:
            pieces.append(message.told)
            self._images += message.images
        self._after_result = is_result

    def _close(self, pieces: list[str]) -> None:
        """Make one message of the pieces, or the end of the last if that is of the same role."""
        if not pieces:
            return
        text, images = "".join(pieces), tuple(self._images)
        pieces.clear()
        self._images.clear()
        last = self._rendered[-1] if self._rendered else None
        if isinstance(last, UserMessage):
            self._rendered.pop()
            text, images = last.text + text, last.images + images
        self._rendered.append(UserMessage(text, images=images))

    def _answer(self, message: AssistantMessage) -> None:
        self._calls = {call.id: call for call in message.tool_calls}
        text = message.text
        calls = [call for call in message.tool_calls if not self._style.stands_in(call, text)]
        if calls:
            gap = "" if not text or text.endswith("\n") else "\n"
            text += gap + self._style.calls(calls)
        if not text.strip():
            return  # cut short before anything was said; what follows joins what was before
        last = self._rendered[-1] if self._rendered else None
        if isinstance(last, AssistantMessage):
            self._rendered[-1] = AssistantMessage(f"{last.text}\n\n{text}", message.reasoning)
        else:
            self._rendered.append(AssistantMessage(text, message.reasoning))
