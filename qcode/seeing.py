"""Pictures put into words by a model that sees, for one that does not."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import cast

from qcode import events
from qcode.errors import QcodeError
from qcode.events import Emit
from qcode.messages import PICTURE, Asked, Image, Usage, UserMessage
from qcode.prompts import load
from qcode.providers import Delta, Done, Provider, Request, Retry, TextPart
from qcode.record import replace

TOKENS = 1_500
"""Of what is said of one picture."""
_REQUEST = 2_000
"""Characters of what the person wants, which tells what matters on it."""


class Seeing:
    """Asks a model that sees; what it said of a picture is not asked for again."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._known: dict[str, str] = {}

    async def put_into_words(
        self, message: UserMessage, spend: Callable[[Asked], None], emit: Emit
    ) -> UserMessage:
        """Return the message with words instead of its pictures.

        Raises:
            QcodeError: the model could not be asked; the pictures cannot be used then.
        """
        told = []
        for image in message.images:
            if image.data not in self._known:
                emit(events.Described(image.name, self._provider.model))
                self._known[image.data] = await self._ask(image, message.text, spend)
            words = self._known[image.data]
            told.append(load("pictures_in_words", name=image.name, words=words))
        after = "\n\n".join(filter(None, [message.after, *told]))
        return replace(message, images=(), after=after)

    async def _ask(self, image: Image, wanted: str, spend: Callable[[Asked], None]) -> str:
        question = load("pictures_question", wanted=wanted[:_REQUEST] or "(nothing said)")
        request = Request("", [UserMessage(question, images=(image,))], (), TOKENS)
        started, pieces, usage = time.perf_counter(), list[str](), Usage()
        # Every provider's stream is a generator, though the seam asks for less.
        deltas = cast("AsyncGenerator[Delta, None]", self._provider.stream(request))
        async with aclosing(deltas):
            async for delta in deltas:
                match delta:
                    case TextPart(text):
                        pieces.append(text)
                    case Retry():
                        pieces.clear()
                    case Done():
                        usage = delta.usage
        spend(Asked(usage, PICTURE, self._provider.model, time.perf_counter() - started))
        if not (words := "".join(pieces).strip()):
            raise QcodeError(
                f"{self._provider.model} said nothing of the picture {image.name}",
                hint="leave it out, or take another `vision_model`",
            )
        return words

    async def close(self) -> None:
        """Give up the connection."""
        await self._provider.close()
