"""What a model is shown again of what it thought, as the registry says."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from asking import ask
from scripted_server import ScriptedServer, fault, text

from qcode.errors import ProviderError
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from qcode.providers import Request
from qcode.providers.chat import ChatProvider
from qcode.providers.chat_body import BodyRenderer, Dialect
from qcode.providers.registry import Target, make_provider

TURN: list[Message] = [
    UserMessage("Look."),
    AssistantMessage("", "I look.", (ToolCall("c1", "read_file", "{}"),)),
    ToolMessage("c1", "read_file", "x"),
    UserMessage("go on", is_nudge=True),
    AssistantMessage("Found.", "It is there."),
]
NEXT: list[Message] = [*TURN, UserMessage("And now?"), AssistantMessage("Well.", "Hm.")]
FIRST = ["I look.", "It is there."]


def asked(messages: list[Message]) -> Request:
    return Request("Be brief.", messages, (), 100)


def thoughts(body: Any) -> list[str]:
    return [m["reasoning_content"] for m in body["messages"] if "reasoning_content" in m]


def sent(model: str, *histories: list[Message], replies: list[Any] | None = None) -> list[Any]:
    with ScriptedServer(replies or [text("ok")] * len(histories)) as server:
        provider = make_provider(Target(model, server.base_url, None, "chat"), session_key="s")
        ask(provider, *map(asked, histories))
    return [thoughts(seen.json) for seen in server.requests]


@pytest.mark.parametrize(
    "model, in_turn, later",
    [
        ("scripted", [], []),
        ("qwen3-coder-next-q4_k_m.gguf", [], []),
        ("Qwen/Qwen3.5-27B", FIRST, ["Hm."]),
        ("gpt-oss:20b", FIRST, ["Hm."]),
        ("moonshotai/Kimi-K2.7-Code", FIRST, [*FIRST, "Hm."]),
        ("deepseek-v4-pro", FIRST, [*FIRST, "Hm."]),
    ],
)
def test_models_are_shown_what_they_want(model: str, in_turn: list[str], later: list[str]) -> None:
    assert sent(model, TURN, NEXT) == [in_turn, later]


@pytest.mark.parametrize("back", ["never", "turn", "always"])
def test_within_a_turn_a_request_begins_with_the_one_before(back: Any) -> None:
    renderer = BodyRenderer("m", {}, Dialect(send_reasoning=back))
    bodies = [renderer.render(asked(TURN[:count])) for count in range(1, len(TURN) + 1)]

    for before, after in pairwise(bodies):
        assert after.startswith(before.removesuffix(b"]}"))


@pytest.mark.parametrize("back", ["never", "turn", "always"])
@pytest.mark.parametrize("path", [(5, 6, 7), (7, 5), (7, 2, 7), (7, 6, 5, 4, 7), (2, 7, 3)])
def test_what_is_kept_is_what_would_be_rendered_anew(back: Any, path: tuple[int, ...]) -> None:
    kept = BodyRenderer("m", {}, Dialect(send_reasoning=back))

    for count in path:
        anew = BodyRenderer("m", {}, Dialect(send_reasoning=back))
        assert kept.render(asked(NEXT[:count])) == anew.render(asked(NEXT[:count]))


def test_an_endpoint_that_does_not_take_it_is_not_sent_it_again() -> None:
    refusal = fault(400, "property 'reasoning_content' is unsupported")

    assert sent("glm-5", TURN, TURN, replies=[refusal, text("ok"), text("ok")]) == [FIRST, [], []]


def test_an_endpoint_that_demands_it_gets_all() -> None:
    demand = fault(400, "The `reasoning_content` in the thinking mode must be passed back")

    assert sent("scripted", NEXT, replies=[demand, text("ok")]) == [[], [*FIRST, "Hm."]]


def test_an_endpoint_that_contradicts_itself_is_not_asked_for_ever() -> None:
    demand = fault(400, "reasoning_content must be passed back")
    refusal = fault(400, "reasoning_content is unsupported")
    with ScriptedServer([demand, refusal, demand, text("never sent")]) as server:
        provider = ChatProvider(base_url=server.base_url, model="m", local=False)
        with pytest.raises(ProviderError):
            ask(provider, asked(NEXT))

    assert len(server.requests) == 3


def test_the_registry_is_asked_when_there_is_something_to_send() -> None:
    asked_for: list[str] = []

    def back() -> Any:
        asked_for.append("asked")
        return "always"

    with ScriptedServer([text("ok")] * 3) as server:
        provider = ChatProvider(base_url=server.base_url, model="m", send_reasoning=back)
        ask(provider, asked(TURN[:1]))
        assert asked_for == []
        ask(provider, asked(TURN), asked(NEXT))

    assert asked_for == ["asked"]
    assert [thoughts(seen.json) for seen in server.requests] == [[], FIRST, [*FIRST, "Hm."]]
