from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
import scripted_server as chat
from scripted_server import ScriptedServer

from qcode.errors import UsageError
from qcode.messages import AssistantMessage, Native, ToolCall, ToolMessage, UserMessage
from qcode.providers import OPENAI_URL, Request, TextPart
from qcode.providers.registry import Target, make_provider, resolve

LOCAL = "http://localhost:8000/v1"
OPENAI = {"OPENAI_API_KEY": "sk-openai"}
QCODE = {"QCODE_API_KEY": "sk-qcode"}


@pytest.mark.parametrize(
    "model, base_url, environ, expected",
    [
        ("qwen3-coder", LOCAL, {}, Target("qwen3-coder", LOCAL, None, "chat")),
        (
            "qwen3-coder",
            LOCAL,
            OPENAI,
            Target("qwen3-coder", LOCAL, "sk-openai", "chat", "OPENAI_API_KEY"),
        ),
        (
            "qwen3-coder",
            LOCAL,
            OPENAI | QCODE,
            Target("qwen3-coder", LOCAL, "sk-qcode", "chat", "QCODE_API_KEY"),
        ),
        ("openai/gpt-oss-20b", LOCAL, {}, Target("openai/gpt-oss-20b", LOCAL, None, "chat")),
        ("gpt-5", LOCAL, {}, Target("gpt-5", LOCAL, None, "chat")),
        (
            "gpt-5",
            OPENAI_URL,
            OPENAI,
            Target("gpt-5", OPENAI_URL, "sk-openai", "responses", "OPENAI_API_KEY"),
        ),
        (
            "gpt-5",
            "https://eu.api.openai.com/v1",
            OPENAI,
            Target(
                "gpt-5",
                "https://eu.api.openai.com/v1",
                "sk-openai",
                "responses",
                "OPENAI_API_KEY",
            ),
        ),
        (
            "gpt-5",
            "https://api.openai.com.example.org/v1",
            {},
            Target("gpt-5", "https://api.openai.com.example.org/v1", None, "chat"),
        ),
        (
            "openai/gpt-5",
            None,
            OPENAI,
            Target("gpt-5", OPENAI_URL, "sk-openai", "responses", "OPENAI_API_KEY"),
        ),
        (
            "gpt-5-codex",
            None,
            OPENAI | QCODE,
            Target("gpt-5-codex", OPENAI_URL, "sk-qcode", "responses", "QCODE_API_KEY"),
        ),
        ("o3", None, OPENAI, Target("o3", OPENAI_URL, "sk-openai", "responses", "OPENAI_API_KEY")),
        (
            "codex-mini-latest",
            None,
            OPENAI,
            Target("codex-mini-latest", OPENAI_URL, "sk-openai", "responses", "OPENAI_API_KEY"),
        ),
        (
            "anthropic/claude-sonnet-4-5",
            None,
            OPENAI,
            Target("anthropic/claude-sonnet-4-5", None, None, "litellm"),
        ),
        (
            "openrouter/qwen/qwen3-coder",
            None,
            OPENAI | QCODE,
            Target("openrouter/qwen/qwen3-coder", None, "sk-qcode", "litellm", "QCODE_API_KEY"),
        ),
    ],
)
def test_target_follows_from_model_and_base_url(
    model: str, base_url: str | None, environ: dict[str, str], expected: Target
) -> None:
    assert resolve(model, base_url, environ) == expected


@pytest.mark.parametrize("model", ["qwen3-coder", "gpt-5", "anthropic/claude-sonnet-4-5"])
def test_named_variable_wins_over_all_others(model: str) -> None:
    environ = OPENAI | QCODE | {"MINE": "sk-mine"}

    target = resolve(model, LOCAL if model == "qwen3-coder" else None, environ, "MINE")

    assert (target.api_key, target.key_source) == ("sk-mine", "MINE")


@pytest.mark.parametrize("environ", [{}, {"MINE": ""}])
def test_named_variable_without_a_key_is_an_error(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="`MINE` is not set or empty"):
        resolve("qwen3-coder", LOCAL, OPENAI | environ, "MINE")


