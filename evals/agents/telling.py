"""What a run of qcode tells of itself: its stream, its journal, and what they come to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from qcode.evals.harness.trial import Conduct, Effort
from qcode.record import Record
from qcode.tools import default_tools
from qcode.tools.base import Effect

_CIRCLES = ("the model made the same call", "calls in a row that")
"""How an error begins that ends a turn because the model goes in circles (`qcode.repeats`)."""


class Told(Record):
    """What was read."""

    result: Mapping[str, Any]
    """The last message of the stream; empty: there was none."""
    calls: tuple[tuple[str, bool], ...]
    """Each answered call: its tool, and whether the answer was an error."""
    unread: int
    """Calls whose arguments were no JSON object."""


def editing_tools() -> frozenset[str]:
    """Return the names of the tools that change files they name."""
    return frozenset(tool.name for tool in default_tools() if tool.effect is Effect.EDIT)


def read_stream(path: Path) -> Told:
    """Return what a `stream-json` output says; what is no JSON (a run killed) is left out."""
    names: dict[str, str] = {}
    calls: list[tuple[str, bool]] = []
    unread = 0
    result: Mapping[str, Any] = {}
    for message in _lines(path):
        match message:
            case {"type": "result"}:
                result = message
            case {"type": "assistant" | "user", "message": {"content": list(blocks)}}:
                for block in blocks:
                    match block:
                        case {"type": "tool_use", "id": str(call_id), "name": str(name)}:
                            names[call_id] = name
                            unread += "_malformed" in block.get("input", {})
                        case {"type": "tool_result", "tool_use_id": str(call_id)}:
                            calls.append((names.get(call_id, "?"), bool(block.get("is_error"))))
    return Told(result, tuple(calls), unread)


def _lines(path: Path) -> Iterable[Mapping[str, Any]]:
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue
                if isinstance(message, dict):
                    yield message
    except OSError:
        return


def effort_of(told: Told, journal: Path | None, wall_s: float) -> Effort:
    """Return what was used: as the result says it, and of a run that was killed, its journal."""
    usage = _usage(journal)
    result = told.result
    if result:
        said: Mapping[str, Any] = result.get("usage") or {}
        read, cached = said.get("input_tokens", 0), said.get("cache_read_input_tokens", 0)
        return Effort(
            steps=result.get("num_turns"),
            read_tokens=max(0, read - cached),
            cached_tokens=cached,
            written_tokens=said.get("output_tokens"),
            cost_usd=result.get("total_cost_usd"),
            wall_s=wall_s,
            model_s=result["duration_api_ms"] / 1000 if "duration_api_ms" in result else None,
        )
    if not usage:
        return Effort(wall_s=wall_s)
    return Effort(
        steps=sum(not each.get("purpose") for each in usage),
        read_tokens=sum(each.get("input", 0) - each.get("cached", 0) for each in usage),
        cached_tokens=sum(each.get("cached", 0) for each in usage),
        written_tokens=sum(each.get("output", 0) for each in usage),
        cost_usd=_sum(each.get("cost_usd") for each in usage),
        wall_s=wall_s,
        model_s=_sum(each.get("seconds") for each in usage),
    )


def _usage(journal: Path | None) -> list[Mapping[str, Any]]:
    if journal is None:
        return []
    return [each for each in _lines(journal) if each.get("type") == "usage"]


def _sum(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return sum(known) if known else None


def conduct_of(told: Told, journal: Path | None) -> Conduct:
    """Return how it went on the way."""
    edits = editing_tools()
    made = [failed for name, failed in told.calls if name in edits]
    receipt: Mapping[str, Any] = told.result.get("receipt") or {}
    repaired = {each.get("call_id") for each in _lines(journal)
                if each.get("type") == "repair"} if journal else set()  # fmt: skip
    return Conduct(
        calls=len(told.calls),
        failed_calls=sum(failed for _, failed in told.calls),
        unread_calls=told.unread,
        repaired_calls=told.result.get("calls_repaired", len(repaired)),
        edits=len(made),
        failed_edits=sum(made),
        loops=int(str(told.result.get("error", "")).startswith(_CIRCLES)),
        blocked=len(receipt["blocked"]) if "blocked" in receipt else None,
        denied=len(told.result.get("permission_denials") or ()) if told.result else None,
    )
