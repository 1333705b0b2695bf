from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import scripted_server as server_of
from asking import ask, collect, failure, request, stream_of
from scripted_server import ScriptedServer, delta, raw, stream

from qcode.calls.native import Assembler
from qcode.calls.offered import Offered
from qcode.errors import ProviderFault, UsageError
from qcode.messages import AssistantMessage, ToolCall, ToolMessage, Usage, UserMessage
from qcode.providers import (
    CallPart,
    Delta,
    Done,
    PromptProgress,
    ReasoningPart,
    TextPart,
    Waiting,
)
from qcode.providers.chat import ChatProvider
from qcode.providers.connection import parse_origin


def provider_for(server: ScriptedServer, **options: Any) -> ChatProvider:
    return ChatProvider(base_url=server.base_url, model="scripted", **options)


def answer(*replies: Any, **options: Any) -> list[Delta]:
    """Return the deltas of the last reply; each is asked for in turn."""
    with ScriptedServer(replies) as server:
        return ask(provider_for(server, **options), *[request()] * len(replies))


USAGE = Usage(1000, 20)


def test_text_and_reasoning_come_in_pieces() -> None:
    assert answer(server_of.text("Hello.", reasoning="Greet")) == [
        ReasoningPart("Gre"),
        ReasoningPart("et"),
        TextPart("Hel"),
        TextPart("lo."),
        Done("stop", USAGE),
    ]


def test_calls_come_in_pieces() -> None:
    deltas = answer(server_of.calls(("read_file", {"file_path": "a.py"}), ("list", "{}")))

    assembler = Assembler(Offered({}))
    for part in deltas:
        if isinstance(part, CallPart):
            assembler.feed(part)
    assert [(c.name, c.arguments) for c in assembler.found()] == [
        ("read_file", '{"file_path": "a.py"}'),
        ("list", "{}"),
    ]
    assert deltas[-1] == Done("tool_calls", USAGE)


@pytest.mark.parametrize(
    "said, deltas",
    [
        ({"reasoning": "hm"}, [ReasoningPart("hm")]),
        ({"reasoning_content": "hm", "reasoning": "hm"}, [ReasoningPart("hm")]),
        (
            {"reasoning_details": [{"type": "reasoning.text", "text": "h"}, {"summary": "m"}]},
            [ReasoningPart("hm")],
        ),
        ({"content": [{"type": "text", "text": "a"}, {"text": "b"}]}, [TextPart("ab")]),
        ({"refusal": "no"}, [TextPart("no")]),
        (
            {"tool_calls": [{"id": "x", "function": {"name": "f", "arguments": {"a": 1}}}]},
            [CallPart(None, "x", "f", '{"a": 1}')],
        ),
        ({"function_call": {"name": "f", "arguments": "{}"}}, [CallPart(0, None, "f", "{}")]),
        ({"tool_calls": [{"index": 2, "name": "f"}]}, [CallPart(2, None, "f", None)]),
    ],
)
def test_dialects_of_deltas_are_understood(said: Any, deltas: list[Delta]) -> None:
    assert answer(stream(delta(**said))) == [*deltas, Done("stop", USAGE)]


