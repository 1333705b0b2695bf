from __future__ import annotations

import asyncio

import doctored
import pytest
from doctored import Model
from scripted_server import DONE, Raw, Reply, ScriptedServer, cut, empty, html, raw, text

from qcode.doctor.check import Check
from qcode.doctor.examination import Examination
from qcode.doctor.server import OLLAMA, Server
from qcode.doctor.window import Arrival, true_window
from qcode.providers.registry import Target


def examine(
    server: ScriptedServer,
    *,
    model: str = "scripted",
    key: str | None = None,
    deep: bool = False,
) -> Examination:
    return examine_at(server.base_url, model=model, key=key, deep=deep)


def examine_at(
    base_url: str,
    *,
    model: str = "scripted",
    key: str | None = None,
    deep: bool = False,
) -> Examination:
    examination = Examination(
        Target(model, base_url, key, "chat", "MY_KEY" if key else None),
        environ={},
        own_prompt_tokens=1_000,
        deep=deep,
    )

    async def run() -> None:
        async for _ in examination.run():
            pass

    asyncio.run(run())
    return examination


def by_name(examination: Examination) -> dict[str, Check]:
    return {check.name: check for check in examination.checks}


def statuses(examination: Examination) -> dict[str, str]:
    return {check.name: check.status for check in examination.checks}


def test_a_healthy_server_has_nothing_to_change() -> None:
    with ScriptedServer(Model(timings=True), routes=doctored.llama_cpp()) as server:
        seen = examine(server)

    assert statuses(seen) == dict.fromkeys(
        [
            *("reachable", "key", "model", "server", "context window", "streaming"),
            *("tool call", "parallel calls", "long argument", "call after a result"),
            *("reasoning", "prompt cache", "speed"),
        ],
        "ok",
    )
    assert [check.fix for check in seen.checks if check.fix] == []
    assert seen.code == 0
    assert by_name(seen)["speed"].finding == (
        "reads 250 tokens/s (qcode's own prompt once: 4 s), writes 20.0 tokens/s"
    )


def test_the_profile_holds_what_was_seen() -> None:
    with ScriptedServer(Model(timings=True), routes=doctored.llama_cpp()) as server:
        profile = examine(server).profile

    assert profile is not None
    assert (profile.base_url, profile.model) == (server.base_url, "scripted")
    assert (profile.server, profile.version) == ("llama.cpp", "b1")
    assert (profile.protocol, profile.style, profile.plain_schemas) == ("native", "", False)
    assert (profile.context_window, profile.parallel_calls) == (32_768, True)
    assert (profile.prefill_tps, profile.generation_tps) == (250.0, 20.0)
    assert profile.prompt_cache is True


def test_it_costs_little() -> None:
    with ScriptedServer(Model(timings=True), routes=doctored.llama_cpp()) as server:
        examine(server)

    bodies = [len(seen.raw) for seen in server.requests]
    assert len(bodies) == 7
    assert sum(bodies) < 9_500
    assert max(seen.json["max_tokens"] for seen in server.requests) <= 320


def test_the_same_prompt_is_sent_twice_and_was_new_before() -> None:
    with ScriptedServer(Model(timings=True), routes=doctored.llama_cpp()) as server:
        examine(server)
        examine(server)

    first, again = server.requests[1:3]
    other = server.requests[8]
    assert first.json["messages"] == again.json["messages"]
    assert first.json["messages"][0] != other.json["messages"][0]
    assert server.requests[0].json["messages"][0]["role"] == "user"


def test_calls_in_the_text_are_told_with_their_format_and_read_natively() -> None:
    with ScriptedServer(Model(in_text=True), routes=doctored.vllm()) as server:
        seen = examine(server)

    check = by_name(seen)["tool call"]
    assert check.status == "warn"
    assert check.finding == (
        "in the text, in the format hermes, finish reason stop; qcode reads it there"
    )
    assert "--enable-auto-tool-choice" in check.fix
    assert check.figures["channel"] == "content"
    assert seen.profile is not None
    assert seen.profile.protocol == "native"
    assert seen.code == 0


def test_words_instead_of_calls_are_a_failure_and_ask_for_prompted_tools() -> None:
    with ScriptedServer(Model(silent_about_tools=True), routes=doctored.llama_cpp()) as server:
        seen = examine(server)

    check = by_name(seen)["tool call"]
    assert (check.status, check.finding) == ("fail", "no call came, but words: ready")
    assert "--jinja" in check.fix
    assert seen.profile is not None
    assert seen.profile.protocol == "prompted"
    assert seen.code == 1


@pytest.mark.parametrize(
    "words",
    [
        "registry.ollama.ai/library/scripted does not support tools",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
    ],
)
def test_a_server_that_refuses_tools_gets_them_in_the_prompt(words: str) -> None:
    with ScriptedServer(Model(refuses_tools=words), routes=doctored.vllm()) as server:
        seen = examine(server)

    check = by_name(seen)["tool call"]
    assert check.status == "warn"
    assert check.finding.startswith("tools are refused")
    assert "--tool-call-parser" in check.fix
    assert "parallel calls" not in by_name(seen)
    assert seen.profile is not None
    assert seen.profile.protocol == "prompted"
    assert seen.code == 0


