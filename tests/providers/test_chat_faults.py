from __future__ import annotations

import json
from typing import Any

import pytest
import scripted_server as server_of
from asking import ask, failure, request
from scripted_server import ScriptedServer, delta, fault, raw

from qcode.errors import ProviderError, ProviderFault
from qcode.providers.chat import ChatProvider
from qcode.providers.chat_faults import retry_after, served_models

F = ProviderFault


def fails(reply: Any, **options: Any) -> ProviderError:
    with ScriptedServer([reply]) as server:
        options = {"base_url": server.base_url, "model": "scripted", **options}
        error = failure(ChatProvider(**options))
    error.message = error.message.replace(f":{server.port}", ":PORT")
    error.hint = error.hint.replace(f":{server.port}", ":PORT")
    assert "\n" not in str(error)
    assert len(error.message) <= 350
    return error


@pytest.mark.parametrize(
    "reply, expected",
    [
        (fault(401, "no key"), F.UNAUTHORISED),
        (fault(403, "not yours"), F.UNAUTHORISED),
        (fault(402, "pay"), F.REFUSED),
        (fault(403, "Insufficient balance"), F.REFUSED),
        (fault(404, "The model `x` does not exist", code="model_not_found"), F.UNKNOWN_MODEL),
        (fault(404, 'model "x" not found, try pulling it first'), F.UNKNOWN_MODEL),
        (fault(400, "x is not a valid model ID"), F.UNKNOWN_MODEL),
        (fault(404, "No endpoints found for x."), F.UNKNOWN_MODEL),
        (fault(404, "File Not Found", code=404, type="not_found_error"), F.NOT_AN_API),
        (server_of.Whole(b'{"detail":"Not Found"}', 404), F.NOT_AN_API),
        (server_of.Whole(b"404 page not found", 404, content_type="text/plain"), F.NOT_AN_API),
        (server_of.html(404), F.NOT_AN_API),
        (fault(405, "Method Not Allowed: endpoint not found"), F.NOT_AN_API),
        (fault(404, "No tool support here"), F.REFUSED),
        (fault(400, "temperature must be below 2"), F.REFUSED),
        (server_of.Whole(b'{"detail":[{"loc":["body"],"msg":"bad"}]}', 422), F.REFUSED),
        (fault(408), F.RATE_LIMITED),
        (fault(409), F.RATE_LIMITED),
        (fault(429), F.RATE_LIMITED),
        (fault(429, "You exceeded your current quota", code="insufficient_quota"), F.REFUSED),
        (fault(500, "boom"), F.OVERLOADED),
        (fault(502), F.OVERLOADED),
        (server_of.html(503), F.OVERLOADED),
        (fault(503, "Loading model", type="unavailable_error"), F.OVERLOADED),
        (fault(529, "Overloaded"), F.OVERLOADED),
        (fault(500, "Failed to parse input at pos 12: <tool_call>"), F.BAD_OUTPUT),
        (fault(400, "Failed to call a function", code="tool_use_failed"), F.BAD_OUTPUT),
        (fault(500, "XML syntax error on line 4"), F.BAD_OUTPUT),
        (fault(400, "too big", type="exceed_context_size_error"), F.CONTEXT_TOO_LONG),
        (fault(400, "too big", code="context_length_exceeded"), F.CONTEXT_TOO_LONG),
        (fault(400, "This model's maximum context length is 8 tokens"), F.CONTEXT_TOO_LONG),
        (
            fault(400, "the request exceeds the available context size"),
            F.CONTEXT_TOO_LONG,
        ),
        (fault(413, "large"), F.CONTEXT_TOO_LONG),
        (server_of.html(), F.NOT_AN_API),
        (server_of.html(200, "just words"), F.NOT_AN_API),
        (server_of.Whole(b'{"hello":"world"}'), F.NOT_AN_API),
        (server_of.Whole(b"[]"), F.NOT_AN_API),
        (server_of.Whole(b""), F.NOT_AN_API),
        (server_of.Whole(b"", 204), F.NOT_AN_API),
        (server_of.Whole(b"", 308, {"Location": "https://x/v1"}), F.NOT_AN_API),
        (server_of.Whole(b'{"choices":[{"mess'), F.STREAM_BROKEN),
        (server_of.Whole(b'{"choices":[]}', promised=999), F.STREAM_BROKEN),
        (server_of.Whole(b'{"error":{"message":"boom","code":500}}'), F.OVERLOADED),
        (server_of.empty(), F.EMPTY),
        (server_of.whole({"role": "assistant", "content": ""}), F.EMPTY),
        (server_of.empty("content_filter"), F.REFUSED),
        (server_of.empty("error"), F.STREAM_BROKEN),
        (server_of.cut(server_of.text("abcdef")), F.STREAM_BROKEN),
        (server_of.cut(server_of.text("abcdef"), reset=True), F.STREAM_BROKEN),
        (server_of.cut(server_of.call("read_file", file_path="a"), 3), F.STREAM_BROKEN),
        (raw(delta(content="a")), F.STREAM_BROKEN),
        (raw(), F.STREAM_BROKEN),
        (raw(server_of.Raw(b'data: {"choices": [{"del\n\n')), F.STREAM_BROKEN),
        (raw(server_of.Raw(b"data: 5\n\n")), F.STREAM_BROKEN),
        (server_of.Stream((), before=(server_of.Cut(),)), F.UNREACHABLE),
        (server_of.Stream((), before=(server_of.Cut(reset=True),)), F.UNREACHABLE),
        (
            server_of.Stream((), before=(server_of.Raw(b"SSH-2.0-x\r\n"), server_of.Stall())),
            F.NOT_AN_API,
        ),
    ],
)
def test_replies_are_told_apart(reply: Any, expected: ProviderFault) -> None:
    assert fails(reply).fault is expected


