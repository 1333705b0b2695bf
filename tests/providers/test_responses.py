from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import aclosing
from typing import Any

import pytest
import responses_server as server
from responses_server import ResponsesServer
from sse_server import Plain, Reply

from qcode.errors import ProviderError, ProviderFault
from qcode.messages import (
    AssistantMessage,
    Message,
    Native,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from qcode.providers import (
    CallPart,
    Delta,
    Done,
    ReasoningPart,
    Request,
    TextPart,
    ToolSpec,
    Waiting,
)
from qcode.providers.responses import ResponsesProvider, reasons, render

READ = ToolSpec("read", "Read a file.", {"type": "object", "properties": {}})
QUESTION = (UserMessage("Hi"),)


def ask(
    base_url: str, *messages: Message, tools: tuple[ToolSpec, ...] = (), **options: Any
) -> list[Delta]:
    return asyncio.run(_ask(base_url, [messages or QUESTION], tools, options))[0]


async def _ask(
    base_url: str,
    histories: list[tuple[Message, ...]],
    tools: tuple[ToolSpec, ...],
    options: dict[str, Any],
) -> list[list[Delta]]:
    settings = {"model": "gpt-5", "session_key": "session-1"} | options
    provider = ResponsesProvider(api_key="sk-secret", base_url=base_url, **settings)
    answers: list[list[Delta]] = []
    try:
        for history in histories:
            request = Request("Be brief.", history, tools, 4096)
            # On a busy machine the import alone may be long enough for a Waiting.
            deltas = [d async for d in provider.stream(request)]
            answers.append([d for d in deltas if not isinstance(d, Waiting)])
    finally:
        await provider.close()
    return answers


def native(*items: dict[str, Any]) -> Native:
    return Native(
        "responses",
        tuple(
            json.dumps(server.item(i), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
            for i in items
        ),
    )


def fails(reply: Reply, **options: Any) -> ProviderError:
    with ResponsesServer([reply]) as served, pytest.raises(ProviderError) as caught:
        ask(served.base_url, **options)
    assert len(served.requests) == 1
    return caught.value


def test_text_streams_and_ends_with_usage_and_items() -> None:
    said = server.message("Hel", "lo.")

    with ResponsesServer([server.answer(said)]) as served:
        deltas = ask(served.base_url)

    assert deltas == [
        TextPart("Hel"),
        TextPart("lo."),
        Done("stop", Usage(1000, 50, 640), native(said)),
    ]


def test_request_carries_everything_and_stores_nothing() -> None:
    with ResponsesServer([server.answer(server.message("Hello."))]) as served:
        ask(served.base_url, tools=(READ,), reasoning_effort="low")

    (seen,) = served.requests
    assert seen.path == "/v1/responses"
    assert seen.headers["authorization"] == "Bearer sk-secret"
    assert seen.json == {
        "model": "gpt-5",
        "instructions": "Be brief.",
        "input": [{"role": "user", "content": "Hi"}],
        "max_output_tokens": 4096,
        "prompt_cache_key": "session-1",
        "store": False,
        "stream": True,
        "tools": [
            {
                "type": "function",
                "name": "read",
                "description": "Read a file.",
                "parameters": {"type": "object", "properties": {}},
                "strict": False,
            }
        ],
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low", "summary": "auto"},
    }


def test_model_without_reasoning_is_not_asked_for_it() -> None:
    with ResponsesServer([server.answer(server.message("Hello."))]) as served:
        ask(served.base_url, model="gpt-4.1")

    assert served.requests[0].json.keys().isdisjoint({"include", "reasoning", "tools"})


@pytest.mark.parametrize(
    "model, expected",
    [
        ("gpt-5", True),
        ("gpt-5.1-codex-mini", True),
        ("o3", True),
        ("o4-mini", True),
        ("codex-mini-latest", True),
        ("gpt-4o", False),
        ("gpt-4.1-mini", False),
        ("gpt-5-chat-latest", False),
        ("gpt-5.1-chat-latest", False),
        ("chatgpt-4o-latest", False),
    ],
)
def test_reasoning_is_known_by_name(model: str, expected: bool) -> None:
    assert reasons(model) is expected


def test_reasoning_and_calls_stream_by_output_item() -> None:
    items = (
        server.reasoning("First.", "Second."),
        server.call("read", '{"path": ', '"a.py"}'),
        server.call("read", "{}", call_id="call_2", id="fc_2"),
    )

    with ResponsesServer([server.answer(*items)]) as served:
        deltas = ask(served.base_url)

    assert deltas == [
        ReasoningPart("First."),
        ReasoningPart("\n\n"),
        ReasoningPart("Second."),
        CallPart(1, "call_1", "read"),
        CallPart(1, arguments='{"path": '),
        CallPart(1, arguments='"a.py"}'),
        CallPart(2, "call_2", "read"),
        CallPart(2, arguments="{}"),
        Done("tool_calls", Usage(1000, 50, 640), native(*items)),
    ]


def test_items_without_deltas_are_passed_on_whole() -> None:
    items = (server.message("Look."), server.call("read", '{"path": "a.py"}'))

    with ResponsesServer([server.answer(*items, deltas=False)]) as served:
        deltas = ask(served.base_url)

    assert deltas[:-1] == [
        TextPart("Look."),
        CallPart(1, "call_1", "read"),
        CallPart(1, arguments='{"path": "a.py"}'),
    ]


def test_messages_of_one_answer_are_paragraphs() -> None:
    items = (server.message("Looking."), server.message("Done.", id="msg_2"))

    with ResponsesServer([server.answer(*items)]) as served:
        deltas = ask(served.base_url)

    assert deltas[:-1] == [TextPart("Looking."), TextPart("\n\n"), TextPart("Done.")]


def test_refusal_is_text() -> None:
    with ResponsesServer([server.answer(server.message("I can", "not.", refusal=True))]) as served:
        deltas = ask(served.base_url)

    assert deltas[:-1] == [TextPart("I can"), TextPart("not.")]


def test_items_go_back_as_they_came() -> None:
    items = (server.reasoning("Hm."), server.message("Look."), server.call("read", "{bad"))
    call = ToolCall("call_1", "read", "{bad")
    with ResponsesServer([server.answer(*items), server.answer(server.message("Ok."))]) as served:
        first = ask(served.base_url)
        done = first[-1]
        assert isinstance(done, Done)
        history = (
            UserMessage("Hi"),
            AssistantMessage("Look.", "Hm.", (call,), done.native),
            ToolMessage("call_1", "read", "arguments are not JSON", is_error=True),
        )
        ask(served.base_url, *history)

    assert served.requests[1].json["input"] == [
        {"role": "user", "content": "Hi"},
        *(server.item(i) for i in items),
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": "arguments are not JSON",
        },
    ]


def test_reasoning_without_its_content_is_not_kept() -> None:
    items = (server.reasoning("Hm.", encrypted=None), server.message("Hello."))

    with ResponsesServer([server.answer(*items)]) as served:
        deltas = ask(served.base_url)

    assert deltas[-1] == Done("stop", Usage(1000, 50, 640), None)


FOREIGN = (
    UserMessage("Fix it"),
    AssistantMessage(
        "Let me look.",
        "It may be in a.py.",
        (ToolCall("toolu_1", "read", '{"path": "a.py"}'), ToolCall("x" * 900, "a.b", "{oops")),
        Native("litellm", ('{"thinking_blocks": []}',)),
    ),
    ToolMessage("toolu_1", "read", "text"),
    ToolMessage("x" * 900, "a.b", "no such tool", is_error=True),
    AssistantMessage("I was", interrupted=True),
    AssistantMessage(interrupted=True),
    UserMessage("Go on"),
)


def test_history_of_other_providers_is_rendered_from_the_messages() -> None:
    long_id = render(FOREIGN)[3]["call_id"]

    assert len(long_id) == 64
    assert render(FOREIGN) == [
        {"role": "user", "content": "Fix it"},
        {"role": "assistant", "content": "Let me look."},
        {
            "type": "function_call",
            "call_id": "toolu_1",
            "name": "read",
            "arguments": '{"path": "a.py"}',
        },
        {
            "type": "function_call",
            "call_id": long_id,
            "name": "a_b",
            "arguments": '{"malformed_arguments": "{oops"}',
        },
        {"type": "function_call_output", "call_id": "toolu_1", "output": "text"},
        {"type": "function_call_output", "call_id": long_id, "output": "no such tool"},
        {"role": "assistant", "content": "I was"},
        {"role": "user", "content": "Go on"},
    ]


def test_items_that_do_not_match_the_calls_are_left_out() -> None:
    kept = native(server.call("read", "{}"), server.call("read", "{}", call_id="call_2"))
    message = AssistantMessage(tool_calls=(ToolCall("call_1", "read", "{}"),), native=kept)

    (item,) = render([message])

    assert "id" not in item


def test_reasoning_items_are_left_out_for_models_that_do_not_reason() -> None:
    kept = native(server.reasoning("Hm."), server.message("Hello."))

    items = render([AssistantMessage("Hello.", "Hm.", native=kept)], reasoning=False)

    assert items == [{"role": "assistant", "content": "Hello."}]


def test_rendering_only_grows() -> None:
    for end in range(len(FOREIGN)):
        shorter = render(FOREIGN[:end])
        assert render(FOREIGN)[: len(shorter)] == shorter


def test_long_session_key_is_shortened_to_a_stable_one() -> None:
    with ResponsesServer([server.answer(server.message("Hello."))] * 2) as served:
        for _ in range(2):
            ask(served.base_url, session_key="k" * 100)

    first, second = (seen.json["prompt_cache_key"] for seen in served.requests)
    assert first == second
    assert len(first) == 64


@pytest.mark.parametrize(
    "reason, finish", [("max_output_tokens", "length"), ("content_filter", "content_filter")]
)
def test_incomplete_answer_says_why(reason: str, finish: str) -> None:
    with ResponsesServer([server.truncated(server.message("Hel"), reason=reason)]) as served:
        deltas = ask(served.base_url)

    assert deltas == [TextPart("Hel"), Done(finish, Usage(1000, 50, 640), None)]


def test_answer_with_nothing_but_reasoning_is_empty() -> None:
    assert fails(server.answer(server.reasoning("Hm."))).fault is ProviderFault.EMPTY


@pytest.mark.parametrize(
    "reply, fault",
    [
        (server.refused(400, "Unknown parameter", param="x"), ProviderFault.REFUSED),
        (
            server.refused(400, "Too much.", code="context_length_exceeded"),
            ProviderFault.CONTEXT_TOO_LONG,
        ),
        (server.refused(401, "Incorrect API key", code="invalid_api_key"), "unauthorised"),
        (server.refused(403, "Country not supported"), ProviderFault.UNAUTHORISED),
        (server.refused(404, "No such model", code="model_not_found"), "unknown_model"),
        (Plain(b'{"detail": "Not Found"}', 404), ProviderFault.NOT_AN_API),
        (server.refused(429, "Slow down", code="rate_limit_exceeded"), "rate_limited"),
        (server.refused(429, "You exceeded", code="insufficient_quota"), ProviderFault.REFUSED),
        (server.refused(500, "Sorry"), ProviderFault.OVERLOADED),
        (server.refused(503, "Busy"), ProviderFault.OVERLOADED),
        (Plain(b"<html>Hi</html>", content_type="text/html"), ProviderFault.NOT_AN_API),
        (Plain(b"data: {oops\n\n", content_type="text/event-stream"), ProviderFault.NOT_AN_API),
        (server.failed("server_error", "Sorry"), ProviderFault.OVERLOADED),
        (server.failed("rate_limit_exceeded", "Slow down"), ProviderFault.RATE_LIMITED),
        (server.failed("context_length_exceeded", "Too much"), ProviderFault.CONTEXT_TOO_LONG),
        (server.failed("invalid_prompt", "No"), ProviderFault.REFUSED),
        (server.error("server_error", "Sorry"), ProviderFault.OVERLOADED),
        (server.error("insufficient_quota", "No money", nested=True), ProviderFault.REFUSED),
        (server.error("server_error", "Sorry", nested=True), ProviderFault.OVERLOADED),
        (server.cut(server.answer(server.message("Hel", "lo")), 5), ProviderFault.STREAM_BROKEN),
        (Plain(b"", content_type="text/event-stream"), ProviderFault.STREAM_BROKEN),
    ],
)
def test_failure_has_its_fault(reply: Reply, fault: ProviderFault) -> None:
    assert fails(reply).fault == fault


def test_nobody_there_is_unreachable() -> None:
    with ResponsesServer([]) as served:
        url = served.base_url

    with pytest.raises(ProviderError) as caught:
        ask(url)

    assert caught.value.fault is ProviderFault.UNREACHABLE


@pytest.mark.parametrize(
    "reply, seconds",
    [
        (server.refused(429, "Slow down", headers={"Retry-After": "7"}), 7.0),
        (server.refused(429, "Slow down", headers={"retry-after-ms": "1500"}), 1.5),
        (server.refused(429, "Please try again in 20ms."), 0.02),
        (server.failed("rate_limit_exceeded", "Please try again in 1m2.5s."), 62.5),
        (server.refused(429, "Slow down"), None),
    ],
)
def test_wait_that_the_server_asks_for_is_passed_on(reply: Reply, seconds: float | None) -> None:
    assert fails(reply).retry_after_s == seconds


def test_key_does_not_show_in_messages() -> None:
    error = fails(server.refused(401, "Incorrect API key provided: sk-secret."))

    assert "sk-secret" not in str(error)


def test_options_that_are_refused_are_given_up_for_the_session() -> None:
    script: list[Reply] = [
        server.refused(400, "organization must be verified to generate reasoning summaries"),
        server.refused(400, "Encrypted content is not supported with this model.", param="include"),
        server.answer(server.message("Hello.")),
        server.answer(server.message("Hello again.")),
    ]

    with ResponsesServer(script) as served:
        asyncio.run(_ask(served.base_url, [QUESTION, QUESTION], (), {}))

    bodies = [seen.json for seen in served.requests]
    assert ["reasoning" in body for body in bodies] == [True, False, False, False]
    assert ["include" in body for body in bodies] == [True, True, False, False]


def test_reasoning_of_another_organisation_is_left_out() -> None:
    kept = native(server.reasoning("Hm."), server.message("Hello."))
    history = (*QUESTION, AssistantMessage("Hello.", native=kept), UserMessage("And now?"))
    script: list[Reply] = [
        server.refused(400, "could not be verified", code="invalid_encrypted_content"),
        server.answer(server.message("Hello.")),
    ]

    with ResponsesServer(script) as served:
        ask(served.base_url, *history)

    assert served.requests[1].json["input"][1] == {"role": "assistant", "content": "Hello."}


def test_silence_is_told_and_at_last_given_up() -> None:
    reply = server.cut(server.answer(server.message("Hel", "lo")), 5, stall=True)

    with ResponsesServer([reply]) as served, pytest.raises(ProviderError) as caught:
        ask(served.base_url, say_every_s=0.05, give_up_s=0.3)

    assert caught.value.fault is ProviderFault.STREAM_BROKEN


def test_closing_the_stream_ends_the_request() -> None:
    reply = server.cut(server.answer(server.message("Hel", "lo")), 5, stall=True)

    async def leave(base_url: str) -> list[Delta]:
        provider = ResponsesProvider(
            model="gpt-5", api_key="k", session_key="s", base_url=base_url, say_every_s=0.05
        )
        seen: list[Delta] = []
        async with aclosing(provider.stream(Request("", QUESTION, (), 100))) as deltas:
            async for delta in deltas:
                seen.append(delta)
                if isinstance(delta, TextPart):
                    break
        assert await asyncio.to_thread(served.requests[0].left.wait, 5)
        await provider.close()
        return seen

    with ResponsesServer([reply]) as served:
        seen = asyncio.run(leave(served.base_url))

    assert [d for d in seen if not isinstance(d, Waiting)] == [TextPart("Hel")]


def test_environment_does_not_redirect_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with ResponsesServer([server.answer(server.message("Hello."))]) as served:
        assert ask(served.base_url)[0] == TextPart("Hello.")

    provider = ResponsesProvider(model="gpt-5", api_key="k", session_key="s")
    assert provider._connect().base_url.host == "api.openai.com"


def test_making_one_imports_nothing_heavy() -> None:
    code = (
        "import sys; from qcode.providers.responses import ResponsesProvider as P; "
        "P(model='gpt-5', api_key='k', session_key='s'); "
        "print([m for m in ('openai', 'httpx', 'litellm') if m in sys.modules])"
    )

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert out.stdout.strip() == "[]"


def test_a_forced_call_is_required_unless_that_is_refused() -> None:
    forced = Request("Be brief.", QUESTION, (READ,), 4096, force_call=True)
    script: list[Reply] = [
        server.refused(400, "'required' is not supported with this model", param="tool_choice"),
        *[server.answer(server.message("Hello."))] * 2,
    ]

    async def run(base_url: str) -> None:
        provider = ResponsesProvider(
            model="gpt-5", api_key="sk-secret", session_key="s", base_url=base_url
        )
        for _ in range(2):
            async for _delta in provider.stream(forced):
                pass
        await provider.close()

    with ResponsesServer(script) as served:
        asyncio.run(run(served.base_url))

    assert [seen.json.get("tool_choice") for seen in served.requests] == ["required", None, None]