def test_one_call_at_a_time_is_told() -> None:
    with ScriptedServer(Model(parallel=False), routes=doctored.vllm()) as server:
        seen = examine(server)

    assert by_name(seen)["parallel calls"].status == "warn"
    assert "1 of 2 calls came" in by_name(seen)["parallel calls"].finding
    assert seen.profile is not None
    assert seen.profile.parallel_calls is False


def test_an_answer_in_one_piece_is_told() -> None:
    with ScriptedServer(Model(streams=False), routes=doctored.vllm()) as server:
        seen = examine(server)

    assert by_name(seen)["streaming"].status == "warn"
    assert by_name(seen)["streaming"].finding == "the answer came in one piece, at its end"
    assert by_name(seen)["tool call"].status == "ok"


@pytest.mark.parametrize(
    "thinks_in, status, kept",
    [
        ("reasoning_content", "ok", "reasoning_content"),
        ("reasoning", "ok", "reasoning"),
        ("text", "warn", "text"),
        ("", "ok", ""),
    ],
)
def test_where_reasoning_comes(thinks_in: str, status: str, kept: str) -> None:
    with ScriptedServer(Model(thinks_in=thinks_in), routes=doctored.vllm()) as server:
        seen = examine(server)

    assert by_name(seen)["reasoning"].status == status
    assert seen.profile is not None
    assert seen.profile.reasoning == kept


def test_a_cache_that_is_not_used_is_told_with_the_option() -> None:
    model = Model(timings=True, caches=False)
    with ScriptedServer(model, routes=doctored.llama_cpp(slots=4)) as server:
        seen = examine(server)

    check = by_name(seen)["prompt cache"]
    assert check.status == "warn"
    assert "--parallel 1" in check.fix
    assert seen.profile is not None
    assert seen.profile.prompt_cache is False
    assert by_name(seen)["server"].finding == "llama.cpp b1, 4 slots"


@pytest.mark.parametrize(
    "routes, window, source, status, fix",
    [
        (doctored.llama_cpp(32_768), 32_768, "/props", "ok", ""),
        (doctored.llama_cpp(4_096, slots=4), 4_096, "/props", "fail", "-c 32768"),
        (doctored.llama_cpp(8_192, trained=8_192), 8_192, "/props", "warn", "take a model"),
        (doctored.vllm(12_288), 12_288, "/v1/models", "warn", "--max-model-len 32768"),
        (doctored.lm_studio(4_096), 4_096, "/api/v0/models", "fail", "load settings"),
        (doctored.ollama(running=65_536), 65_536, "/api/ps", "ok", ""),
        (
            doctored.ollama(running=None, num_ctx=16_384),
            *(16_384, "num_ctx in /api/show", "ok", ""),
        ),
        (doctored.ollama(running=None), None, "", "warn", "context_window"),
    ],
)
def test_the_window_is_the_one_served(
    routes: dict[str, Reply], window: int | None, source: str, status: str, fix: str
) -> None:
    with ScriptedServer(Model(), routes=routes) as server:
        seen = examine(server)

    check = by_name(seen)["context window"]
    assert (check.figures["tokens"], check.figures["source"]) == (window, source)
    assert check.status == status
    assert fix in check.fix
    assert bool(fix) == bool(check.fix)


def test_ollama_cutting_in_silence_is_found_without_being_asked() -> None:
    with ScriptedServer(Model(window=4_096), routes=doctored.ollama(running=None)) as server:
        seen = examine(server)

    check = by_name(seen)["long prompt"]
    assert check.status == "fail"
    assert check.finding.endswith("were sent and 4,096 read: the server cuts in silence")
    assert "OLLAMA_CONTEXT_LENGTH=32768" in check.fix
    assert "num_ctx" in check.fix
    assert seen.profile is not None
    assert seen.profile.context_window == 4_096
    assert seen.code == 1


def test_ollama_with_room_is_not_blamed() -> None:
    with ScriptedServer(Model(), routes=doctored.ollama(running=32_768)) as server:
        seen = examine(server)

    assert by_name(seen)["long prompt"].finding.endswith("arrived whole")
    assert seen.code == 0


def test_other_servers_are_sent_long_prompts_when_asked() -> None:
    model = Model(too_long=8_192)
    with ScriptedServer(model, routes=doctored.llama_cpp(8_192)) as server:
        brief = examine(server)
        deep = examine(server, deep=True)

    assert "long prompt" not in by_name(brief)
    assert by_name(deep)["long prompt"].status == "ok"
    assert "refused, not cut in silence" in by_name(deep)["long prompt"].finding


def test_without_counts_nothing_is_said_of_long_prompts() -> None:
    with ScriptedServer(Model(counts=False), routes=doctored.ollama()) as server:
        seen = examine(server)

    assert by_name(seen)["long prompt"].status == "skip"


