"""The seam to models: what is asked, and the deltas that come back.

A provider is an adapter to one API and only translates: qcode's messages to
the API's, the API's stream to deltas, the API's failures to `ProviderError`.
Retries wrap a provider from outside (`retry.py`) and are a provider themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal, Protocol, TypeAlias, cast

from qcode.messages import JsonObject, Message, Native, Usage
from qcode.record import Record

OPENAI_URL = "https://api.openai.com/v1"

ToolProtocol: TypeAlias = Literal["native", "prompted"]
"""How a model is told of tools and calls them: through the API's fields, or as text."""


class ToolSpec(Record):
    """A tool as the model is told of it."""

    name: str
    description: str
    parameters: JsonObject
    """JSON Schema of the arguments object."""


class Request(Record):
    """One question to a model.

    Within a session `system`, `tools` and `max_tokens` stay the same and
    `messages` only grows at its end, so that servers can reuse their cache.
    """

    system: str
    messages: Sequence[Message]
    tools: Sequence[ToolSpec]
    max_tokens: int
    temperature: float | None = None
    """Only to get a model out of a rut; None leaves it to the endpoint, which knows its model."""
    force_call: bool = False
    """The answer must be a tool call; the endpoint is asked to see to it where it can."""
    call_schema: JsonObject | None = None
    """JSON Schema of a call written as text, to force one where `tools` is empty."""
    reads_only: bool = False
    """The prompt is to be read ahead and nothing answered. llama.cpp's server obeys; whoever
    asks another one closes the stream when the answer begins."""
    cut: Callable[[Cut], None] | None = None
    """Told what it took where it is cut after something came, each time that it is sent."""


class Cut(Record):
    """A request that ended before the server counted it: it was stopped, or it broke off."""

    usage: Usage
    """Estimated."""
    duration_s: float
    model: str
    """Who was asked."""


class TextPart(Record):
    """The next piece of the answer's text."""

    text: str


class ReasoningPart(Record):
    """The next piece of the model's reasoning."""

    text: str


class CallPart(Record):
    """A piece of a tool call, as the wire had it; any field may be missing.

    Pieces of one call share `index`. Servers that leave it out send None, and
    whoever assembles the calls has to judge by id and name.
    """

    index: int | None = None
    id: str | None = None
    name: str | None = None
    arguments: str | None = None


class PromptProgress(Record):
    """How much of the prompt the server has read (tokens; cached ones count as read)."""

    done: int
    total: int


class Waiting(Record):
    """Nothing has arrived for `silent_s` seconds, and the server is still there."""

    silent_s: float


class Retry(Record):
    """The request failed in a way that may pass; it is sent again in `wait_s` seconds.

    Everything that came before it in this stream is void.
    """

    attempt: int
    """1 for the first retry."""
    of: int
    wait_s: float
    reason: str


class Done(Record):
    """The answer is whole. Always last, exactly once."""

    finish_reason: str | None = None
    """As the API said: `stop`, `tool_calls`, `length`, … or None."""
    usage: Usage = Usage()
    native: Native | None = None
    model: str = ""
    """Who answered, where that was another model than the provider's: a fallback."""


Delta: TypeAlias = TextPart | ReasoningPart | CallPart | PromptProgress | Waiting | Retry | Done


class Provider(Protocol):
    """An adapter to one API, bound to one model."""

    @property
    def model(self) -> str:
        """The model's name as the endpoint knows it."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Delta]:
        """Ask, and yield the answer as it comes; the last delta is `Done`.

        Closing the iterator early ends the request on the wire.

        Raises:
            ProviderError: the endpoint could not be reached, refused the
                request, or its answer broke off.
        """
        ...

    async def close(self) -> None:
        """Give up connections; the provider is not used afterwards."""
        ...


class ProtocolChoice(Protocol):
    """What a provider has besides, if its protocol can change within a session."""

    @property
    def protocol(self) -> ToolProtocol:
        """The protocol of the next request."""
        ...

    def switch(self) -> ToolProtocol:
        """Take the other protocol from the next request on; return it."""
        ...


def protocol_choice(provider: Provider) -> ProtocolChoice | None:
    """Return the provider's choice of protocol, if it has one."""
    return cast("ProtocolChoice", provider) if hasattr(provider, "switch") else None
