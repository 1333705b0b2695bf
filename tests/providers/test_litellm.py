from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anthropic_server as anthropic
import pytest
import scripted_server as chat
from anthropic_server import AnthropicServer
from scripted_server import ScriptedServer
from sse_server import Events, Reply

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
from qcode.providers.litellm import LiteLLMProvider, render

# pydantic's, about what litellm does with it.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

CLAUDE = "anthropic/claude-sonnet-4-5"
READ = ToolSpec("read", "Read a file.", {"type": "object", "properties": {}})
QUESTION = (UserMessage("Hi"),)
MARK = {"type": "ephemeral"}
COST = 0.001215
"""US dollars: 100 tokens read, 20 written to the cache, 300 from it, 50 of output."""


def ask(
    base_url: str | None,
    *messages: Message,
    model: str = CLAUDE,
    tools: tuple[ToolSpec, ...] = (READ,),
    api_key: str | None = "sk-secret",
    **options: Any,
) -> list[Delta]:
    async def run() -> list[Delta]:
        provider = LiteLLMProvider(model=model, api_key=api_key, base_url=base_url, **options)
        request = Request("Be brief.", messages or QUESTION, tools, 4096)
        try:
            return [d async for d in provider.stream(request) if not isinstance(d, Waiting)]
        finally:
            await provider.close()

    return asyncio.run(run())


def fails(reply: Reply, **options: Any) -> ProviderError:
    with AnthropicServer([reply]) as served, pytest.raises(ProviderError) as caught:
        ask(served.origin, **options)
    assert len(served.requests) == 1
    return caught.value


def test_text_streams_with_cache_and_cost() -> None:
    with AnthropicServer([anthropic.answer(anthropic.text("Hel", "lo."))]) as served:
        deltas = ask(served.origin)

    assert deltas == [
        TextPart("Hel"),
        TextPart("lo."),
        Done("stop", Usage(420, 50, 300, COST, 20)),
    ]


def test_calls_stream_in_pieces() -> None:
    reply = anthropic.answer(
        anthropic.text("Look."),
        anthropic.call("read", '{"path": ', '"a.py"}'),
        anthropic.call("read", "{}", id="toolu_2"),
        stop="tool_use",
    )

    with AnthropicServer([reply]) as served:
        deltas = ask(served.origin)

    assert [d for d in deltas if d != CallPart(0) and d != CallPart(1)][:-1] == [
        TextPart("Look."),
        CallPart(0, "toolu_1", "read"),
        CallPart(0, arguments='{"path": '),
        CallPart(0, arguments='"a.py"}'),
        CallPart(1, "toolu_2", "read"),
        CallPart(1, arguments="{}"),
    ]
    assert isinstance(deltas[-1], Done)
    assert deltas[-1].finish_reason == "tool_calls"


def test_thinking_goes_back_with_its_signature() -> None:
    reply = anthropic.answer(
        anthropic.thinking("Let me ", "see."),
        anthropic.redacted("SECRET"),
        anthropic.call("read", "{}"),
        stop="tool_use",
    )
    with AnthropicServer([reply, anthropic.answer(anthropic.text("Ok."))]) as served:
        deltas = ask(served.origin)
        done = deltas[-1]
        assert isinstance(done, Done)
        history = (
            *QUESTION,
            AssistantMessage("", "Let me see.", (ToolCall("toolu_1", "read", "{}"),), done.native),
            ToolMessage("toolu_1", "read", "text"),
        )
        ask(served.origin, *history)

    assert deltas[:2] == [ReasoningPart("Let me "), ReasoningPart("see.")]
    assert served.requests[1].json["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Let me see.", "signature": "SIG=="},
        {"type": "redacted_thinking", "data": "SECRET"},
        {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}},
    ]


def test_thinking_of_another_model_stays_behind() -> None:
    item = {"model": "anthropic/claude-opus-4-1", "thinking_blocks": [{"type": "thinking"}]}
    message = AssistantMessage("Hello.", native=Native("litellm", (json.dumps(item),)))

    assert render("", [message], model=CLAUDE) == [{"role": "assistant", "content": "Hello."}]


