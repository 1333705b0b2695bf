"""qcode's `stream-json` output as a trajectory in Harbor's format, ATIF 1.7.

Format: "Agent Trajectory Interchange Format" in Harbor's documentation, and the models in its
package (`harbor.models.trajectories`), which the tests hold this against.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from qcode.record import Record

Json: TypeAlias = dict[str, Any]

SCHEMA = "ATIF-v1.7"

_TOKENS = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cached_tokens": "cache_read_input_tokens",
}
"""A name of ATIF's and the one in the stream; both count what was cached within the prompt."""


class Spent(Record):
    """What a run used; None: nobody told."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None


def events_in(text: str) -> Iterator[Json]:
    """Yield the events of an output; a line that was cut off at a time limit is left out."""
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def spent(events: Iterable[Json]) -> Spent:
    """Return what a run used: as its result says, or added up where it came to none."""
    total: dict[str, int] = {}
    for event in events:
        usage = event.get("usage")
        if event.get("type") == "result" and isinstance(usage, dict):
            counts = {name: _count(usage.get(theirs)) for name, theirs in _TOKENS.items()}
            cost = event.get("total_cost_usd")
            return Spent(**counts, cost_usd=cost if isinstance(cost, int | float) else None)
        for name, count in _metrics(event).items():
            total[name] = total.get(name, 0) + count
    return Spent(**total)


def trajectory(events: Iterable[Json], *, instruction: str, version: str, model: str) -> Json:
    """Return the whole run as one object of ATIF.

    `instruction` is its first step, as the stream does not repeat what qcode was asked. Calls of
    agents that work for the session's own are left out: they have journals of their own.
    """
    events = list(events)
    session = ""
    steps: list[Json] = [{"source": "user", "message": instruction}]
    for event in events:
        session = str(event.get("session_id") or session)
        if event.get("parent_tool_use_id"):
            continue
        match event.get("type"):
            case "system":
                model = str(event.get("model") or model)
            case "assistant":
                steps.append(_of_model(event, model))
            case "user":
                _add_results(event, steps)
    used = spent(events)
    final = {
        "total_prompt_tokens": used.prompt_tokens,
        "total_completion_tokens": used.completion_tokens,
        "total_cached_tokens": used.cached_tokens,
        "total_cost_usd": used.cost_usd,
        "total_steps": len(steps),
    }
    agent = {"name": "qcode", "version": version or "unknown", "model_name": model}
    return {
        "schema_version": SCHEMA,
        "session_id": session or "unknown",
        "agent": _present(agent),
        "steps": [{"step_id": number, **step} for number, step in enumerate(steps, 1)],
        "final_metrics": _present(final),
    }


def _of_model(event: Json, model: str) -> Json:
    calls: list[Json] = [
        {
            "tool_call_id": str(block.get("id") or ""),
            "function_name": str(block.get("name") or ""),
            "arguments": block.get("input") if isinstance(block.get("input"), dict) else {},
        }
        for block in _blocks(event, "tool_use")
    ]
    thought = "".join(str(block.get("thinking") or "") for block in _blocks(event, "thinking"))
    return {
        "source": "agent",
        "message": _text(event),
        "llm_call_count": 1,
        **_present(
            {
                "model_name": model,
                "reasoning_content": thought,
                "tool_calls": calls,
                "metrics": _metrics(event),
            }
        ),
    }


def _add_results(event: Json, steps: list[Json]) -> None:
    """Put the results to the step whose calls they answer; words are a step of their own."""
    for block in _blocks(event, "tool_result"):
        answered = block.get("tool_use_id")
        for step in reversed(steps):
            if any(call["tool_call_id"] == answered for call in step.get("tool_calls", ())):
                results = step.setdefault("observation", {"results": []})["results"]
                content = _words(block.get("content"))
                results.append({"source_call_id": answered, "content": content})
                break
    if text := _text(event):
        steps.append({"source": "user", "message": text})


def _metrics(event: Json) -> dict[str, int]:
    if event.get("type") != "assistant" or event.get("parent_tool_use_id"):
        return {}
    usage = _message(event).get("usage")
    if not isinstance(usage, dict):
        return {}
    counts = {name: _count(usage.get(theirs)) for name, theirs in _TOKENS.items()}
    return {name: count for name, count in counts.items() if count is not None}


def _message(event: Json) -> Json:
    message = event.get("message")
    return message if isinstance(message, dict) else {}


def _blocks(event: Json, kind: str) -> list[Json]:
    content = _message(event).get("content")
    if not isinstance(content, list):
        return []
    return [one for one in content if isinstance(one, dict) and one.get("type") == kind]


def _text(event: Json) -> str:
    content = _message(event).get("content")
    if isinstance(content, str):
        return content
    return "".join(str(block.get("text") or "") for block in _blocks(event, "text"))


def _words(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(one.get("text") or "") for one in content if isinstance(one, dict))
    return str(content or "")


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _present(values: Json) -> Json:
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}
