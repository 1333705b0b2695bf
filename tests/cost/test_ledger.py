"""The ledger of real sessions against one that was worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import scripted_server as scripted
from program import Program, repository

from qcode.messages import Usage
from qcode.models.model import Prices
from qcode.models.pricing import cost
from qcode.providers.chat_stream import usage_from

OPENAI: dict[str, Any] = {
    "prompt_tokens": 12_345,
    "completion_tokens": 678,
    "total_tokens": 13_023,
    "prompt_tokens_details": {"cached_tokens": 11_008, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 512, "accepted_prediction_tokens": 0},
}
DEEPSEEK: dict[str, Any] = {
    "prompt_tokens": 9_001,
    "completion_tokens": 250,
    "total_tokens": 9_251,
    "prompt_cache_hit_tokens": 8_960,
    "prompt_cache_miss_tokens": 41,
}
ANTHROPIC: dict[str, Any] = {
    "input_tokens": 17,
    "cache_creation_input_tokens": 1_203,
    "cache_read_input_tokens": 20_480,
    "output_tokens": 911,
}
GATEWAY: dict[str, Any] = {
    "prompt_tokens": 21_700,
    "completion_tokens": 911,
    "cache_creation_input_tokens": 1_203,
    "cache_read_input_tokens": 20_480,
    "cost": 0.0425,
}
LLAMA_CPP_TIMINGS: dict[str, Any] = {
    "cache_n": 2_900,
    "prompt_n": 36,
    "prompt_ms": 412.5,
    "predicted_n": 88,
    "predicted_ms": 5_301.0,
}
"""As these servers' documentation and recorded answers have them."""

PRICES = Prices(input=5.0, output=25.0, cache_read=0.5, cache_write=6.25)


@pytest.mark.parametrize(
    "said, timings, meant",
    [
        (OPENAI, None, Usage(12_345, 678, 11_008)),
        (DEEPSEEK, None, Usage(9_001, 250, 8_960)),
        (ANTHROPIC, None, Usage(21_700, 911, 20_480, None, 1_203)),
        (GATEWAY, None, Usage(21_700, 911, 20_480, 0.0425, 1_203)),
        (None, LLAMA_CPP_TIMINGS, Usage(2_936, 88, 2_900)),
        ({"prompt_tokens": 2_936, "completion_tokens": 88,
          "prompt_tokens_details": {"cached_tokens": 2_900}}, LLAMA_CPP_TIMINGS,
         Usage(2_936, 88, 2_900)),
        ({"prompt_tokens": None, "completion_tokens": None}, None, Usage()),
    ],
)  # fmt: skip
def test_each_form_of_counting_is_understood(
    said: dict[str, Any] | None, timings: dict[str, Any] | None, meant: Usage
) -> None:
    assert usage_from(said, timings) == meant


@pytest.mark.parametrize(
    "usage, dollars",
    [
        # 1,337 anew × 5 + 11,008 cached × 0.5 + 678 × 25, in millionths
        (Usage(12_345, 678, 11_008), (6_685 + 5_504 + 16_950) / 1e6),
        # 17 anew × 5 + 1,203 kept × 6.25 + 20,480 × 0.5 + 911 × 25
        (Usage(21_700, 911, 20_480, None, 1_203), (85 + 7_518.75 + 10_240 + 22_775) / 1e6),
        (Usage(), 0.0),
    ],
)
def test_tokens_cost_what_they_do_by_hand(usage: Usage, dollars: float) -> None:
    assert cost(usage, PRICES) == pytest.approx(dollars, abs=1e-12)


def test_what_has_no_price_of_its_own_costs_what_is_read_anew() -> None:
    assert cost(Usage(1_000_000, 0, 600_000, None, 100_000), Prices(2.0, 8.0)) == 2.0


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return repository(folder, {"a.py": "x = 1\n"})


def replied(usage: dict[str, Any], *, last: bool = False) -> scripted.Reply:
    if last:
        return scripted.text("Done.", usage=usage)
    return scripted.calls(("read_file", {"file_path": "a.py"}), usage=usage)


def test_a_session_of_all_forms_adds_up_to_the_last_token(work: Path) -> None:
    script = [replied(OPENAI), replied(DEEPSEEK), replied(ANTHROPIC), replied(GATEWAY, last=True)]
    with scripted.ScriptedServer(script) as server:
        program = Program(work, server.base_url)
        ran = program.run("run", "-o", "json", "look")
        told = program.run("cost", "--by", "step", "--json")
    assert ran.code == 0, ran.err
    assert told.code == 0, told.err

    found = json.loads(told.out)
    rows = [
        (r["new_tokens"], r["cached_tokens"], r["cache_write_tokens"], r["output_tokens"])
        for r in found["rows"]
    ]
    assert rows == [
        (1_337, 11_008, 0, 678),
        (41, 8_960, 0, 250),
        (1_220, 20_480, 1_203, 911),
        (1_220, 20_480, 1_203, 911),
    ]
    total = found["total"]
    assert (total["new_tokens"], total["cached_tokens"]) == (3_818, 60_928)
    assert total["output_tokens"] == 2_750
    assert total["requests"] == 4
    # The server here takes nothing, but for what it says itself that it charged.
    assert total["cost_usd"] == pytest.approx(0.0425)
    assert json.loads(ran.out)["total_cost_usd"] == pytest.approx(0.0425)