def test_claude_is_told_up_to_where_to_cache() -> None:
    call = ToolCall("toolu_1", "read", "{}")
    history = (
        *QUESTION,
        AssistantMessage("Look.", tool_calls=(call,)),
        ToolMessage("toolu_1", "read", "text"),
        AssistantMessage("Done."),
        UserMessage("Thanks"),
    )
    with AnthropicServer([anthropic.answer(anthropic.text("Ok."))]) as served:
        ask(served.origin, *history)

    body = served.requests[0].json
    assert body["system"] == [{"type": "text", "text": "Be brief.", "cache_control": MARK}]
    assert body["max_tokens"] == 4096
    assert [
        (i, part["cache_control"])
        for i, message in enumerate(body["messages"])
        for block in message["content"]
        for part in (block, *(block["content"] if block["type"] == "tool_result" else ()))
        if "cache_control" in part
    ] == [(2, MARK), (4, MARK)]


def test_marks_aside_rendering_only_grows() -> None:
    def bare(messages: tuple[Message, ...], model: str) -> list[dict[str, Any]]:
        rendered = render("Be brief.", messages, model=model)
        for message in rendered:
            content = message["content"]
            if isinstance(content, list):
                message["content"] = content[0]["text"]
        return rendered

    for end in range(len(FOREIGN)):
        shorter = bare(FOREIGN[:end], CLAUDE)
        assert bare(FOREIGN, CLAUDE)[: len(shorter)] == shorter
    # Others get plain text, with no marks to move.
    assert bare(FOREIGN, "gemini/gemini-2.5-pro") == render(
        "Be brief.", FOREIGN, model="gemini/gemini-2.5-pro"
    )


FOREIGN = (
    UserMessage("Fix it"),
    AssistantMessage(
        "Let me look.",
        "It may be in a.py.",
        (ToolCall("call/1 a", "read", '{"path": "a.py"}'), ToolCall("call_2", "a.b", "{oops")),
        Native("responses", ('{"type": "reasoning", "encrypted_content": "gAAAA"}',)),
    ),
    ToolMessage("call/1 a", "read", "text"),
    ToolMessage("call_2", "a.b", "", is_error=True),
    AssistantMessage("I was", "Hm.", interrupted=True),
    AssistantMessage(interrupted=True),
    UserMessage("Go on"),
)


def test_history_of_other_providers_is_rendered_for_claude() -> None:
    with AnthropicServer([anthropic.answer(anthropic.text("Ok."))]) as served:
        ask(served.origin, *FOREIGN, tools=())

    messages = served.requests[0].json["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user", "assistant", "user"]
    text, first, second = messages[1]["content"]
    assert text == {"type": "text", "text": "Let me look."}
    assert (first["name"], first["input"]) == ("read", {"path": "a.py"})
    assert (second["name"], second["input"]) == ("a_b", {"malformed_arguments": "{oops"})
    results = [part["tool_use_id"] for part in messages[2]["content"]]
    assert results == [first["id"], second["id"]]
    assert messages[3]["content"] == [{"type": "text", "text": "I was"}]


def test_history_of_other_providers_is_rendered_for_chat_completions() -> None:
    with ScriptedServer([chat.text("Ok.")]) as served:
        ask(served.base_url, *FOREIGN, model="openai/some-model")

    body = served.requests[0].json
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Fix it"},
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {
                    "id": "call/1 a",
                    "type": "function",
                    "function": {"name": "read", "arguments": '{"path": "a.py"}'},
                },
                {
                    "id": "call_2",
                    "type": "function",
                    "function": {
                        "name": "a_b",
                        "arguments": '{"malformed_arguments": "{oops"}',
                    },
                },
            ],
        },
        {"role": "tool", "tool_call_id": "call/1 a", "name": "read", "content": "text"},
        {"role": "tool", "tool_call_id": "call_2", "name": "a_b", "content": ""},
        {"role": "assistant", "content": "I was"},
        {"role": "user", "content": "Go on"},
    ]
    assert "_skip_mcp_handler" not in body