@pytest.mark.parametrize(
    "usage, counted",
    [
        (
            {"usage": {"prompt_tokens": 9, "completion_tokens": 2, "cost": 0.25}},
            Usage(9, 2, 0, 0.25),
        ),
        (
            {"usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 5}}},
            Usage(9, 0, 5),
        ),
        (
            {"usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 4}},
            Usage(9, 2, 4),
        ),
        ({"timings": {"cache_n": 5, "prompt_n": 7, "predicted_n": 3}}, Usage(12, 3, 5)),
        ({"usage": {"prompt_tokens": None}}, Usage()),
        ({}, Usage()),
    ],
)
def test_tokens_are_counted(usage: dict[str, Any], counted: Usage) -> None:
    reply = raw(delta(content="a"), {**delta("stop"), **usage}, server_of.DONE)

    assert answer(reply)[-1] == Done("stop", counted)


def test_a_server_that_ignores_stream_is_understood() -> None:
    message = {
        "role": "assistant",
        "content": "Two.",
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "y", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        ],
    }

    deltas = [
        ReasoningPart("hm"),
        TextPart("Two."),
        CallPart(0, "x", "f", "{}"),
        CallPart(1, "y", "f", "{}"),
        Done("tool_calls", USAGE),
    ]
    assert answer(server_of.whole(message, finish="tool_calls")) == deltas
    streamed = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    assert answer(stream(streamed, finish=None)) == deltas


def test_an_unlabelled_stream_is_understood() -> None:
    body = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n'

    assert answer(server_of.Whole(body, content_type="text/plain")) == [TextPart("a"), Done()]


def test_chunks_without_blank_lines_are_understood() -> None:
    one = json.dumps(delta(content="a")).encode()
    reply = raw(server_of.Raw(b"data: %s\ndata: %s\ndata: [DONE]\n" % (one, one)))

    assert answer(reply) == [TextPart("a"), TextPart("a"), Done()]


def test_the_end_of_the_connection_may_end_the_answer() -> None:
    reply = server_of.Stream((delta(content="a"), delta("stop")), chunked=False)

    assert answer(reply) == [TextPart("a"), Done("stop")]


@pytest.mark.parametrize("reset", [False, True])
def test_an_answer_with_its_finish_reason_is_whole(reset: bool) -> None:
    reply = raw(delta(content="a"), delta("stop"), server_of.Pause(), server_of.Cut(reset))

    assert answer(reply)[-1] == Done("stop")


def test_a_server_that_forgets_to_end_the_stream_is_not_waited_for() -> None:
    reply = raw(delta(content="a"), delta("stop"), server_of.Stall())

    assert answer(reply, notice_s=0.05) == [TextPart("a"), Done("stop")]


def test_comments_keep_quiet() -> None:
    reply = stream(server_of.Raw(b": PROCESSING\n\n"), delta(content="a"))

    assert answer(reply) == [TextPart("a"), Done("stop", USAGE)]


def test_text_cut_inside_a_character_is_whole() -> None:
    body = b"data: " + json.dumps(delta(content="ä🦉"), ensure_ascii=False).encode() + b"\n\n"
    pieces = [x for b in body for x in (server_of.Raw(bytes([b])), server_of.Pause())]

    assert answer(stream(*pieces)) == [TextPart("ä🦉"), Done("stop", USAGE)]


def test_reading_the_prompt_is_reported() -> None:
    reply = server_of.prefill(server_of.text("a", chunks=1), total=300, cache=100, steps=2)

    assert answer(reply) == [
        PromptProgress(100, 300),
        PromptProgress(200, 300),
        PromptProgress(300, 300),
        TextPart("a"),
        Done("stop", USAGE),
    ]


def test_an_answer_cut_at_its_limit_is_no_fault() -> None:
    assert answer(server_of.empty("length")) == [Done("length", USAGE)]


def test_reasoning_alone_is_an_answer() -> None:
    assert answer(stream(delta(reasoning_content="hm"))) == [
        ReasoningPart("hm"),
        Done("stop", USAGE),
    ]


# ------------------------------------------------------------------ what is sent


def test_progress_is_asked_of_local_hosts_alone() -> None:
    with ScriptedServer([server_of.text("a")] * 2) as server:
        ask(provider_for(server))
        ask(provider_for(server, local=False))

    assert [r.json.get("return_progress") for r in server.requests] == [True, None]


@pytest.mark.parametrize(
    "host, local",
    [
        ("127.0.0.1", True),
        ("[::1]", True),
        ("localhost", True),
        ("192.168.1.7", True),
        ("10.0.0.1", True),
        ("box", True),
        ("box.local", True),
        ("8.8.8.8", False),
        ("api.example.com", False),
    ],
)
def test_local_hosts_are_known(host: str, local: bool) -> None:
    assert parse_origin(f"http://{host}:8080/v1").is_local == local


@pytest.mark.parametrize(
    "url", ["", "localhost:8080", "ftp://x", "http://", "http://h:x", "http://u:p@h", "http://h/ü"]
)
def test_other_base_urls_are_refused(url: str) -> None:
    with pytest.raises(UsageError):
        ChatProvider(base_url=url, model="m")


def test_key_and_headers_are_sent() -> None:
    with ScriptedServer([server_of.text("a")], key="sk-secret") as server:
        ask(
            provider_for(
                server, api_key=" sk-secret\n", headers={"X-Title": "t", "user-agent": "u"}
            )
        )

    headers = server.requests[0].headers
    assert (headers["x-title"], headers["user-agent"]) == ("t", "u")
    assert headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-ü", "sk\0"])
def test_an_impossible_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        ChatProvider(base_url="http://127.0.0.1/v1", model="m", api_key=key)

    assert "sk" not in str(caught.value)


@pytest.mark.parametrize("field", ["return_progress", "stream_options"])
def test_a_refused_field_is_left_out_for_good(field: str) -> None:
    with ScriptedServer([server_of.text("a")] * 2, refuse=[field]) as server:
        ask(provider_for(server), request(), request())

    assert [field in r.json for r in server.requests] == [True, False, False]


def test_the_limit_is_renamed_where_it_is_called_otherwise() -> None:
    refusal = server_of.fault(
        400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    )
    with ScriptedServer([refusal, server_of.text("a"), server_of.text("a")]) as server:
        ask(provider_for(server), request(), request())

    sent = [
        (r.json.get("max_tokens"), r.json.get("max_completion_tokens")) for r in server.requests
    ]
    assert sent == [(100, None), (None, 100), (None, 100)]


# ------------------------------------------------------------------ the connection


def test_the_connection_is_used_again() -> None:
    with ScriptedServer([server_of.text("a")] * 3) as server:
        ask(provider_for(server), *[request()] * 3)

    assert server.connections == 1


def test_a_server_that_closes_is_connected_to_anew() -> None:
    with ScriptedServer([server_of.text("a")] * 3, keep_alive=False) as server:
        ask(provider_for(server), *[request()] * 3)

    assert server.connections == 3


def test_a_kept_connection_that_went_stale_is_no_fault() -> None:
    with ScriptedServer([server_of.text("a"), server_of.text("b", chunks=1)]) as server:

        async def run() -> list[Delta]:
            provider = provider_for(server)
            await collect(provider, request())
            server.drop_connections()
            try:
                return await collect(provider, request())
            finally:
                await provider.close()

        assert asyncio.run(run()) == [TextPart("b"), Done("stop", USAGE)]
    assert server.connections == 2


def test_a_kept_connection_that_fails_before_the_reply_is_replaced() -> None:
    """The server ends it only once the second request is there."""
    gone = server_of.Stream((), before=(server_of.Cut(reset=True),))
    script = [server_of.text("a"), gone, server_of.text("b", chunks=1)]
    with ScriptedServer(script) as server:
        deltas = ask(provider_for(server), request(), request())

    assert deltas == [TextPart("b"), Done("stop", USAGE)]
    assert (server.connections, len(server.requests)) == (2, 3)


def test_closing_the_stream_early_ends_the_request() -> None:
    reply = raw(delta(content="a"), server_of.Stall())
    with ScriptedServer([reply, server_of.text("b", chunks=1)]) as server:

        async def run() -> list[Delta]:
            provider = provider_for(server)
            async with aclosing(stream_of(provider, request())) as deltas:
                assert await anext(deltas) == TextPart("a")
            try:
                return await collect(provider, request())
            finally:
                await provider.close()

        assert asyncio.run(run())[0] == TextPart("b")
        assert server.requests[0].left.wait(5)


@pytest.mark.parametrize("before", [True, False])
def test_cancelling_ends_the_request(before: bool) -> None:
    stall = server_of.Stall()
    reply = server_of.Stream((), before=(stall,)) if before else raw(delta(content="a"), stall)
    with ScriptedServer([reply]) as server:

        async def run() -> None:
            task = asyncio.create_task(collect(provider_for(server), request()))
            await asyncio.to_thread(server.wait_for, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(run())
        assert server.requests[0].left.wait(5)


def test_a_name_server_that_is_silent_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def blocked(*_: object, **__: object) -> list[Any]:
        over.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", blocked)
    provider = ChatProvider(base_url="http://box.local/v1", model="m", connect_timeout_s=0.1)
    started = time.monotonic()

    error = failure(provider)

    assert time.monotonic() - started < 5
    assert error.message == "cannot reach `box.local`: no connection within 0.1 s"
    over.set()


def test_a_large_request_arrives_whole() -> None:
    messages = [UserMessage("ä" * 2_000_000)]
    with ScriptedServer([server_of.text("a")]) as server:
        ask(provider_for(server), request(*messages))

    assert server.requests[0].json["messages"][1]["content"] == messages[0].text


def test_tls_is_checked_against_the_named_certificates(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    body = server_of.whole({"role": "assistant", "content": "hi"}).body

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply % len(body) + body)
        await writer.drain()
        writer.close()

    async def run(environ: dict[str, str]) -> list[Delta]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        provider = ChatProvider(base_url=f"https://localhost:{port}/v1", model="m", environ=environ)
        try:
            return await collect(provider, request())
        finally:
            await provider.close()
            server.close()

    assert asyncio.run(run({"SSL_CERT_FILE": str(certificate)}))[0] == TextPart("hi")
    assert asyncio.run(run({"REQUESTS_CA_BUNDLE": str(certificate)}))[0] == TextPart("hi")
    with pytest.raises(Exception, match="certificate is not trusted") as caught:
        asyncio.run(run({}))
    assert caught.value.fault is ProviderFault.UNREACHABLE  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="SSL_CERT_FILE"):
        asyncio.run(run({"SSL_CERT_FILE": str(tmp_path / "none")}))


# ------------------------------------------------------------------ silence


def test_a_local_server_may_read_its_prompt_for_ever() -> None:
    go_on = threading.Event()
    reply = server_of.Stream(server_of.text("a", chunks=1).items, before=(server_of.Until(go_on),))
    with ScriptedServer([reply]) as server:
        provider = provider_for(server, notice_s=0.05, first_token_timeout_s=0.01)

        async def run() -> list[Delta]:
            deltas: list[Delta] = []
            async for delta_ in stream_of(provider, request()):
                deltas.append(delta_)
                if len(deltas) == 3:
                    go_on.set()
            await provider.close()
            return deltas

        deltas = asyncio.run(run())

    waits = [d.silent_s for d in deltas if isinstance(d, Waiting)]
    assert waits == sorted(waits)
    assert len(waits) >= 3
    assert waits[0] >= 0.05
    assert deltas[-2:] == [TextPart("a"), Done("stop", USAGE)]


def test_a_local_server_that_is_gone_is_noticed() -> None:
    with ScriptedServer([server_of.Stream((), before=(server_of.Stall(),))]) as server:
        provider = provider_for(server, notice_s=0.05)

        async def run() -> None:
            async for delta_ in stream_of(provider, request()):
                assert isinstance(delta_, Waiting)
                server.stop_listening()

        with pytest.raises(Exception, match="stopped while it was to answer") as caught:
            asyncio.run(run())

    assert caught.value.fault is ProviderFault.STREAM_BROKEN  # type: ignore[attr-defined]


def test_a_remote_server_must_begin_in_time() -> None:
    reply = server_of.stall(server_of.text("a"), after=1)
    with ScriptedServer([reply]) as server:
        provider = provider_for(server, local=False, notice_s=0.05, first_token_timeout_s=0.2)
        error = failure(provider)

    assert error.fault is ProviderFault.STREAM_BROKEN
    assert error.message == f"`127.0.0.1:{server.port}` has not begun to answer within 0.2 s"


@pytest.mark.parametrize("local", [True, False])
def test_an_answer_that_stops_in_the_middle_is_broken(local: bool) -> None:
    reply = server_of.stall(server_of.text("abcd"), after=2)
    with ScriptedServer([reply]) as server:
        provider = provider_for(server, local=local, notice_s=0.05, idle_timeout_s=0.2)
        error = failure(provider)

    assert error.fault is ProviderFault.STREAM_BROKEN
    assert "went silent" in error.message


# ------------------------------------------------------------------ a whole session


def test_a_thousand_steps_cost_the_same() -> None:
    """CPU time of rendering alone; the wire's share does not depend on the history."""
    from qcode.providers.chat_body import BodyRenderer, Dialect

    renderer = BodyRenderer("m", {}, Dialect())
    history: list[Any] = [UserMessage("Go")]
    spent: list[float] = []
    for step in range(1000):
        started = time.process_time()
        renderer.render(request(*history))
        spent.append(time.process_time() - started)
        call = ToolCall(f"call_{step}", "read_file", json.dumps({"file_path": "a" * 100}))
        history += [AssistantMessage("", "", (call,)), ToolMessage(call.id, call.name, "x" * 800)]

    assert sum(spent[-100:]) / 100 < 0.005