def test_what_broke_off_counts_and_is_said_to_be_estimated(work: Path) -> None:
    broken = scripted.cut(scripted.text("Let me think of it for a while.", chunks=8), after=6)
    with scripted.ScriptedServer([broken, replied(OPENAI, last=True)]) as server:
        program = Program(work, server.base_url)
        ran = program.run("run", "-o", "json", "look")
        told = program.run("cost", "--by", "purpose", "--json")
        shown = program.run("cost")
    assert (ran.code, told.code) == (0, 0), ran.err

    again, step = json.loads(told.out)["rows"]
    assert (again["key"], again["requests"], again["estimated_requests"]) == ("broken off", 1, 1)
    assert again["new_tokens"] > 100
    assert 0 < again["output_tokens"] < 20
    assert (step["key"], step["estimated_requests"], step["output_tokens"]) == ("step", 0, 678)
    both = again["output_tokens"] + step["output_tokens"]
    assert json.loads(ran.out)["usage"]["output_tokens"] == both
    assert "1 of the requests ended before they were counted: estimated" in shown.out


def test_the_causes_of_a_session_add_up_to_its_counts(work: Path) -> None:
    script = [replied(OPENAI), replied(DEEPSEEK), replied(OPENAI, last=True)]
    with scripted.ScriptedServer(script) as server:
        program = Program(work, server.base_url)
        assert program.run("run", "look").code == 0
        told = program.run("cost", "--continue", "--by", "cause", "--json")
    assert told.code == 0, told.err

    found = json.loads(told.out)
    for field in ("new_tokens", "cached_tokens", "output_tokens"):
        assert sum(row[field] for row in found["rows"]) == found["total"][field]
    assert {"prompt", "files", "requests", "answers"} <= {row["key"] for row in found["rows"]}
    assert all(row["new_tokens"] >= 0 for row in found["rows"])


def test_a_turn_that_came_to_nothing_is_a_retry(work: Path) -> None:
    bad = scripted.calls(("read_file", {"file_path": "missing.py"}), usage=DEEPSEEK)
    with scripted.ScriptedServer([bad, replied(OPENAI, last=True)]) as server:
        program = Program(work, server.base_url)
        assert program.run("run", "look").code == 0
        told = program.run("cost", "--continue", "--by", "cause", "--json")

    rows = {row["key"]: row for row in json.loads(told.out)["rows"]}
    assert rows["retries"]["new_tokens"] == 1_337
    assert rows["retries"]["cached_tokens"] == 11_008
    assert rows["retries"]["output_tokens"] == 678


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("--since", "soon"), "no time to count from"),
        (("--on", "no-such-model-at-all"), "no model `no-such-model-at-all` is known"),
        (("--by", "cause"), "--by cause is of one session"),
        (("some-id", "--continue"), "exclude each other"),
        (("no-such-session",), "no session"),
    ],
)
def test_what_is_asked_wrongly_is_told(work: Path, arguments: tuple[str, ...], words: str) -> None:
    ended = Program(work, "http://127.0.0.1:9/v1").run("cost", *arguments)
    assert ended.code == 2
    assert words in ended.err
    assert ended.err.count("\n") == 1


def test_without_any_session_there_is_nothing_to_tell(work: Path) -> None:
    ended = Program(work, "http://127.0.0.1:9/v1").run("cost")
    assert (ended.code, ended.out) == (0, "nothing was asked of a model in that time\n")


def test_the_same_tokens_are_told_for_other_models(work: Path) -> None:
    script = [replied(OPENAI), replied(OPENAI, last=True)]
    with scripted.ScriptedServer(script) as server:
        program = Program(work, server.base_url)
        assert program.run("run", "look").code == 0
        told = program.run("cost", "--continue", "--on", "claude-opus-4.6", "--json")
        plain = program.run("cost", "--continue", "--on", "claude-opus-4.6")

    # The first is kept whole; the second reads it and keeps nothing more, for it is as long.
    with_cache = (12_345 * 6.25 + 12_345 * 0.5 + 2 * 678 * 25) / 1e6
    without = (2 * 12_345 * 5 + 2 * 678 * 25) / 1e6
    assert json.loads(told.out)["elsewhere"] == {
        "Claude Opus 4.6": {
            "cost_usd": pytest.approx(with_cache),
            "cost_usd_without_cache": pytest.approx(without),
        }
    }
    assert f"${with_cache:.4f}" in plain.out
    assert "free" in plain.out