def test_chat_completions_stream_without_a_known_price() -> None:
    with ScriptedServer([chat.call("read", path="a.py")]) as served:
        deltas = ask(served.base_url, model="openai/some-model")

    calls = [d for d in deltas if isinstance(d, CallPart)]
    assert (calls[0].name, "".join(c.arguments or "" for c in calls)) == (
        "read",
        '{"path": "a.py"}',
    )
    assert deltas[-1] == Done("tool_calls", Usage(1000, 20, 0, None))
    assert served.requests[0].headers["authorization"] == "Bearer sk-secret"


def test_reasoning_goes_back_to_those_who_want_it() -> None:
    history = (
        *QUESTION,
        AssistantMessage("", "Because.", (ToolCall("call_1", "read", "{}"),)),
        ToolMessage("call_1", "read", "text"),
    )
    with ScriptedServer([chat.text("Ok.")]) as served:
        ask(served.base_url, *history, model="deepseek/deepseek-reasoner")

    assert served.requests[0].json["messages"][2]["reasoning_content"] == "Because."


def test_answer_cut_at_the_limit_says_so() -> None:
    reply = anthropic.answer(anthropic.text("Hel"), stop="max_tokens")

    with AnthropicServer([reply]) as served:
        done = ask(served.origin)[-1]

    assert isinstance(done, Done)
    assert done.finish_reason == "length"


WHOLE = anthropic.answer(anthropic.text("Hel", "lo."))


@pytest.mark.parametrize(
    "reply, fault",
    [
        (anthropic.refused(400, "invalid_request_error", "No."), ProviderFault.REFUSED),
        (
            anthropic.refused(400, "invalid_request_error", "prompt is too long: 9 tokens > 8"),
            ProviderFault.CONTEXT_TOO_LONG,
        ),
        (
            anthropic.refused(400, "invalid_request_error", "Your credit balance is too low"),
            ProviderFault.REFUSED,
        ),
        (anthropic.refused(401, "authentication_error", "No."), ProviderFault.UNAUTHORISED),
        (anthropic.refused(404, "not_found_error", "model: x"), ProviderFault.UNKNOWN_MODEL),
        (anthropic.refused(429, "rate_limit_error", "Slow."), ProviderFault.RATE_LIMITED),
        (anthropic.refused(500, "api_error", "Sorry."), ProviderFault.OVERLOADED),
        (anthropic.refused(529, "overloaded_error", "Busy."), ProviderFault.OVERLOADED),
        (anthropic.broken(WHOLE, 4, "overloaded_error", "Busy."), ProviderFault.OVERLOADED),
        (Events(WHOLE.events[:4], cut=True), ProviderFault.STREAM_BROKEN),
        # litellm gives this one the finish reason `stop`.
        (Events(WHOLE.events[:4]), ProviderFault.STREAM_BROKEN),
        (anthropic.answer(), ProviderFault.EMPTY),
    ],
)
def test_failure_has_its_fault(reply: Reply, fault: ProviderFault) -> None:
    assert fails(reply).fault is fault


def test_message_is_the_words_of_the_api() -> None:
    error = fails(anthropic.refused(400, "invalid_request_error", "tools: too many, sk-secret"))

    assert str(error) == "`anthropic` failed: tools: too many, [key]"


def test_wait_that_the_server_asks_for_is_passed_on() -> None:
    reply = anthropic.refused(429, "rate_limit_error", "Slow.", {"Retry-After": "7"})

    assert fails(reply).retry_after_s == 7.0


def test_nobody_there_is_unreachable() -> None:
    for model in (CLAUDE, "openai/some-model"):
        with pytest.raises(ProviderError) as caught:
            ask("http://127.0.0.1:9", model=model)

        assert caught.value.fault is ProviderFault.UNREACHABLE


