"""Spans of a session, as the SDK's own exporter in memory has them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from scripted_server import ScriptedServer, call, calls, fault, text

from qcode import Agent, tool
from qcode.api import Effect

SECRET = "sk-proj-Zx81hQmN4vTr7LpW2cKd9sYb3fGj6eUa"  # looks like a key, and opens nothing
VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(memory: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    return provider


def named(spans: Sequence[ReadableSpan], name: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name == name]


def parents(spans: Sequence[ReadableSpan]) -> list[tuple[str, str]]:
    names = {span.context.span_id: span.name for span in spans if span.context}
    return sorted(
        (span.name, names.get(span.parent.span_id, "?") if span.parent else "") for span in spans
    )


def test_a_turn_its_requests_and_its_tool_calls_are_spans(
    memory: InMemorySpanExporter, provider: TracerProvider, tmp_path: Path
) -> None:
    tracer = provider.get_tracer("test")

    @tool(effect=Effect.READ)
    def work() -> str:
        """Work."""
        with tracer.start_as_current_span("inner"):
            return "worked"

    script = [
        calls(("work", {}), ("read_file", {"file_path": "missing"})),
        call("write_file", file_path="x", content=""),
        text(f"the key is {SECRET}"),
    ]

    async def main(server: ScriptedServer) -> str:
        async with Agent(
            tmp_path, base_url=server.base_url, model="m", tools=[work], tracer_provider=provider
        ) as agent:
            with tracer.start_as_current_span("caller"):
                await agent.ask("go")
            assert trace.get_current_span() is trace.INVALID_SPAN
            return agent.session_id

    with ScriptedServer(script) as server:
        session_id = asyncio.run(main(server))
        port = int(server.base_url.split(":")[2].split("/")[0])
    spans = memory.get_finished_spans()

    assert parents(spans) == [
        ("caller", ""),
        *[("chat m", "invoke_agent qcode")] * 3,
        ("execute_tool read_file", "invoke_agent qcode"),
        ("execute_tool work", "invoke_agent qcode"),
        ("execute_tool write_file", "invoke_agent qcode"),
        ("inner", "execute_tool work"),
        ("invoke_agent qcode", "caller"),
    ]
    (turn,) = named(spans, "invoke_agent qcode")
    chat = named(spans, "chat m")[0]
    missing, refused = named(spans, "execute_tool read_file") + named(
        spans, "execute_tool write_file"
    )
    told = dict(chat.attributes or {})
    assert told.pop("gen_ai.response.time_to_first_chunk") >= 0  # type: ignore[operator]
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.conversation.id": session_id,
        "qcode.cost_usd": 0.0,
        "gen_ai.request.max_tokens": told["gen_ai.request.max_tokens"],
        "gen_ai.response.model": "m",
        "gen_ai.response.finish_reasons": ("tool_calls",),
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "server.address": "127.0.0.1",
        "server.port": port,
    }
    assert chat.kind is trace.SpanKind.CLIENT
    assert turn.attributes
    assert turn.attributes["gen_ai.usage.input_tokens"] == 3000
    assert turn.status.is_ok
    assert missing.attributes
    assert missing.attributes["error.type"] == "tool_error"
    assert missing.attributes["gen_ai.tool.call.id"]
    assert refused.attributes
    assert refused.attributes["error.type"] == "refused"
    assert [event.name for event in refused.events] == ["qcode.approval_needed"]
    assert "key is" not in str([span.to_json() for span in spans])  # content is not asked for


def test_content_is_told_where_it_is_asked_for_and_masked(
    memory: InMemorySpanExporter,
    provider: TracerProvider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "true")
    monkeypatch.setenv("TRACEPARENT", f"00-{'a' * 32}-{'b' * 16}-01")
    (tmp_path / "note.txt").write_text(f"key {SECRET}\n")

    async def main(server: ScriptedServer) -> None:
        async with Agent(
            tmp_path, base_url=server.base_url, model="m", tracer_provider=provider
        ) as agent:
            await agent.ask(f"read the note, not {SECRET}")

    with ScriptedServer([call("read_file", file_path="note.txt"), text("read")]) as server:
        asyncio.run(main(server))
    spans = memory.get_finished_spans()
    told: dict[str, Any] = dict(named(spans, "chat m")[1].attributes or {})
    (run,) = named(spans, "execute_tool read_file")
    (turn,) = named(spans, "invoke_agent qcode")

    roles = [message["role"] for message in json.loads(told["gen_ai.input.messages"])]
    assert roles == ["user", "assistant", "tool"]
    assert json.loads(told["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "read"}],
            "finish_reason": "stop",
        }
    ]
    assert "note.txt" in str((run.attributes or {})["gen_ai.tool.call.arguments"])
    assert "key " in str((run.attributes or {})["gen_ai.tool.call.result"])
    assert SECRET not in "".join(span.to_json() for span in spans)
    assert turn.parent
    assert turn.parent.trace_id == int("a" * 32, 16)


def test_what_fails_and_what_is_interrupted_is_told(
    memory: InMemorySpanExporter, provider: TracerProvider, tmp_path: Path
) -> None:
    @tool(effect=Effect.READ)
    async def wait() -> None:
        """Wait."""
        begun.set()
        await asyncio.Event().wait()

    begun = asyncio.Event()

    async def main(server: ScriptedServer) -> None:
        async with Agent(
            tmp_path, base_url=server.base_url, model="m", tools=[wait], tracer_provider=provider
        ) as agent:
            await agent.ask("fail", check=False)
            asking = asyncio.ensure_future(agent.ask("wait", check=False))
            await begun.wait()
            agent.interrupt()
            await asking

    with ScriptedServer([fault(401, "no"), call("wait")]) as server:
        asyncio.run(main(server))
    spans = memory.get_finished_spans()
    failed, interrupted = named(spans, "invoke_agent qcode")
    (waiting,) = named(spans, "execute_tool wait")

    assert [(s.attributes or {}).get("error.type") for s in (spans[0], failed, waiting)] == [
        "provider",
        "provider",
        "tool_error",
    ]
    assert not failed.status.is_ok
    assert failed.status.description
    assert (interrupted.attributes or {})["qcode.end"] == "interrupted"
    assert interrupted.status.is_ok


def test_a_subagents_work_stands_below_the_call_that_began_it(
    memory: InMemorySpanExporter, provider: TracerProvider, tmp_path: Path
) -> None:
    folder = Path.home() / ".config/qcode/agents"
    folder.mkdir(parents=True)
    (folder / "finder.md").write_text("---\nname: finder\ndescription: finds\n---\nFind.\n")

    async def main(server: ScriptedServer) -> None:
        async with Agent(
            tmp_path, base_url=server.base_url, model="m", tracer_provider=provider
        ) as agent:
            await agent.ask("go")

    script = [
        call("agent", subagent_type="finder", prompt="find it", description="find"),
        call("glob", pattern="*"),
        text("found"),
        text("done"),
    ]
    with ScriptedServer(script) as server:
        asyncio.run(main(server))

    assert parents(memory.get_finished_spans()) == [
        *[("chat m", "invoke_agent finder")] * 2,
        *[("chat m", "invoke_agent qcode")] * 2,
        ("execute_tool agent", "invoke_agent qcode"),
        ("execute_tool glob", "invoke_agent finder"),
        ("invoke_agent finder", "execute_tool agent"),
        ("invoke_agent qcode", ""),
    ]
