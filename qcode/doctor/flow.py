"""How an answer flows: in pieces or at once, how fast, with which reasoning, from which cache."""

from __future__ import annotations

import re

from qcode.doctor.advice import fix
from qcode.doctor.answer import Answer
from qcode.doctor.check import Check, Status
from qcode.record import Record

_TAGS = re.compile(r"</?(?:think|thinking|mm:think)>|\[/?THINK\]")

SLOW_PREFILL_TPS, SLOW_GENERATION_TPS = 20.0, 3.0
"""Tokens a second, below which a session is no fun."""

_MEASURABLE_S = 0.3
"""A shorter wait is the network's, not the model's."""


class Speeds(Record):
    """Tokens a second; None where there was nothing to measure by."""

    prefill_tps: float | None
    generation_tps: float | None


def streaming(answer: Answer, kind: str) -> Check:
    """Judge by an answer of some fifty tokens."""
    spread_s = answer.last_s - answer.first_s
    figures = {
        "pieces": answer.pieces,
        "first_s": round(answer.first_s, 3),
        "whole_s": round(answer.last_s, 3),
    }
    if answer.pieces < 2:
        finding = "the answer came in one piece, at its end"
        return Check("streaming", "warn", finding, fix("streaming", kind), figures)
    if answer.last_s > 2.0 and spread_s < 0.02 * answer.last_s:
        finding = f"{answer.pieces} pieces, all at the end: something holds them back"
        return Check("streaming", "warn", finding, fix("streaming", kind), figures)
    finding = f"{answer.pieces} pieces, the first after {answer.first_s:.1f} s"
    return Check("streaming", "ok", finding, "", figures)


def reasoning(answers: list[Answer], kind: str) -> tuple[Check, str]:
    """Say where reasoning came in any of the answers; also as a profile has it."""
    if not answers:
        return Check("reasoning", "skip", "there was no answer to look for it in"), ""
    field = next((a.reasoning_field for a in answers if a.reasoning_field), "")
    if field or any(a.reasoning for a in answers):
        where = f"`{field}`" if field else "a field of its own"
        figures = {"field": field}
        return Check("reasoning", "ok", f"comes in {where}", "", figures), field or "field"
    tag = next((found.group() for a in answers if (found := _TAGS.search(a.text))), "")
    if tag:
        finding = f"stands in the text, marked by {tag}"
        check = Check("reasoning", "warn", finding, fix("reasoning", kind), {"tag": tag})
        return check, "text"
    return Check("reasoning", "ok", "none came", "", {"field": ""}), ""


def cache(cold: Answer, warm: Answer, kind: str) -> tuple[Check, bool | None]:
    """Judge by the same prompt sent twice; the first time it was new to the server."""
    tokens = warm.usage.input_tokens
    cached = int(warm.timings.get("cache_n", 0)) or warm.usage.cached_tokens
    figures = {
        "prompt_tokens": tokens,
        "cached_tokens": cached,
        "first_s_new": round(cold.first_s, 3),
        "first_s_again": round(warm.first_s, 3),
    }
    if cached:
        return Check("prompt cache", "ok", f"{cached} of {tokens} tokens reused", "", figures), True
    if "cache_n" in warm.timings:
        finding = f"the same {tokens} tokens were read again"
        return Check("prompt cache", "warn", finding, fix("cache", kind), figures), False
    silent = fix("cache_silent", kind)
    if cold.first_s < _MEASURABLE_S:
        finding = "the server does not say, and is too quick to tell by time"
        return Check("prompt cache", "skip", finding, silent, figures), None
    times = f"first token after {cold.first_s:.1f} s, the second time after {warm.first_s:.1f} s"
    if warm.first_s < 0.6 * cold.first_s:
        return Check("prompt cache", "ok", f"reused, by the time: {times}", "", figures), True
    finding = f"the server does not say, and nothing was gained: {times}"
    return Check("prompt cache", "warn", finding, fix("cache", kind) or silent, figures), None


def speeds(cold: Answer) -> Speeds:
    """Return the server's own figures, else those that the clock gives."""
    prefill: float | None = None
    generation: float | None = None
    if cold.timings.get("prompt_n", 0) >= 16:
        prefill = cold.timings.get("prompt_per_second")
    elif cold.first_s >= _MEASURABLE_S and cold.usage.input_tokens > cold.usage.cached_tokens:
        prefill = (cold.usage.input_tokens - cold.usage.cached_tokens) / cold.first_s
    spread_s = cold.last_s - cold.first_s
    if cold.timings.get("predicted_n", 0) >= 8:
        generation = cold.timings.get("predicted_per_second")
    elif spread_s > 0.05 and cold.usage.output_tokens > 8:
        generation = (cold.usage.output_tokens - 1) / spread_s
    return Speeds(_positive(prefill), _positive(generation))


def _positive(tps: float | None) -> float | None:
    return round(tps, 1) if tps and 0 < tps < 1e7 else None


def speed(measured: Speeds, own_prompt_tokens: int, kind: str) -> Check:
    """Say how fast it reads and writes, and what that means for a session's beginning."""
    prefill, generation = measured.prefill_tps, measured.generation_tps
    figures = {"prefill_tps": prefill, "generation_tps": generation}
    parts = []
    if prefill:
        wait_s = own_prompt_tokens / prefill
        parts.append(f"reads {prefill:,.0f} tokens/s")
        if wait_s >= 2:
            parts[-1] += f" (qcode's own prompt once: {wait_s:,.0f} s)"
    if generation:
        parts.append(f"writes {generation:,.1f} tokens/s")
    if not parts:
        finding = "too quick, or too little said, to be measured"
        return Check("speed", "skip", finding, "", figures)
    slow = bool(prefill and prefill < SLOW_PREFILL_TPS) or bool(
        generation and generation < SLOW_GENERATION_TPS
    )
    status: Status = "warn" if slow else "ok"
    return Check("speed", status, ", ".join(parts), fix("slow", kind) if slow else "", figures)
