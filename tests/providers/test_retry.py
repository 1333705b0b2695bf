from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import scripted_server as server_of
from asking import ask, collect, failure, request, stream_of
from scripted_server import ScriptedServer, cut, fault

from qcode.errors import ProviderError, ProviderFault
from qcode.providers import Delta, Done, Provider, Request, Retry, TextPart
from qcode.providers.chat import ChatProvider
from qcode.providers.retry import RetryingProvider

F = ProviderFault


class Failing(Provider):
    """Ends each stream with the next of the outcomes: a fault, seconds asked for, or None."""

    def __init__(self, *outcomes: ProviderFault | float | None) -> None:
        self._outcomes = list(outcomes)
        self.asked = 0
        self.closed = False

    @property
    def model(self) -> str:
        return "failing"

    async def close(self) -> None:
        self.closed = True

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        self.asked += 1
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, float):
            raise ProviderError("slow down", fault=F.RATE_LIMITED, retry_after_s=outcome)
        if outcome is not None:
            raise ProviderError("it failed", fault=outcome, hint="do something")
        yield TextPart("a")
        yield Done("stop")


class Clock:
    """Takes note of the waits and returns at once."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


def longest(low: float, high: float) -> float:
    return high


def retrying(inner: Provider, clock: Clock) -> RetryingProvider:
    return RetryingProvider(inner, sleep=clock.sleep, uniform=longest)


def test_waits_grow_and_are_announced() -> None:
    clock = Clock()
    inner = Failing(F.OVERLOADED, F.RATE_LIMITED, F.STREAM_BROKEN, F.BAD_OUTPUT, F.OVERLOADED, None)

    deltas = ask(retrying(inner, clock))

    assert deltas == [
        *(Retry(n, 5, 0.5 * 2 ** (n - 1), "it failed") for n in range(1, 6)),
        TextPart("a"),
        Done("stop"),
    ]
    assert clock.waits == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert inner.closed


def test_the_last_error_says_how_often_it_was_tried() -> None:
    inner = Failing(F.OVERLOADED)

    error = failure(retrying(inner, Clock()))

    assert str(error) == "it failed (after 6 attempts); do something"
    assert (error.fault, inner.asked) == (F.OVERLOADED, 6)


@pytest.mark.parametrize(
    "fault_",
    [
        F.UNAUTHORISED,
        F.UNKNOWN_MODEL,
        F.CONTEXT_TOO_LONG,
        F.REFUSED,
        F.NOT_AN_API,
    ],
)
def test_what_cannot_pass_is_not_tried_again(fault_: ProviderFault) -> None:
    inner = Failing(fault_)

    error = failure(retrying(inner, Clock()))

    assert (str(error), inner.asked) == ("it failed; do something", 1)


def test_nothing_running_is_known_at_once() -> None:
    clock, inner = Clock(), Failing(F.UNREACHABLE)

    error = failure(retrying(inner, clock))

    assert error.message == "it failed (after 2 attempts)"
    assert sum(clock.waits) < 1


@pytest.mark.parametrize("before", [None, F.OVERLOADED])
def test_an_endpoint_that_has_answered_is_waited_for(before: ProviderFault | None) -> None:
    inner = Failing(before, F.UNREACHABLE)
    provider = retrying(inner, Clock())
    requests = [request()] * 2 if before is None else [request()]

    error = failure(provider, *requests)

    assert error.message == "it failed (after 6 attempts)"


def test_an_empty_answer_is_tried_once_more() -> None:
    inner = Failing(F.EMPTY)
    error = failure(retrying(inner, Clock()))
    assert (error.fault, inner.asked) == (F.EMPTY, 2)

    inner = Failing(F.OVERLOADED, F.OVERLOADED, F.EMPTY)
    failure(retrying(inner, Clock()))
    assert inner.asked == 4


def test_waits_are_capped() -> None:
    from qcode.providers.retry import RetryPolicy

    clock, inner = Clock(), Failing(F.OVERLOADED)
    provider = RetryingProvider(inner, RetryPolicy(attempts=12), sleep=clock.sleep, uniform=longest)
    failure(provider)

    assert clock.waits[-4:] == [30.0] * 4


def test_waits_are_drawn_at_random() -> None:
    clock = Clock()
    failure(RetryingProvider(Failing(F.OVERLOADED), sleep=clock.sleep))

    assert all(0 <= w <= 0.5 * 2**n for n, w in enumerate(clock.waits))
    assert len(set(clock.waits)) > 1


def test_the_server_says_how_long() -> None:
    clock = Clock()

    deltas = ask(retrying(Failing(7.0, None), clock))

    assert deltas[0] == Retry(1, 5, 7.0, "slow down")
    assert clock.waits == [7.0]


def test_too_long_a_wait_is_final() -> None:
    inner = Failing(3600.0)

    error = failure(retrying(inner, Clock()))

    assert str(error) == "slow down; it asks to wait 3600 s; try again then"
    assert (error.retry_after_s, inner.asked) == (3600.0, 1)


def test_cancelling_ends_the_wait() -> None:
    async def run() -> None:
        provider = RetryingProvider(Failing(100.0))
        reached = asyncio.Event()

        async def consume() -> None:
            async for delta in stream_of(provider, request()):
                assert isinstance(delta, Retry)
                reached.set()

        task = asyncio.create_task(consume())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(run(), 5))


@pytest.mark.parametrize(
    "first",
    [
        fault(429, retry_after=3),
        fault(503),
        fault(500, "Failed to parse input at pos 3"),
        cut(server_of.text("abcdef")),
        cut(server_of.call("read_file", file_path="a"), 3, reset=True),
        server_of.empty(),
        server_of.raw(server_of.error_chunk("overloaded", code=529)),
    ],
)
def test_over_the_wire_the_second_answer_counts(first: Any) -> None:
    clock = Clock()
    with ScriptedServer([first, server_of.text("b", chunks=1)]) as server:
        provider = retrying(ChatProvider(base_url=server.base_url, model="m"), clock)
        deltas = ask(provider)

    retry = [d for d in deltas if isinstance(d, Retry)]
    assert len(retry) == len(clock.waits) == 1
    after = deltas[deltas.index(retry[0]) + 1 :]
    assert (after[0], type(after[1])) == (TextPart("b"), Done)
    assert server.requests[0].raw == server.requests[1].raw


def test_a_wait_asked_for_over_the_wire_is_kept() -> None:
    clock = Clock()
    with ScriptedServer([fault(429, retry_after=3), server_of.text("b")]) as server:
        ask(retrying(ChatProvider(base_url=server.base_url, model="m"), clock))

    assert clock.waits == [3.0]


def test_the_stream_inside_is_closed_with_the_one_outside() -> None:
    reply = server_of.raw(server_of.delta(content="a"), server_of.Stall())
    with ScriptedServer([reply]) as server:

        async def run() -> None:
            provider = RetryingProvider(ChatProvider(base_url=server.base_url, model="m"))
            deltas = stream_of(provider, request())
            assert await anext(deltas) == TextPart("a")
            await deltas.aclose()

        asyncio.run(run())
        assert server.requests[0].left.wait(5)


def test_a_session_survives_many_faults() -> None:
    faults: list[server_of.Reply] = [
        fault(500),
        cut(server_of.text("abc")),
        server_of.empty(),
        fault(429),
    ]
    script = [reply for f in faults for reply in (f, server_of.text("ok", chunks=1))]
    with ScriptedServer(script) as server:

        async def run() -> list[list[Delta]]:
            inner = ChatProvider(base_url=server.base_url, model="m")
            provider = retrying(inner, Clock())
            try:
                return [await collect(provider, request()) for _ in faults]
            finally:
                await provider.close()

        answers = asyncio.run(run())

    assert [a[-2] for a in answers] == [TextPart("ok")] * 4