@pytest.mark.parametrize(
    "model, base_url, hint",
    [
        (None, None, "--model"),
        ("", LOCAL, "--model"),
        ("qwen3-coder", None, "--base-url"),
        ("gpt-oss-20b", None, "--base-url"),
        ("o3x", None, "--base-url"),
        ("gpt-5", None, "OPENAI_API_KEY"),
        ("openai/gpt-5", None, "OPENAI_API_KEY"),
        ("gpt-5", OPENAI_URL, "OPENAI_API_KEY"),
        ("qwen3-coder", "localhost:8000", "http://localhost:8000/v1"),
        ("qwen3-coder", "http://[::1/v1", "http://localhost:8000/v1"),
        ("qwen3-coder", "file:///v1", "http://localhost:8000/v1"),
    ],
)
def test_what_is_missing_is_said(model: str | None, base_url: str | None, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(model, base_url, {})

    assert hint in caught.value.hint


def test_empty_keys_count_as_none() -> None:
    target = resolve("qwen3-coder", LOCAL, {"QCODE_API_KEY": "", "OPENAI_API_KEY": " "})

    assert target.api_key is None


def test_key_does_not_show_in_the_target() -> None:
    assert "sk-openai" not in repr(resolve("gpt-5", None, OPENAI))


@pytest.mark.parametrize(
    "model, base_url, adapter",
    [
        ("qwen3-coder", LOCAL, "chat"),
        ("gpt-5", None, "responses"),
        ("anthropic/claude-sonnet-4-5", None, "litellm"),
    ],
)
def test_making_a_provider_imports_its_adapter_alone(
    model: str, base_url: str | None, adapter: str
) -> None:
    code = f"""
import sys
import qcode.providers.registry as registry
heavy = ("openai", "litellm", "httpx", "aiohttp", "http.client", "ssl", "pydantic")
assert not [m for m in (*heavy, "asyncio") if m in sys.modules], "at import"
target = registry.resolve({model!r}, {base_url!r}, {{"OPENAI_API_KEY": "sk"}})
provider = registry.make_provider(target, session_key="s")
assert provider.model == {model!r}
assert not [m for m in heavy if m in sys.modules and m not in ("ssl", "http.client")], "when made"
print([m for m in ("chat", "responses", "litellm") if "qcode.providers." + m in sys.modules])
"""

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (out.stderr, out.stdout.strip()) == ("", str([adapter]))


def test_history_of_other_providers_reaches_chat_completions() -> None:
    history = (
        UserMessage("Fix it"),
        AssistantMessage(
            "Look.",
            "Hm.",
            (ToolCall("toolu_1", "read", "{oops"),),
            Native("responses", ('{"type": "reasoning", "encrypted_content": "gAAAA"}',)),
        ),
        ToolMessage("toolu_1", "read", "arguments are not JSON", is_error=True),
        AssistantMessage("I", native=Native("litellm", ('{"model": "x"}',)), interrupted=True),
        AssistantMessage(interrupted=True),
        UserMessage("Go on"),
    )

    async def ask(base_url: str) -> str:
        target = resolve("some-model", base_url, {"QCODE_API_KEY": "sk-qcode"})
        provider = make_provider(target, session_key="s")
        request = Request("Be brief.", history, (), 100)
        parts = [d.text async for d in provider.stream(request) if isinstance(d, TextPart)]
        await provider.close()
        return "".join(parts)

    with ScriptedServer([chat.text("Ok.")], key="sk-qcode") as served:
        assert asyncio.run(ask(served.base_url)) == "Ok."

    body = served.requests[0].raw.decode()
    assert "gAAAA" not in body
    assert "native" not in body
    roles = [m["role"] for m in served.requests[0].json["messages"]]
    assert roles[:4] == ["system", "user", "assistant", "tool"]
    assert roles[-1] == "user"
