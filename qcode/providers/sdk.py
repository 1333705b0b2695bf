"""What the adapters over a client library share: patience, faults, and safe messages."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from time import time

from qcode.errors import OfflineError, ProviderError, ProviderFault
from qcode.messages import JsonObject
from qcode.providers import Delta, Waiting
from qcode.providers.refusals import refuses_schemas, refuses_tools

SAY_EVERY_S = 5.0
"""Seconds of silence between two `Waiting` deltas."""
GIVE_UP_S = 900.0
"""Seconds of silence after which the answer counts as broken; reasoning models
may think for minutes without sending anything."""

_LONG_ENOUGH_TO_HIDE = 8
"""Characters; shorter keys are placeholders like `none`, which are also words."""

_TOO_LONG = re.compile(
    r"context_length_exceeded|context window|context length|maximum context|"
    r"(prompt|input|request) (is )?too (long|large)|exceeds? the (model's )?maximum (number of )?"
    r"(input )?tokens|input token count",
    re.IGNORECASE,
)
_NO_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|credit balance|billing_", re.IGNORECASE
)
_TRY_AGAIN_IN = re.compile(
    r"try again in\s+(?:(?P<m>\d+)m)?\s*(?P<n>\d+(?:\.\d+)?)\s*(?P<unit>ms|s)", re.IGNORECASE
)


async def patient(
    source: AsyncGenerator[Delta, None],
    *,
    say_every_s: float = SAY_EVERY_S,
    give_up_s: float = GIVE_UP_S,
) -> AsyncGenerator[Delta, None]:
    """Yield what `source` yields, and `Waiting` while it is silent.

    The source runs in one task of its own from beginning to end: a client
    library's context variables and cancel scopes do not survive a change of
    task between two items. Closing this iterator cancels the task and waits
    until the source has closed its connection.

    Raises:
        ProviderError: what the source raised, or nothing came for `give_up_s`.
    """
    # Unbounded: an answer is small, and reading it does not wait for the screen.
    queue: asyncio.Queue[Delta | None] = asyncio.Queue()

    async def read() -> None:
        async with aclosing(source):
            async for delta in source:
                queue.put_nowait(delta)

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: queue.put_nowait(None))
    clock = asyncio.get_running_loop().time
    heard_at = clock()
    try:
        while True:
            try:
                async with asyncio.timeout(say_every_s):
                    item = await queue.get()
            except TimeoutError:
                silent_s = clock() - heard_at
                if silent_s >= give_up_s:
                    raise ProviderError(
                        f"the model's endpoint sent nothing for {silent_s:.0f} s",
                        fault=ProviderFault.STREAM_BROKEN,
                    ) from None
                yield Waiting(silent_s)
                continue
            if item is None:
                await reader  # raises what the source raised
                return
            yield item
            heard_at = clock()
    finally:
        reader.cancel()
        await asyncio.wait({reader})


def unreachable_offline(error: OfflineError) -> ProviderError:
    """Return what a request comes to that would have left this machine, offline."""
    return ProviderError(error.message, fault=ProviderFault.REFUSED, hint=error.hint)


def fault_of(status: int | None, said: str) -> ProviderFault:
    """Return the fault for an HTTP status (None if there was none) and the error's text.

    `said` is code and message together. APIs agree on the statuses and little
    else, so a prompt that is too long and an account without credit are
    recognised by their words.
    """
    if _TOO_LONG.search(said):
        return ProviderFault.CONTEXT_TOO_LONG
    if _NO_QUOTA.search(said):
        # A 429 like a rate limit, but waiting does not help.
        return ProviderFault.REFUSED
    if status in (None, 400, 404, 422, 500, 501) and (refuses_tools(said) or refuses_schemas(said)):
        return ProviderFault.TOOLS_REFUSED
    match status:
        case 401 | 403:
            return ProviderFault.UNAUTHORISED
        case 404:
            return ProviderFault.UNKNOWN_MODEL
        case 413:
            return ProviderFault.CONTEXT_TOO_LONG
        case 429:
            return ProviderFault.RATE_LIMITED
        case None | 408 | 409 | 425:
            return ProviderFault.OVERLOADED
        case _:
            return ProviderFault.OVERLOADED if status >= 500 else ProviderFault.REFUSED


def retry_after(headers: Mapping[str, str], said: str = "") -> float | None:
    """Return the seconds that the server asks to wait, from its headers or its words.

    Retry-After holds seconds or a date (RFC 9110, 10.2.3); `retry-after-ms` is
    OpenAI's own. Inside a stream there are only words: "try again in 1.2s".
    """
    milliseconds = headers.get("retry-after-ms", "")
    if re.fullmatch(r"\d+(\.\d+)?", milliseconds):
        return float(milliseconds) / 1000
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    if value:
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time())
        except ValueError:
            pass  # neither form; the words may still say
    if found := _TRY_AGAIN_IN.search(said):
        number = float(found["n"]) / (1000 if found["unit"].lower() == "ms" else 1)
        return number + 60 * int(found["m"] or 0)
    return None


def one_line(text: str, *, secret: str | None = None, limit: int = 400) -> str:
    """Return `text` on one line, without the key, cut with a visible mark."""
    line = " ".join(text.split())
    if secret and len(secret) >= _LONG_ENOUGH_TO_HIDE:
        line = line.replace(secret, "[key]")
    if len(line) > limit:
        line = f"{line[:limit]} … ({len(line) - limit} more characters)"
    return line.removesuffix(".")


def object_text(arguments: str) -> str:
    """Return a call's arguments as the text of a JSON object.

    Some APIs take the arguments apart and refuse a history in which one call
    is malformed. What the model wrote is then kept as a string inside an
    object, where it can still see its mistake.
    """
    try:
        parsed: object = json.loads(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        wrapped: JsonObject = {"malformed_arguments": arguments}
        return json.dumps(wrapped, ensure_ascii=False)
    return arguments if arguments.strip() else "{}"


def tool_name(name: str) -> str:
    """Return a tool's name as every API accepts it.

    A model may have called a tool that does not exist by a name that no API
    lets back in, `functions.read` or an empty one.
    """
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "unnamed"
