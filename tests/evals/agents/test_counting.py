from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from responses_server import ResponsesServer, answer, message
from responses_server import call as response_call
from scripted_server import (
    DONE,
    Cut,
    Pause,
    Raw,
    ScriptedServer,
    Stall,
    Stream,
    Until,
    call,
    delta,
    error_chunk,
    fault,
    prefill,
    stream,
    text,
    usage_chunk,
)

from qcode.errors import UsageError
from qcode.evals.agents import Endpoint, Limits
from qcode.evals.agents.counting import PLACEHOLDER, Counting, EventSplitter
from qcode.evals.agents.tally import Tally
from qcode.evals.harness.trial import Effort
from qcode.messages import Usage
from qcode.providers.connection import HttpError, parse_origin
from qcode.providers.http import HttpClient

NO_LIMITS = Limits(60.0)
CACHED = {
    "prompt_tokens": 1000,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 900},
}


class Reply:
    """What a client of the proxy got."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def post(
    base_url: str,
    body: dict[str, Any] | bytes,
    path: str = "/chat/completions",
    headers: tuple[tuple[str, str], ...] = (),
    method: str = "POST",
) -> Reply:
    client = HttpClient(parse_origin(base_url), connect_timeout_s=5, environ={})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    exchange = await client.start(
        method, path, [("Content-Type", "application/json"), *headers], data
    )
    received = bytearray()
    try:
        while (piece := await exchange.receive(20)) is not None:
            received += piece
        assert exchange.head is not None
        return Reply(exchange.head.status, bytes(received))
    finally:
        exchange.close()
        await client.close()


def through(
    server: ScriptedServer | ResponsesServer,
    folder: Path,
    use: Callable[[Counting], Awaitable[Any]],
    *,
    limits: Limits = NO_LIMITS,
    environ: dict[str, str] | None = None,
    **endpoint: Any,
) -> Any:
    async def run() -> Any:
        given = Endpoint("measured", server.base_url, **endpoint)
        async with Counting(given, limits, folder, environ or {}) as counting:
            return await use(counting)

    return asyncio.run(run())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


HELLO = {"model": "mine", "messages": [{"role": "user", "content": "hello"}]}


def test_a_whole_answer_goes_through_and_is_counted(tmp_path: Path) -> None:
    async def use(counting: Counting) -> Tally:
        reply = await post(counting.base_url, HELLO)
        assert reply.status == 200
        assert reply.json["choices"][0]["message"]["content"] == "hi"
        return counting.tally

    with ScriptedServer([text("hi", usage=CACHED)]) as server:
        tally = through(server, tmp_path, use)

    [one] = tally.requests
    assert (one.status, one.is_whole, one.usage) == (200, True, Usage(1000, 20, 900))
    effort = tally.effort(1.5)
    assert (effort.steps, effort.read_tokens, effort.cached_tokens) == (1, 100, 900)
    assert (effort.written_tokens, effort.wall_s) == (20, 1.5)


def test_a_stream_goes_through_byte_for_byte_where_usage_was_asked_for(tmp_path: Path) -> None:
    asked = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}

    async def use(counting: Counting) -> tuple[Reply, Reply]:
        return await post(counting.base_url, asked), await post(server.base_url, asked)

    with ScriptedServer([text("hello there"), text("hello there")]) as server:
        passed, direct = through(server, tmp_path, use)

    assert passed.body.replace(b"measured", b"mine") == direct.body


def test_usage_that_was_not_asked_for_is_counted_and_kept_from_the_agent(tmp_path: Path) -> None:
    async def use(counting: Counting) -> tuple[bytes, Tally]:
        reply = await post(counting.base_url, {**HELLO, "stream": True})
        return reply.body, counting.tally

    with ScriptedServer([text("hello there", usage=CACHED)]) as server:
        body, tally = through(server, tmp_path, use)

    assert server.requests[0].json["stream_options"] == {"include_usage": True}
    assert b"usage" not in body
    assert body.endswith(b"data: [DONE]\n\n")
    assert tally.requests[0].usage == Usage(1000, 20, 900)


def test_timings_count_where_a_server_tells_nothing_else(tmp_path: Path) -> None:
    timed = {**delta("stop"), "timings": {"cache_n": 30, "prompt_n": 12, "predicted_n": 5}}

    async def use(counting: Counting) -> Effort:
        await post(counting.base_url, {**HELLO, "stream": True})
        return counting.tally.effort(1.0)

    with ScriptedServer([Stream((delta(content="x"), timed, DONE))]) as server:
        effort = through(server, tmp_path, use)

    assert (effort.read_tokens, effort.cached_tokens, effort.written_tokens) == (12, 30, 5)


def test_tokens_are_not_known_where_no_reply_tells_them(tmp_path: Path) -> None:
    async def use(counting: Counting) -> Effort:
        await post(counting.base_url, {**HELLO, "stream": True})
        return counting.tally.effort(1.0)

    with ScriptedServer([text("x", usage=None)]) as server:
        effort = through(server, tmp_path, use)

    assert effort.steps == 1
    assert effort.read_tokens is effort.cached_tokens is effort.written_tokens is None


def test_a_stream_arrives_while_the_model_still_writes(tmp_path: Path) -> None:
    first_was_seen = threading.Event()
    script = [stream(delta(content="one"), Until(first_was_seen), delta(content="two"))]

    async def use(counting: Counting) -> bytes:
        client = HttpClient(parse_origin(counting.base_url), connect_timeout_s=5, environ={})
        body = json.dumps({**HELLO, "stream": True}).encode()
        exchange = await client.start("POST", "/chat/completions", (), body)
        got = b""
        while b"one" not in got:
            got += await exchange.receive(10) or b""
        assert b"two" not in got
        first_was_seen.set()
        while (piece := await exchange.receive(10)) is not None:
            got += piece
        exchange.close()
        await client.close()
        return got

    with ScriptedServer(script) as server:
        assert b"two" in through(server, tmp_path, use)


def test_signs_of_life_are_no_first_piece_of_an_answer(tmp_path: Path) -> None:
    quiet = Stream((Raw(b": ping\n\n"), Pause(0.3), delta(content="x"), DONE))

    async def use(counting: Counting) -> float | None:
        await post(counting.base_url, {**HELLO, "stream": True})
        return counting.tally.requests[0].first_s

    with ScriptedServer([quiet]) as server:
        first_s = through(server, tmp_path, use)

    assert first_s >= 0.3


def test_model_key_seed_and_temperature_are_the_endpoints(tmp_path: Path) -> None:
    theirs = {**HELLO, "temperature": 0.9, "seed": 1}

    async def use(counting: Counting) -> int:
        key = (("Authorization", f"Bearer {PLACEHOLDER}"),)
        return (await post(counting.base_url, theirs, headers=key)).status

    with ScriptedServer([text("x")], key="the-real-key") as server:
        status = through(
            server,
            tmp_path,
            use,
            environ={"REAL": "the-real-key"},
            api_key_env="REAL",
            temperature=0.2,
            seed=7,
        )

    assert status == 200
    sent = server.requests[0].json
    assert (sent["model"], sent["temperature"], sent["seed"]) == ("measured", 0.2, 7)


def test_temperature_stays_the_agents_where_the_endpoint_has_none(tmp_path: Path) -> None:
    async def use(counting: Counting) -> None:
        await post(counting.base_url, {**HELLO, "temperature": 0.9})

    with ScriptedServer([text("x")]) as server:
        through(server, tmp_path, use)

    assert server.requests[0].json["temperature"] == 0.9


def test_requests_are_kept_as_the_model_got_them_and_without_the_key(tmp_path: Path) -> None:
    spoken = {**HELLO, "messages": [{"role": "user", "content": "größe ß"}]}

    async def use(counting: Counting) -> None:
        await post(counting.base_url, spoken, headers=(("Authorization", "Bearer x"),))

    with ScriptedServer([text("x")], key="s3cret") as server:
        through(server, tmp_path, use, environ={"K": "s3cret"}, api_key_env="K")

    kept = (tmp_path / "requests.jsonl").read_text()
    assert json.loads(kept)["body"]["messages"] == spoken["messages"]
    assert "größe ß" in kept
    assert "s3cret" not in kept + (tmp_path / "counted.jsonl").read_text()


@pytest.mark.parametrize(
    "limits, reached",
    [
        (Limits(60.0, steps=2), "steps"),
        (Limits(60.0, tokens=2000), "tokens"),
    ],
)
def test_requests_beyond_a_limit_are_refused_and_never_sent(
    tmp_path: Path, limits: Limits, reached: str
) -> None:
    async def use(counting: Counting) -> Counting:
        statuses = [(await post(counting.base_url, HELLO)).status for _ in range(2)]
        assert statuses == [200, 200]
        assert not counting.exhausted.is_set()
        refused = await post(counting.base_url, HELLO)
        assert refused.status == 400
        assert f"limit of {reached}" in refused.json["error"]["message"]
        assert refused.json["error"]["code"] == "evaluation_limit"
        return counting

    with ScriptedServer([text("x")] * 3) as server:
        counting = through(server, tmp_path, use, limits=limits)

    assert len(server.requests) == 2
    assert (counting.limit, counting.exhausted.is_set()) == (reached, True)
    assert counting.tally.effort(1.0).steps == 2
    assert lines(tmp_path / "counted.jsonl")[-1]["refused"] == reached


def test_requests_at_the_same_time_do_not_slip_past_the_limit(tmp_path: Path) -> None:
    go = threading.Event()
    # Streamed, because a scripted answer in one piece waits for nothing.
    asked = {**HELLO, "stream": True}

    async def use(counting: Counting) -> list[int]:
        tasks = [asyncio.create_task(post(counting.base_url, asked)) for _ in range(5)]
        done: set[asyncio.Task[Reply]] = set()
        while len(done) < 3:
            finished, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done |= finished
            tasks = [task for task in tasks if task not in done]
        go.set()
        return sorted([task.result().status for task in done] + [(await t).status for t in tasks])

    with ScriptedServer([stream(Until(go), delta(content="x"))] * 5) as server:
        statuses = through(server, tmp_path, use, limits=Limits(60.0, steps=2))

    assert statuses == [200, 200, 400, 400, 400]


def test_an_agent_that_goes_away_ends_the_request(tmp_path: Path) -> None:
    async def use(counting: Counting) -> Tally:
        client = HttpClient(parse_origin(counting.base_url), connect_timeout_s=5, environ={})
        body = json.dumps({**HELLO, "stream": True}).encode()
        exchange = await client.start("POST", "/chat/completions", (), body)
        await asyncio.to_thread(server.wait_for, 1)
        exchange.close()
        await asyncio.to_thread(server.requests[0].left.wait, 10)
        assert server.requests[0].left.is_set()
        return counting.tally

    with ScriptedServer([Stream((), before=(Stall(),))]) as server:
        tally = through(server, tmp_path, use)

    assert [one.is_whole for one in tally.requests] == [False]


def test_a_stream_that_breaks_off_breaks_off_for_the_agent(tmp_path: Path) -> None:
    async def use(counting: Counting) -> Tally:
        with pytest.raises(HttpError):
            await post(counting.base_url, {**HELLO, "stream": True})
        return counting.tally

    with ScriptedServer([Stream((delta(content="x"), Cut()))]) as server:
        tally = through(server, tmp_path, use)

    assert [(one.status, one.is_whole) for one in tally.requests] == [(200, False)]


def test_what_was_cut_is_estimated_and_that_is_said(tmp_path: Path) -> None:
    async def use(counting: Counting) -> Tally:
        with pytest.raises(HttpError):
            await post(counting.base_url, {**HELLO, "stream": True})
        with pytest.raises(HttpError):
            await post(counting.base_url, {**HELLO, "stream": True})
        return counting.tally

    called = {"index": 0, "function": {"name": "edit", "arguments": "{}"}}
    with ScriptedServer(
        [
            prefill(
                Stream((delta(content="a word "), delta(reasoning_content="x" * 60), Cut())),
                total=500,
                cache=300,
            ),
            Stream((delta(tool_calls=[called]), Cut())),
        ]
    ) as server:
        tally = through(server, tmp_path, use)

    first, second = tally.requests
    assert (first.usage, first.is_estimate) == (Usage(500, 11, 300), True)
    assert second.usage.output_tokens == 1
    assert 10 < second.usage.input_tokens < 100
    assert [line.get("is_estimate") for line in lines(tmp_path / "counted.jsonl")] == [True, True]


def test_an_endpoint_that_is_not_there_is_a_502_with_the_cause(tmp_path: Path) -> None:
    async def use(counting: Counting) -> Reply:
        server.stop()
        return await post(counting.base_url, HELLO)

    with ScriptedServer() as server:
        reply: Reply = through(server, tmp_path, use)

    assert reply.status == 502
    assert reply.json["error"]["message"] == "the model's endpoint: connection refused"


def test_errors_of_the_endpoint_pass_and_are_no_steps(tmp_path: Path) -> None:
    async def use(counting: Counting) -> tuple[Reply, Effort]:
        reply = await post(counting.base_url, HELLO)
        return reply, counting.tally.effort(1.0)

    with ScriptedServer([fault(429, "slower", retry_after=3)]) as server:
        reply, effort = through(server, tmp_path, use)

    assert (reply.status, reply.json["error"]["message"]) == (429, "slower")
    assert effort.steps == 0


def test_other_hosts_are_refused_and_noted(tmp_path: Path) -> None:
    async def use(counting: Counting) -> list[str]:
        for first in ("CONNECT telemetry.example:443", "GET http://updates.example/x"):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(counting.origin[17:]))
            writer.write(f"{first} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
            writer.close()
        return counting.outside

    with ScriptedServer() as server:
        assert through(server, tmp_path, use) == ["telemetry.example", "updates.example"]


def test_other_paths_pass_uncounted(tmp_path: Path) -> None:
    async def use(counting: Counting) -> list[tuple[str, int]]:
        for base, path in ((counting.base_url, "/models"), (counting.origin, "/props")):
            assert (await post(base, b"", path, method="GET")).status == 200
        return [(one.path, one.status) for one in counting.tally.requests]

    with ScriptedServer() as server:
        assert through(server, tmp_path, use) == []

    assert [one.path for one in server.others] == ["/v1/models", "/props"]


def test_calls_are_counted_in_streams_and_whole_answers(tmp_path: Path) -> None:
    async def use(counting: Counting) -> list[int]:
        await post(counting.base_url, {**HELLO, "stream": True})
        await post(counting.base_url, HELLO)
        return [one.calls for one in counting.tally.requests]

    with ScriptedServer([call("shell", command="ls")] * 2) as server:
        assert through(server, tmp_path, use) == [1, 1]


def test_the_responses_api_is_counted_too(tmp_path: Path) -> None:
    async def use(counting: Counting) -> Tally:
        body = {"model": "mine", "input": "hello", "stream": True}
        assert (await post(counting.base_url, body, "/responses")).status == 200
        return counting.tally

    with ResponsesServer([answer(message("hi"), response_call("shell", "{}"))]) as server:
        tally = through(server, tmp_path, use, temperature=0.1)

    assert tally.requests[0].usage == Usage(1000, 50, 640)
    assert tally.requests[0].calls == 1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_cut_behind_blank_lines_wherever_the_bytes_are_cut(size: int) -> None:
    whole = b"data: {}\n\n: note\r\n\r\ndata: a\ndata: b\n\nrest"
    splitter = EventSplitter()
    events = [
        event for at in range(0, len(whole), size) for event in splitter.feed(whole[at : at + size])
    ]

    assert events == [b"data: {}\n\n", b": note\r\n\r\n", b"data: a\ndata: b\n\n"]
    assert splitter.rest == b"rest"


def test_a_chunked_request_is_read(tmp_path: Path) -> None:
    body = json.dumps(HELLO).encode()

    async def use(counting: Counting) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(counting.origin[17:]))
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for piece in (body[:5], body[5:]):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        writer.write(b"0\r\n\r\n")
        first = await reader.readline()
        writer.close()
        return first

    with ScriptedServer([text("x")]) as server:
        assert through(server, tmp_path, use) == b"HTTP/1.1 200 OK\r\n"

    assert server.requests[0].json["messages"] == HELLO["messages"]


def test_an_endpoint_without_a_url_or_its_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no endpoint that an agent can be given"):
        Counting(Endpoint("m", ""), NO_LIMITS, tmp_path, {})
    with pytest.raises(UsageError, match="MY_KEY is not set"):
        Counting(Endpoint("m", "http://127.0.0.1:1/v1", "MY_KEY"), NO_LIMITS, tmp_path, {})


def test_the_price_is_added_where_the_endpoint_tells_none(tmp_path: Path) -> None:
    async def run(server: ScriptedServer) -> tuple[int, float | None]:
        limits = Limits(60.0, cost_usd=0.03)
        given = Endpoint("m", server.base_url)
        async with Counting(given, limits, tmp_path, {}, price=lambda _: 0.02) as counting:
            statuses = [(await post(counting.base_url, HELLO)).status for _ in range(3)]
            return statuses[-1], counting.tally.spent.cost_usd

    own = {**usage_chunk(CACHED)["usage"], "cost": 0.01}
    with ScriptedServer([text("x"), text("x", usage=own), text("x")]) as server:
        status, cost = asyncio.run(run(server))

    assert status == 400
    assert cost == pytest.approx(0.03)


def test_an_error_within_a_stream_is_the_endpoints(tmp_path: Path) -> None:
    async def use(counting: Counting) -> Tally:
        await post(counting.base_url, {**HELLO, "stream": True})
        return counting.tally

    broken = stream(delta(content="hi"), error_chunk("the server's slot is gone", code=500))
    with ScriptedServer([broken]) as server:
        tally = through(server, tmp_path, use)

    assert tally.failure is not None
    assert "the server's slot is gone" in tally.failure.problem


def test_requests_of_a_second_try_are_numbered_on(tmp_path: Path) -> None:
    async def use(counting: Counting) -> None:
        await post(counting.base_url, HELLO)
        await post(counting.base_url, HELLO)

    with ScriptedServer([text("x")] * 4) as server:
        through(server, tmp_path, use)
        through(server, tmp_path, use)

    for name in ("requests.jsonl", "counted.jsonl"):
        assert [line["number"] for line in lines(tmp_path / name)] == [1, 2, 3, 4]


def test_what_lies_beside_the_api_is_asked_for_there_and_who_answers_is_told(
    tmp_path: Path,
) -> None:
    async def use(counting: Counting) -> str:
        client = HttpClient(parse_origin(counting.origin), connect_timeout_s=5, environ={})
        exchange = await client.start("GET", "/props", [], b"")
        while await exchange.receive(20) is not None:
            pass
        exchange.close()
        await client.close()
        assert exchange.head is not None
        return exchange.head.headers.get("server", "")

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "llama.cpp", ""
        paths: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            self.paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    async def run(base_url: str) -> str:
        given = Endpoint("measured", base_url)
        async with Counting(given, NO_LIMITS, tmp_path, {}) as counting:
            return await use(counting)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            said = asyncio.run(run(f"http://127.0.0.1:{server.server_port}/behind/v1"))
        finally:
            server.shutdown()
            thread.join()

    assert said.startswith("llama.cpp")
    assert Handler.paths == ["/behind/props"]
