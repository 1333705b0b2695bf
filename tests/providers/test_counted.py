"""What a request took that nobody counted, as it was stopped or broke off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest
import scripted_server as scripted
from asking import ask, failure, request, stream_of
from scripted_server import ScriptedServer, cut, prefill, stall

from qcode.messages import Usage, UserMessage
from qcode.providers import Cut, Delta, Done, PromptProgress, Provider, TextPart
from qcode.providers.chat import ChatProvider
from qcode.providers.counted import CountedProvider, Price
from qcode.record import replace

WORDS = "one two three four five six seven eight"
COUNTED = {"prompt_tokens": 400, "completion_tokens": 8}


def price(usage: Usage) -> float:
    return usage.input_tokens * 2 + usage.output_tokens * 10


def counted(server: ScriptedServer, dollars: Price | None = price) -> CountedProvider:
    return CountedProvider(ChatProvider(base_url=server.base_url, model="scripted"), dollars)


def stopped(
    provider: Provider, is_enough: Callable[[Delta], bool], *, by_cancelling: bool = False
) -> list[Cut]:
    """Ask until something comes; return what was told of the cut."""
    cuts: list[Cut] = []

    async def run() -> None:
        came = asyncio.Event()

        async def read() -> None:
            async with aclosing(stream_of(provider, replace(request(), cut=cuts.append))) as deltas:
                async for delta in deltas:
                    if is_enough(delta):
                        came.set()
                        if not by_cancelling:
                            return

        task = asyncio.create_task(read())
        await came.wait()
        if by_cancelling:
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await provider.close()

    asyncio.run(run())
    return cuts


@pytest.mark.parametrize("by_cancelling", [False, True])
def test_what_was_stopped_is_estimated_and_priced(by_cancelling: bool) -> None:
    with ScriptedServer([stall(scripted.text(WORDS, chunks=8), after=5)]) as server:
        cuts = stopped(
            counted(server), lambda delta: isinstance(delta, TextPart), by_cancelling=by_cancelling
        )

    [one] = cuts
    assert one.usage.input_tokens > 10
    assert one.usage.output_tokens >= 1
    assert one.usage.cost_usd == price(replace(one.usage, cost_usd=None))
    assert one.model == "scripted"
    assert one.duration_s > 0


def test_the_server_knows_the_prompt_best() -> None:
    with ScriptedServer([stall(prefill(scripted.text(WORDS), total=777, cache=100), 7)]) as server:
        [one] = stopped(counted(server), lambda delta: isinstance(delta, TextPart))

    assert one.usage.input_tokens == 777


def test_of_a_prompt_that_was_read_in_part_that_part_counts() -> None:
    with ScriptedServer([stall(prefill(scripted.text(WORDS), total=1000, steps=4), 3)]) as server:
        cuts = stopped(
            counted(server), lambda delta: isinstance(delta, PromptProgress) and delta.done == 500
        )

    assert [(cut.usage.input_tokens, cut.usage.output_tokens) for cut in cuts] == [(500, 0)]


def test_what_was_counted_before_is_the_measure() -> None:
    script = [scripted.text(WORDS, usage=COUNTED), cut(scripted.text(WORDS, chunks=8), after=6)]
    cuts: list[Cut] = []
    asked = replace(request(), cut=cuts.append)
    longer = replace(asked, messages=[*asked.messages, UserMessage("x" * 400)])
    with ScriptedServer(script) as server:
        failure(counted(server), asked, longer)

    [one] = cuts
    # The first had 400 tokens; what came to it has two characters a token, the least there are.
    assert 550 < one.usage.input_tokens < 650


def test_a_whole_answer_was_not_cut() -> None:
    cuts: list[Cut] = []
    with ScriptedServer([scripted.text(WORDS, usage=COUNTED)]) as server:
        *_, done = ask(counted(server), replace(request(), cut=cuts.append))

    assert isinstance(done, Done)
    assert (done.usage.input_tokens, done.usage.cost_usd) == (400, 880.0)
    assert cuts == []


def test_what_never_began_took_nothing() -> None:
    cuts: list[Cut] = []
    with ScriptedServer([scripted.fault(500)]) as server:
        failure(counted(server, None), replace(request(), cut=cuts.append))

    assert cuts == []


class Fails(Provider):
    """Says a word and fails in a way that nobody foresaw."""

    @property
    def model(self) -> str:
        return "fails"

    async def close(self) -> None:
        pass

    async def stream(self, request: object) -> AsyncGenerator[Delta, None]:
        yield TextPart("word")
        raise ValueError("a bug")


def test_the_cause_stays_and_no_price_is_made_up() -> None:
    cuts: list[Cut] = []
    with pytest.raises(ValueError, match="a bug"):
        ask(CountedProvider(Fails()), replace(request(), cut=cuts.append))

    assert [cut.usage.cost_usd for cut in cuts] == [None]
    assert cuts[0].usage.output_tokens == 1
