from __future__ import annotations

import json
from typing import Any

import pytest
import scripted_server as server_of
from asking import READ, ask, failure, request
from scripted_server import ScriptedServer, fault, raw, text

from qcode.errors import ProviderFault
from qcode.messages import UserMessage
from qcode.providers import Done, Request, TextPart, ToolSpec
from qcode.providers.chat import ChatProvider

RICH = ToolSpec(
    "count",
    "Count.",
    {
        "type": "object",
        "properties": {"n": {"type": ["integer", "null"], "minimum": 1}},
        "additionalProperties": False,
    },
)
PLAIN = {"type": "object", "properties": {"n": {"type": "integer"}}}
SCHEMA = {"type": "object", "properties": {"name": {"enum": ["read_file"]}}}

GRAMMAR = fault(400, "Failed to initialize samplers: failed to parse grammar")
NO_TOOLS = fault(400, "registry.ollama.ai/library/gemma:2b does not support tools")


def forced(tools: tuple[ToolSpec, ...] = (READ,), temperature: float | None = None) -> Request:
    asked = [UserMessage("Hi")]
    return Request("Be brief.", asked, tools, 100, temperature, True, None if tools else SCHEMA)


def provider_for(server: ScriptedServer) -> ChatProvider:
    return ChatProvider(base_url=server.base_url, model="m", local=False)


def sent(server: ScriptedServer, field: str) -> list[Any]:
    return [seen.json.get(field) for seen in server.requests]


def parameters(server: ScriptedServer) -> list[Any]:
    return [seen.json["tools"][0]["function"]["parameters"] for seen in server.requests]


# ------------------------------------------------------------------ forcing a call


def test_a_forced_call_stands_behind_the_messages() -> None:
    with ScriptedServer([text("a")] * 2) as server:
        ask(provider_for(server), request(), forced(temperature=0.8))

    free, bound = (seen.raw for seen in server.requests)
    assert bound == free.removesuffix(b"}") + b',"temperature":0.80,"tool_choice":"required"}'


def test_without_native_tools_the_schema_of_a_call_is_asked_for() -> None:
    with ScriptedServer([text("a")]) as server:
        ask(provider_for(server), forced(tools=()))

    body = server.requests[0].json
    assert "tool_choice" not in body
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "tool_call", "schema": SCHEMA},
    }


@pytest.mark.parametrize(
    "refusal",
    [
        fault(400, 'tool_choice="required" requires --tool-call-parser to be set'),
        fault(400, "deepseek-reasoner does not support this tool_choice"),
        fault(404, "No endpoints found that support the provided 'tool_choice' value."),
        fault(400, "The provided JSON schema contains features not supported by xgrammar."),
        fault(422, "Extra inputs are not permitted: tool_choice"),
        fault(500, "failed to parse grammar"),
        raw(server_of.error_chunk("failed to compile grammar", code=400)),
        GRAMMAR,
    ],
)
def test_a_refused_tool_choice_is_left_out_for_good(refusal: Any) -> None:
    with ScriptedServer([refusal, text("a"), text("a")]) as server:
        ask(provider_for(server), forced(), forced())

    assert sent(server, "tool_choice") == ["required", None, None]


@pytest.mark.parametrize(
    "refusal",
    [
        fault(400, "'response_format.type' must be 'text'"),
        fault(400, "invalid JSON schema in format"),
        GRAMMAR,
    ],
)
def test_a_refused_response_format_is_left_out_for_good(refusal: Any) -> None:
    with ScriptedServer([refusal, text("a"), text("a")]) as server:
        ask(provider_for(server), forced(tools=()), forced(tools=()))

    assert [format is None for format in sent(server, "response_format")] == [False, True, True]


def test_output_that_the_server_could_not_read_is_no_refusal() -> None:
    script = [fault(500, "Failed to parse input at pos 4: the grammar of tool_choice")]
    with ScriptedServer(script) as server:
        error = failure(provider_for(server), forced())

    assert error.fault is ProviderFault.BAD_OUTPUT
    assert len(server.requests) == 1


# ------------------------------------------------------------------ schemas


