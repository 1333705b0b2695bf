"""Asking a provider in a test, from start to end, in a loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

from qcode.errors import ProviderError
from qcode.messages import Message, UserMessage
from qcode.providers import Delta, Provider, Request, ToolSpec

READ = ToolSpec(
    "read_file",
    "Read a file.",
    {"type": "object", "properties": {"file_path": {"type": "string"}}},
)


def request(
    *messages: Message,
    system: str = "Be brief.",
    tools: Sequence[ToolSpec] = (READ,),
    max_tokens: int = 100,
) -> Request:
    return Request(system, messages or (UserMessage("Hi"),), tools, max_tokens)


def stream_of(provider: Provider, asked: Request) -> AsyncGenerator[Delta, None]:
    """Return the stream as the generator it is, which can be closed."""
    return cast("AsyncGenerator[Delta, None]", provider.stream(asked))


async def collect(provider: Provider, asked: Request) -> list[Delta]:
    async with aclosing(stream_of(provider, asked)) as deltas:
        return [delta async for delta in deltas]


def ask(provider: Provider, *requests: Request) -> list[Delta]:
    """Send the requests one after the other; return the deltas of the last."""

    async def run() -> list[Delta]:
        deltas: list[Delta] = []
        try:
            for asked in requests or (request(),):
                deltas = await collect(provider, asked)
        finally:
            await provider.close()
        return deltas

    return asyncio.run(run())


def failure(provider: Provider, *requests: Request) -> ProviderError:
    """Send the requests; return the error that the last must end with."""
    try:
        deltas = ask(provider, *requests)
    except ProviderError as error:
        return error
    raise AssertionError(f"no error, but {deltas}")