@pytest.mark.parametrize(
    "error, expected",
    [
        ({"message": "slow down", "code": 429}, F.RATE_LIMITED),
        ({"message": "slow down", "type": "rate_limit_error"}, F.RATE_LIMITED),
        ({"message": "Provider disconnected", "code": 502}, F.OVERLOADED),
        ({"message": "Internal error", "type": "server_error"}, F.OVERLOADED),
        ({"message": "x", "code": "context_length_exceeded"}, F.CONTEXT_TOO_LONG),
        ({"message": "Failed to parse input at pos 3", "code": 500}, F.BAD_OUTPUT),
        ({"message": "x", "code": "model_not_found"}, F.UNKNOWN_MODEL),
        ({"message": "bad api key"}, F.UNAUTHORISED),
        ({"message": "something else"}, F.STREAM_BROKEN),
        ("words alone", F.STREAM_BROKEN),
    ],
)
def test_errors_inside_a_stream_are_told_apart(error: Any, expected: ProviderFault) -> None:
    assert fails(raw(delta(content="a"), {"error": error}, server_of.DONE)).fault is expected


def test_an_error_event_is_an_error() -> None:
    body = b'event: error\ndata: {"message": "overloaded now"}\n\n'

    assert fails(raw(server_of.Raw(body))).fault is F.OVERLOADED


# ------------------------------------------------------------------ what is said


def test_the_cause_is_one_line_in_the_servers_words() -> None:
    error = fails(fault(400, "temperature\n must  be\x1b[31m below 2\n"))

    assert error.message == (
        "`127.0.0.1:PORT` answered 400 for model `scripted`: temperature must be [31m below 2"
    )


def test_long_words_are_cut() -> None:
    error = fails(fault(400, "x" * 5000))

    assert len(error.message) < 300
    assert error.message.endswith("…")


@pytest.mark.parametrize(
    "options, hint",
    [
        ({}, "set QCODE_API_KEY or OPENAI_API_KEY to an API key"),
        ({"key_name": "OPENAI_API_KEY"}, "set OPENAI_API_KEY to an API key"),
        (
            {"key_name": "OPENAI_API_KEY", "api_key": "sk-very-secret"},
            "check the API key in OPENAI_API_KEY and what it may use",
        ),
    ],
)
def test_a_missing_or_wrong_key_is_said(options: dict[str, str], hint: str) -> None:
    error = fails(fault(401, "Incorrect API key provided: sk-very-secret"), **options)

    assert error.hint == hint
    if "api_key" in options:
        assert "sk-very-secret" not in str(error)
    assert not error.retryable


def test_headers_are_secret_too() -> None:
    error = fails(fault(401, "bad token-123456"), headers={"X-Auth": "token-123456"})

    assert error.message.endswith("bad …")


def test_an_unknown_model_is_answered_with_those_there_are() -> None:
    with ScriptedServer(
        [server_of.text("a")] * 2, check_model=True, models=["qwen", "gemma"]
    ) as server:
        error = failure(ChatProvider(base_url=server.base_url, model="qwem"))

    assert error.fault is F.UNKNOWN_MODEL
    assert error.hint == "it serves `qwen`, `gemma`"
    assert "`qwem`" in error.message


def test_a_forgotten_v1_is_pointed_out() -> None:
    with ScriptedServer([server_of.text("a")]) as server:
        error = failure(ChatProvider(base_url=server.origin + "/", model="m"))

    assert error.fault is F.NOT_AN_API
    assert error.hint == f"try the base URL `{server.origin}/v1`"


def test_a_web_page_is_no_api() -> None:
    error = fails(server_of.html())

    assert error.message == "`127.0.0.1:PORT` answered with HTML, not with a chat completion"
    assert error.hint == "check the base URL `http://127.0.0.1:PORT/v1`"


def test_nothing_listening_is_said_at_once() -> None:
    with ScriptedServer([]) as server:
        server.stop_listening()
        error = failure(ChatProvider(base_url=server.base_url, model="m"))

    assert str(error) == (
        f"cannot reach `127.0.0.1:{server.port}`: connection refused; is a server running there?"
    )


def test_tls_where_there_is_none_is_said() -> None:
    with ScriptedServer([]) as server:
        url = server.base_url.replace("http", "https")
        error = failure(ChatProvider(base_url=url, model="m", connect_timeout_s=0.3))

    assert error.fault is F.UNREACHABLE


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 60.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon: really"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_is_asked_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=40.0) == seconds


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_goes_with_the_error(status: int) -> None:
    assert fails(fault(status, retry_after=7)).retry_after_s == 7.0


@pytest.mark.parametrize(
    "listing, models",
    [
        ({"data": [{"id": "a"}, {"name": "b"}, {}, 5]}, ["a", "b"]),
        ([{"id": "a"}], ["a"]),
        ({"data": None}, []),
        (None, []),
    ],
)
def test_listings_of_models_are_read(listing: Any, models: list[str]) -> None:
    assert served_models(json.loads(json.dumps(listing))) == models


def test_after_a_fault_the_provider_still_works() -> None:
    script: list[server_of.Reply] = [fault(500)]
    script += [server_of.cut(server_of.text("ab")), server_of.text("c")]
    with ScriptedServer(script) as server:
        provider = ChatProvider(base_url=server.base_url, model="m")
        assert failure(provider).fault is F.OVERLOADED
        provider = ChatProvider(base_url=server.base_url, model="m")
        assert failure(provider).fault is F.STREAM_BROKEN
        assert ask(provider, request())
