from __future__ import annotations

from typing import Any

import pytest
from asking import READ, ask, failure, request
from scripted_server import ScriptedServer, fault, text

from qcode.errors import ProviderFault
from qcode.providers import (
    Done,
    ProtocolChoice,
    Provider,
    Retry,
    TextPart,
    ToolSpec,
    protocol_choice,
)
from qcode.providers.chat import ChatProvider
from qcode.providers.registry import Target, make_provider

NO_TOOLS = fault(400, "m does not support tools")


def made(server: ScriptedServer, **known: Any) -> Provider:
    return make_provider(Target("m", server.base_url, None, "chat"), session_key="s", **known)


def chosen(provider: Provider) -> ProtocolChoice:
    choice = protocol_choice(provider)
    assert choice is not None
    return choice


def natively(server: ScriptedServer) -> list[bool]:
    return ["tools" in seen.json for seen in server.requests]


def test_tools_are_native_at_first() -> None:
    with ScriptedServer([text("a")]) as server:
        provider = made(server)
        assert chosen(provider).protocol == "native"
        ask(provider)

    assert natively(server) == [True]


def test_a_server_that_refuses_tools_is_told_of_them_in_the_prompt() -> None:
    with ScriptedServer([NO_TOOLS, text("a", chunks=1), text("b")]) as server:
        provider = made(server)
        notice, *rest = ask(provider, request())
        assert chosen(provider).protocol == "prompted"

    assert isinstance(notice, Retry)
    assert notice.wait_s == 0
    assert "does not support tools; the tools are described in the prompt" in notice.reason
    assert [type(delta) for delta in rest] == [TextPart, Done]
    assert natively(server) == [True, False]


def test_a_session_stays_with_the_protocol_that_works() -> None:
    with ScriptedServer([NO_TOOLS, text("a"), text("b")]) as server:
        ask(made(server), request(), request())

    assert natively(server) == [True, False, False]


def test_a_prompted_request_that_is_refused_too_is_an_error() -> None:
    with ScriptedServer([NO_TOOLS, NO_TOOLS]) as server:
        error = failure(made(server))

    assert error.fault is ProviderFault.TOOLS_REFUSED
    assert natively(server) == [True, False]


def test_a_request_without_tools_changes_nothing() -> None:
    with ScriptedServer([NO_TOOLS]) as server:
        assert failure(made(server), request(tools=())).fault is ProviderFault.TOOLS_REFUSED


def test_anyone_may_switch_back_and_forth() -> None:
    with ScriptedServer([text("a")] * 3) as server:
        choice = chosen(made(server))

        assert [choice.switch(), choice.switch()] == ["prompted", "native"]


@pytest.mark.parametrize(
    "known, tools_are_native", [({"protocol": "prompted"}, False), ({"protocol": "native"}, True)]
)
def test_what_is_known_of_a_model_is_begun_with(
    known: dict[str, Any], tools_are_native: bool
) -> None:
    with ScriptedServer([text("a")]) as server:
        ask(made(server, style="glm", **known))

    assert natively(server) == [tools_are_native]
    system = server.requests[0].json["messages"][0]["content"]
    assert ("<arg_key>" in system) is not tools_are_native


@pytest.mark.parametrize("wanted", ["native", "prompted"])
def test_a_protocol_that_a_person_chose_stays(wanted: str) -> None:
    with ScriptedServer([NO_TOOLS]) as server:
        provider = made(server, tool_protocol=wanted)
        assert protocol_choice(provider) is None
        assert failure(provider).fault is ProviderFault.TOOLS_REFUSED

    assert natively(server) == [wanted == "native"]


def test_plain_schemas_are_passed_on() -> None:
    rich = READ.parameters | {"additionalProperties": False}
    with ScriptedServer([text("a")]) as server:
        ask(
            made(server, plain_schemas=True),
            request(tools=(ToolSpec("read_file", "Read a file.", rich),)),
        )

    sent = server.requests[0].json["tools"][0]["function"]["parameters"]
    assert sent == READ.parameters


def test_an_adapter_alone_has_no_choice() -> None:
    assert protocol_choice(ChatProvider(base_url="http://127.0.0.1:1/v1", model="m")) is None


@pytest.mark.parametrize(
    "model, first",
    [
        ("qwen2.5-coder-1.5b-instruct", "prompted"),
        ("Qwen/Qwen2.5-Coder-32B-Instruct", "prompted"),
        ("qwen2.5-coder:7b", "prompted"),
        ("qwen3-coder:30b", "native"),
        ("Qwen2.5-7B-Instruct", "native"),
        ("gpt-oss-20b", "native"),
    ],
)
def test_a_session_begins_with_what_suits_the_model(model: str, first: str) -> None:
    target = Target(model=model, base_url="http://127.0.0.1:1/v1", api_key=None, kind="chat")

    choice = protocol_choice(make_provider(target, session_key="s"))

    assert choice is not None
    assert choice.protocol == first