@pytest.mark.parametrize(
    "model, variable",
    [
        (CLAUDE, "ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.5-pro", "GEMINI_API_KEY"),
        ("dashscope/qwen-max", "DASHSCOPE_API_KEY"),
    ],
)
def test_missing_key_is_named(model: str, variable: str) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(None, model=model, api_key=None)

    assert caught.value.fault is ProviderFault.UNAUTHORISED
    assert variable in caught.value.hint


def test_unknown_provider_is_named() -> None:
    with pytest.raises(ProviderError, match="knows no provider `Qwen`") as caught:
        ask(None, model="Qwen/Qwen3-Coder")

    assert caught.value.fault is ProviderFault.UNKNOWN_MODEL


def test_closing_the_stream_ends_the_request() -> None:
    async def leave(served: AnthropicServer) -> None:
        provider = LiteLLMProvider(model=CLAUDE, api_key="k", base_url=served.origin)
        async with aclosing(provider.stream(Request("", QUESTION, (), 100))) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextPart):
                    break
        assert await asyncio.to_thread(served.requests[0].left.wait, 5)
        await provider.close()

    with AnthropicServer([Events(WHOLE.events[:4], stall=True)]) as served:
        asyncio.run(leave(served))


def test_one_provider_outlives_the_other() -> None:
    async def both(origin: str) -> list[Delta]:
        request = Request("", QUESTION, (), 100)
        first, second = (
            LiteLLMProvider(model=CLAUDE, api_key="k", base_url=origin) for _ in range(2)
        )
        for provider in (first, second):
            assert [d async for d in provider.stream(request)]
        await first.close()
        last = [d async for d in second.stream(request)]
        await second.close()
        await second.close()
        return last

    with AnthropicServer([WHOLE] * 3) as served:
        assert asyncio.run(both(served.origin))[0] == TextPart("Hel")


def test_import_is_quiet_reads_no_dotenv_and_leaves_the_event_loop_alive(tmp_path: Path) -> None:
    # As in a virtual environment inside a workspace that has a file `.env`.
    (tmp_path / ".env").write_text("ANTHROPIC_API_BASE=http://127.0.0.1:1\n")
    found = importlib.util.find_spec("litellm")
    assert found is not None
    assert found.submodule_search_locations
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/litellm").symlink_to(found.submodule_search_locations[0])
    code = f"""
import asyncio, os, sys
from qcode.providers import Request, Waiting
from qcode.providers.litellm import LiteLLMProvider
from qcode.messages import UserMessage
provider = LiteLLMProvider(
    model={CLAUDE!r}, api_key="k", base_url="http://127.0.0.1:9", say_every_s=0.2
)
assert not [m for m in ("litellm", "openai", "httpx", "aiohttp") if m in sys.modules]
async def main():
    waited = 0
    try:
        async for delta in provider.stream(Request("", [UserMessage("Hi")], (), 10)):
            waited += isinstance(delta, Waiting)
    except Exception as error:
        print(error.fault, waited >= 2, os.environ.get("ANTHROPIC_API_BASE"))
    await provider.close()
    print(os.path.dirname(sys.modules["litellm"].__file__))
asyncio.run(main())
"""
    path = os.pathsep.join((str(tmp_path / "lib"), str(Path.cwd())))

    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        cwd=tmp_path,
    )

    assert out.stderr == ""
    assert out.stdout.split("\n") == ["unreachable True None", f"{tmp_path}/lib/litellm", ""]


def test_a_forced_call_is_required_unless_that_is_refused() -> None:
    forced = Request("Be brief.", QUESTION, (READ,), 4096, force_call=True)
    script: list[Reply] = [
        anthropic.refused(400, "invalid_request_error", "tool_choice forces tool use: no."),
        *[anthropic.answer(anthropic.text("Hello."))] * 2,
    ]

    async def run(origin: str) -> None:
        provider = LiteLLMProvider(model=CLAUDE, api_key="sk-secret", base_url=origin)
        for _ in range(2):
            async for _delta in provider.stream(forced):
                pass
        await provider.close()

    with AnthropicServer(script) as served:
        asyncio.run(run(served.origin))

    chosen = [seen.json.get("tool_choice") for seen in served.requests]
    assert chosen == [{"type": "any"}, None, None]
