"""What is read ahead of the first request: the same bytes, given up at once, never in the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import scripted_server as scripted

from qcode.approvals import Nobody
from qcode.cli import room
from qcode.cli.chosen import Chosen
from qcode.cli.start import open_session
from qcode.cli.warm import warm_up
from qcode.config import Settings, ToolProtocol
from qcode.events import Event, TextDelta
from qcode.providers.prefix import described, first_difference
from qcode.providers.registry import Target
from qcode.sandbox.policy import Level
from qcode.session import Session

PROPS = scripted.Whole(
    b'{"default_generation_settings": {"n_ctx": 32768}}', headers={"Server": "llama.cpp"}
)
READ = {**scripted.USAGE, "prompt_tokens": 812, "completion_tokens": 1}
NOTHING = scripted.stream(
    scripted.delta(role="assistant", content=None), finish="length", usage=READ
)
"""How llama.cpp ends a prompt that it was only to read."""


def llama(
    *script: scripted.Reply | Callable[[scripted.Seen], scripted.Reply],
) -> scripted.ScriptedServer:
    return scripted.ScriptedServer(script, routes={"/props": PROPS})


def chosen(base_url: str, key: str | None = None) -> Chosen:
    return Chosen(Target(model="scripted", base_url=base_url, api_key=key, kind="chat"), 32_768)


async def held(
    base_url: str,
    folder: Path,
    act: Callable[[Session], Awaitable[None]],
    protocol: ToolProtocol = "native",
) -> Session:
    """Open a session, warm up, and do something with it; return it closed."""
    settings = Settings(sandbox=Level.OFF, checkpoints=False, tool_protocol=protocol)
    which = chosen(base_url)
    session = open_session(settings, which, Nobody(), cwd=folder, added=(), note=lambda _: None)
    try:
        warm_up(session, which)
        await act(session)
    finally:
        await session.close()
    return session


async def say(session: Session, text: str = "hello") -> list[Event]:
    async with aclosing(session.send(text)) as events:
        return [event async for event in events]


async def to_the_end(session: Session) -> None:
    assert session.warm_up is not None
    await session.warm_up.wait()


async def both(session: Session) -> None:
    await to_the_end(session)
    await say(session)


def test_the_one_token_that_llama_writes_is_no_answer(tmp_path: Path) -> None:
    one = scripted.stream(scripted.delta(content="To"), finish="length", usage=READ)
    with llama(one) as server:
        session = asyncio.run(held(server.base_url, tmp_path, to_the_end))

    assert session.warm_up is not None
    assert session.warm_up.usage is not None
    assert session.warm_up.usage.input_tokens == 812


@pytest.mark.parametrize("protocol", ["native", "prompted"])
@pytest.mark.parametrize("told", ["", 'Use "tabs" — always.\n'])
def test_the_first_request_begins_with_all_that_was_read_ahead(
    protocol: ToolProtocol, told: str, tmp_path: Path
) -> None:
    if told:
        (tmp_path / "AGENTS.md").write_text(told)
    with llama(NOTHING, scripted.text("Hi.")) as server:
        asyncio.run(held(server.base_url, tmp_path, both, protocol))
        ahead, first = (seen.raw for seen in server.requests)

    behind = b'"}],"n_predict":0}'
    assert ahead.endswith(behind)
    known = ahead.removesuffix(behind)
    assert first_difference(known, first) is None, described(known, first)
    assert (b"always." in known) == bool(told)
    assert known.endswith(b'"role":"user","content":"') != bool(told)


def test_a_reopened_conversation_is_read_ahead(tmp_path: Path) -> None:
    async def again(session: Session) -> None:
        await both(session)
        warm_up(session, chosen(server.base_url))
        await both(session)

    script = (NOTHING, scripted.text("Hi."), NOTHING, scripted.text("Bye."))
    with llama(*script) as server:
        asyncio.run(held(server.base_url, tmp_path, again))
        ahead, second = (seen.raw for seen in server.requests[2:])

    known = ahead.removesuffix(b'"}],"n_predict":0}')
    assert first_difference(known, second) is None
    assert [m["role"] for m in json.loads(ahead)["messages"]] == [
        *("system", "user", "assistant", "user")
    ]


def test_it_is_given_up_before_the_first_request_goes_out(tmp_path: Path) -> None:
    left: list[bool] = []

    def answer(_seen: scripted.Seen) -> scripted.Reply:
        left.append(server.requests[0].left.wait(5))
        return scripted.text("Hi.")

    reading = scripted.stall(scripted.prefill(NOTHING, total=800, steps=4), after=3)
    with llama(reading, answer) as server:

        async def early(session: Session) -> None:
            await asyncio.to_thread(server.wait_for, 1)
            assert session.warm_up is not None
            async with asyncio.timeout(5):
                while session.warm_up.read < 400:  # noqa: ASYNC110 - there is no event of it
                    await asyncio.sleep(0)
            events = await say(session)
            assert any(isinstance(event, TextDelta) for event in events)

        session = asyncio.run(held(server.base_url, tmp_path, early))

    assert left == [True]
    assert session.warm_up is not None
    assert session.warm_up.told == "read ahead of the first message: 400 of 800 tokens"


def test_leaving_gives_it_up(tmp_path: Path) -> None:
    with llama(scripted.stall(NOTHING)) as server:

        async def leave(_session: Session) -> None:
            await asyncio.to_thread(server.wait_for, 1)

        asyncio.run(held(server.base_url, tmp_path, leave))
        assert server.requests[0].left.wait(5)


def test_what_was_read_is_shown_and_not_journalled(tmp_path: Path) -> None:
    shown: list[str] = []

    async def look(session: Session) -> None:
        await to_the_end(session)
        shown.append(room.context(session).splitlines()[-1])
        assert not session.history.messages
        assert session.history.usage.input_tokens == 0

    with llama(NOTHING) as server:
        session = asyncio.run(held(server.base_url, tmp_path, look))

    assert shown[0].startswith(
        "read ahead of the first message: 812 tokens, 0 reused, 812 read anew in "
    )
    lines = [json.loads(line) for line in session.history.journal.path.read_text().splitlines()]
    assert {line.get("type") for line in lines} & {"message", "usage", "delta"} == set()


@pytest.mark.parametrize(
    "reply",
    [
        scripted.fault(500, "overloaded"),
        scripted.fault(400, "no user query found"),
        scripted.cut(NOTHING, 1),
        scripted.html(),
        scripted.text("An answer that nobody asked for."),
        scripted.fault(500, "tools param requires --jinja flag"),
    ],
    ids=["500", "400", "cut", "html", "answered", "no tools"],
)
def test_nothing_comes_of_a_failure(reply: scripted.Reply, tmp_path: Path) -> None:
    with llama(reply, scripted.text("Hi.")) as server:
        session = asyncio.run(held(server.base_url, tmp_path, both, "auto"))

        assert len(server.requests) == 2  # it is not tried again
        assert json.loads(server.requests[1].raw)["tools"]
    assert session.warm_up is not None
    assert session.warm_up.told == ""
    assert [message.text for message in session.history.messages][1:] == ["Hi."]


def test_nobody_else_has_to_wait_for_it(tmp_path: Path) -> None:
    busy = scripted.Whole(b'[{"id": 0, "is_processing": true, "n_prompt_tokens": 9}]')
    routes = {"/props": PROPS, "/slots": busy}
    with scripted.ScriptedServer([scripted.text("Hi.")], routes=routes) as server:
        asyncio.run(held(server.base_url, tmp_path, both))

        assert len(server.requests) == 1


@pytest.mark.parametrize("server_name", ["", "uvicorn", "llama.cpp but no props"])
def test_other_servers_are_left_alone(server_name: str, tmp_path: Path) -> None:
    body = b'{"detail": "Not Found"}' if server_name else PROPS.body
    props = scripted.Whole(body, headers={"Server": server_name} if server_name else {})
    with scripted.ScriptedServer([scripted.text("Hi.")], routes={"/props": props}) as server:
        asyncio.run(held(server.base_url, tmp_path, both))

        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "target, is_free",
    [
        (Target("m", "http://127.0.0.1:8080/v1", None, "chat"), True),
        (Target("m", "http://localhost:8080/v1", None, "chat"), True),
        (Target("m", "http://[::1]:8080/v1", None, "chat"), True),
        (Target("m", "http://127.0.0.1:4000/v1", "sk-1", "chat"), False),
        (Target("m", "http://192.168.1.7:8080/v1", None, "chat"), False),
        (Target("m", "https://api.example.com/v1", None, "chat"), False),
        (Target("m", "http://127.0.0.1:8080/v1", None, "responses"), False),
        (Target("anthropic/m", None, None, "litellm"), False),
    ],
)
def test_only_this_machine_without_a_key_costs_nothing(target: Target, is_free: bool) -> None:
    assert Chosen(target, None).is_free_here == is_free