@pytest.mark.parametrize(
    "refusal",
    [
        GRAMMAR,
        fault(400, 'JSON schema conversion failed:\nUnrecognized schema: {"type":null}'),
        fault(500, "error converting schema to grammar: unsupported"),
        fault(400, "The provided JSON schema contains features not supported by xgrammar."),
        fault(400, "Failed to compile json schema: outlines error"),
        raw(server_of.error_chunk("Invalid grammar request: xgrammar failed", code=400)),
    ],
)
def test_refused_schemas_are_sent_plain_for_good(refusal: Any) -> None:
    asked = request(tools=(RICH,))
    with ScriptedServer([refusal, text("a", chunks=1), text("a", chunks=1)]) as server:
        provider = provider_for(server)
        deltas = ask(provider, asked, asked)

    assert [d for d in deltas if not isinstance(d, Done)] == [TextPart("a")]
    assert parameters(server) == [RICH.parameters, PLAIN, PLAIN]
    assert provider.dialect.plain_schemas


def test_schemas_known_to_be_refused_are_plain_from_the_start() -> None:
    with ScriptedServer([text("a")]) as server:
        ask(
            ChatProvider(base_url=server.base_url, model="m", plain_schemas=True),
            request(tools=(RICH,)),
        )

    assert parameters(server) == [PLAIN]


def test_the_force_is_given_up_before_the_schemas() -> None:
    with ScriptedServer([GRAMMAR, GRAMMAR, text("a")]) as server:
        ask(provider_for(server), forced(tools=(RICH,)))

    assert sent(server, "tool_choice") == ["required", None, None]
    assert parameters(server) == [RICH.parameters, RICH.parameters, PLAIN]


def test_plain_schemas_refused_again_are_a_refusal_of_tools() -> None:
    with ScriptedServer([GRAMMAR, GRAMMAR]) as server:
        error = failure(provider_for(server), request(tools=(RICH,)))

    assert error.fault is ProviderFault.TOOLS_REFUSED
    assert (error.exit_code, error.retryable) == (3, False)
    assert "tool_protocol" in error.hint
    assert len(server.requests) == 2


def test_what_is_plain_already_is_not_sent_again() -> None:
    with ScriptedServer([GRAMMAR]) as server:
        error = failure(provider_for(server))

    assert error.fault is ProviderFault.TOOLS_REFUSED


def test_an_error_behind_a_begun_answer_is_not_asked_again() -> None:
    broken = raw(server_of.delta(content="a"), server_of.error_chunk("failed to parse grammar"))
    with ScriptedServer([broken]) as server:
        error = failure(provider_for(server), request(tools=(RICH,)))

    assert error.fault is ProviderFault.TOOLS_REFUSED


# ------------------------------------------------------------------ tools


@pytest.mark.parametrize(
    "refusal",
    [
        NO_TOOLS,
        fault(500, "Unsupported param: tools"),
        fault(500, "tools param requires --jinja flag"),
        fault(400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser'),
        fault(404, "No endpoints found that support tool use."),
        fault(400, "`tool calling` is not supported with this model"),
        fault(400, "Function calling is not enabled for this model"),
        fault(400, "Unrecognized request argument supplied: tools"),
        fault(500, "Conversation roles must alternate user/assistant/user/assistant/..."),
        fault(400, "Only user and assistant roles are supported!"),
        raw(server_of.error_chunk("this model does not support tools")),
    ],
)
def test_a_server_without_tools_is_told_apart(refusal: Any) -> None:
    with ScriptedServer([refusal]) as server:
        error = failure(provider_for(server))

    assert error.fault is ProviderFault.TOOLS_REFUSED
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "refusal, expected",
    [
        (fault(400, "tools[0].function.name is too long"), ProviderFault.REFUSED),
        (fault(400, "temperature is not supported"), ProviderFault.REFUSED),
        (fault(401, "this key does not support tools"), ProviderFault.UNAUTHORISED),
        (fault(500, "boom"), ProviderFault.OVERLOADED),
    ],
)
def test_other_refusals_stay_what_they_are(refusal: Any, expected: ProviderFault) -> None:
    with ScriptedServer([refusal]) as server:
        assert failure(provider_for(server)).fault is expected


def test_a_refusal_that_quotes_the_request_is_learnt_from_once() -> None:
    def refuse(seen: server_of.Seen) -> server_of.Whole:
        return fault(422, f"grammar tool_choice {json.dumps(seen.json)}")

    with ScriptedServer(refuse) as server:
        failure(provider_for(server), forced(tools=(RICH,)))

    assert len(server.requests) <= 5