def test_a_cut_below_the_stated_window_is_believed_more_than_the_server() -> None:
    server = Server(OLLAMA, window=16_384)

    assert true_window(server, Arrival(5_100, 2_050)) == 2_050
    assert true_window(server, Arrival(5_100, 5_050)) == 16_384
    # Beyond the window, what is left may be half of it.
    assert true_window(Server(OLLAMA, window=4_096), Arrival(5_100, 2_050)) == 4_096


def test_nobody_there_is_unusable() -> None:
    with ScriptedServer() as server:
        base_url = server.base_url
    seen = examine_at(base_url)

    (check,) = seen.checks
    assert (check.name, check.status) == ("reachable", "fail")
    assert "connection refused" in check.finding
    assert check.fix == "is a server running there?"
    assert (seen.code, seen.profile) == (3, None)


@pytest.mark.parametrize(
    "reply",
    [
        cut(text("a b c")),
        cut(text("a b c"), reset=True),
        raw(Raw(b"data: {garbage\n\n"), DONE),
        raw(Raw(b"no stream of events at all\n\n")),
        empty(),
    ],
)
def test_nothing_is_learnt_where_every_answer_breaks(reply: Reply) -> None:
    with ScriptedServer(lambda _: reply, routes=doctored.vllm()) as server:
        seen = examine(server)

    assert (seen.code, seen.profile) == (3, None)
    assert statuses(seen)["reasoning"] == "skip"
    assert seen.checks[-1].name == "answer"
    assert seen.checks[-1].finding.startswith("no answer came that sessions could use: ")
    assert "prompt cache" not in statuses(seen)


def test_one_answer_that_breaks_is_no_reason_to_give_up() -> None:
    model = Model()
    replies = iter([cut(text("ready"))])
    with ScriptedServer(
        lambda seen: next(replies, None) or model(seen), routes=doctored.vllm()
    ) as server:
        seen = examine(server)

    assert statuses(seen)["first answer"] == "warn"
    assert seen.code == 0
    assert seen.profile is not None


def test_a_web_page_is_no_endpoint() -> None:
    with ScriptedServer(routes={"/v1/models": html()}) as server:
        seen = examine(server)

    (check,) = seen.checks
    assert (check.name, check.status) == ("reachable", "fail")
    assert "web page" in check.finding
    assert seen.code == 3


def test_a_base_url_without_v1_is_answered_with_the_right_one() -> None:
    with ScriptedServer(Model(), routes={"/models": html(404)}) as server:
        seen = examine_at(server.origin)

    assert seen.code == 3
    assert seen.checks[-1].fix == f"try the base URL `{server.origin}/v1`"


@pytest.mark.parametrize("key", [None, "wrong-key-of-mine"])
def test_a_key_that_is_not_taken_is_unusable_and_not_shown(key: str | None) -> None:
    with ScriptedServer(Model(), key="right") as server:
        seen = examine(server, key=key)

    check = seen.checks[-1]
    assert (check.name, check.status) == ("key", "fail")
    assert ("MY_KEY" if key else "QCODE_API_KEY") in check.fix
    assert "wrong-key-of-mine" not in str(seen.checks)
    assert seen.code == 3


def test_an_unknown_model_is_answered_with_the_nearest() -> None:
    served = ("other", "qwen3-coder-30b")
    with ScriptedServer(Model(), models=served, check_model=True) as server:
        seen = examine(server, model="qwen-coder-30b")

    check = seen.checks[-1]
    assert (check.name, check.status) == ("model", "fail")
    assert check.fix == "name one that it serves with -m: qwen3-coder-30b, other"
    assert seen.code == 3


def test_a_model_that_is_not_listed_and_answers_is_told() -> None:
    with ScriptedServer(Model(), models=("real",)) as server:
        seen = examine(server, model="alias")

    assert by_name(seen)["model"].status == "warn"
    assert seen.code == 0


def test_without_a_name_the_first_model_is_taken() -> None:
    with ScriptedServer(Model(), models=("first", "second")) as server:
        seen = examine(server, model="")

    assert server.requests[0].json["model"] == "first"
    assert by_name(seen)["model"].finding == "`first` is served, one of 2 models"


def test_calls_in_the_reasoning_are_told_as_such() -> None:
    with ScriptedServer(Model(in_reasoning=True), routes=doctored.vllm()) as server:
        seen = examine(server)

    check = by_name(seen)["tool call"]
    assert check.status == "warn"
    assert check.finding.startswith("in the reasoning, in the format hermes")
    assert check.figures["channel"] == "reasoning"
    assert seen.profile is not None
    assert seen.profile.protocol == "native"


def test_arguments_that_break_off_are_told() -> None:
    with ScriptedServer(Model(garbles=True), routes=doctored.vllm()) as server:
        seen = examine(server)

    check = by_name(seen)["long argument"]
    assert check.status == "warn"
    assert check.finding.startswith("structured, finish reason tool_calls; it cannot be run (")
    assert check.figures["right"] == 0
