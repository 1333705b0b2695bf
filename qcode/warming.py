"""Having a local server read the beginning of the first request while the person types it.

A server on a CPU reads some 50 tokens a second, and the first request begins with more than
800 that are known when the session is opened. Only for llama.cpp's server on this machine:
it keeps what it read of a prompt that is given up, costs nothing, and answers nothing where
it is told so. See docs/decisions/0016.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol, cast

from qcode.agent import Agent
from qcode.errors import ProviderError, QcodeError
from qcode.messages import Message, Usage, UserMessage
from qcode.network import purpose
from qcode.providers import (
    CallPart,
    Delta,
    Done,
    PromptProgress,
    ReasoningPart,
    Request,
    TextPart,
    Waiting,
    protocol_choice,
)

log = logging.getLogger(__name__)


class Server(Protocol):
    """Where the prompt is to be read."""

    async def is_one(self) -> bool:
        """Return whether it is llama.cpp's, answers, and asks for no key."""
        ...

    async def is_busy(self) -> bool:
        """Return whether it answers somebody else, who would have to wait."""
        ...

    async def close(self) -> None:
        """Give up connections."""
        ...


class Keeping(Protocol):
    """States of the server's memory, kept from session to session."""

    async def restore(self) -> None:
        """Give the server what it once read of this, if it has read nothing yet."""
        ...

    async def save(self) -> None:
        """Keep what it has read now, if that is not kept already."""
        ...


def request_ahead(agent: Agent, messages: Sequence[Message], before: str) -> Request:
    """Return what is known of the session's next request; `before` goes ahead of its message.

    The message itself is empty rather than missing: many templates refuse a
    conversation in which nobody has said anything, and all of what is known
    stands before it.
    """
    said = UserMessage("", before=before)
    tokens = agent.max_output_tokens
    return Request(agent.system, [*messages, said], agent.specs, tokens, reads_only=True)


class WarmUp:
    """One prompt read ahead, in a task of its own; nothing that goes wrong with it matters."""

    def __init__(
        self, agent: Agent, request: Request, server: Server, keeping: Keeping | None = None
    ) -> None:
        """`keeping` is for servers that can save what they have read; None: this one cannot."""
        self._agent = agent
        self._request = request
        self._server = server
        self._keeping = keeping
        self._task: asyncio.Task[None] | None = None
        self._began = 0.0
        self.read = self.total = 0
        """Tokens of the prompt that the server holds, and all of them; 0 where it does not say."""
        self.usage: Usage | None = None
        """What it counted in the end; None: it has not come to the end."""
        self.seconds = 0.0

    def start(self) -> None:
        """Begin; returns at once."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """End it, done or not: the connection is closed when this returns."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def wait(self) -> None:
        """Wait until it is over."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def told(self) -> str:
        """What became of it, in a line; empty if nothing was read."""
        if self.usage is not None:
            anew = self.usage.input_tokens - self.usage.cached_tokens
            return (
                f"read ahead of the first message: {self.usage.input_tokens:,} tokens, "
                f"{self.usage.cached_tokens:,} reused, {anew:,} read anew in {self.seconds:.1f} s"
            )
        if not self.read:
            return ""
        return f"read ahead of the first message: {self.read:,} of {self.total:,} tokens"

    async def _run(self) -> None:
        self._began = time.monotonic()
        purpose.begin("warm-up")
        try:
            if not await self._server.is_one() or await self._server.is_busy():
                return
            if self._keeping is not None:
                await self._keeping.restore()
            await self._read()
            if self._keeping is not None and self.usage is not None:
                await self._keeping.save()
        except (ProviderError, QcodeError, OSError) as error:
            log.debug("nothing was read ahead: %s", error)
        finally:
            if self.told:
                log.debug("%s", self.told)
            await self._server.close()

    async def _read(self) -> None:
        choice = protocol_choice(self._agent.provider)
        before = choice.protocol if choice else ""
        answered = False
        # Every provider's stream is a generator, though the seam asks for less.
        stream = self._agent.provider.stream(self._request)
        try:
            async with aclosing(cast("AsyncGenerator[Delta, None]", stream)) as deltas:
                async for delta in deltas:
                    match delta:
                        case PromptProgress(read, total):
                            self.read, self.total = read, total
                        case Waiting():
                            pass
                        case Done():
                            self.usage, self.seconds = delta.usage, time.monotonic() - self._began
                        case TextPart() | ReasoningPart() | CallPart() if not answered:
                            answered = True  # llama.cpp writes one token all the same
                        case _:
                            return  # an answer, which is not wanted, or a refusal
        finally:
            if choice is not None and choice.protocol != before:
                choice.switch()  # it is for the first request to find out, which notes it
