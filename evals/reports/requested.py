"""The steps of any agent, as the requests that it made of the model tell them.

Between an agent and the model stands a proxy that keeps the body of each request
(`requests.jsonl`) and what it took (`counted.jsonl`). A request holds the answer to the one
before it, so that all is known but the last answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from qcode.evals.reports.steps import Step
from qcode.messages import (
    Asked,
    AssistantMessage,
    Message,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)

REQUESTS, COUNTED = "requests.jsonl", "counted.jsonl"
MOST_BYTES = 256 << 20
"""Of the requests, each of which holds all that was said before it."""


def requested(folder: Path) -> list[Step]:
    """Return the steps; none, where no requests are kept. Instructions are left out."""
    counted = {line.get("number"): line for line in _lines(folder / COUNTED)}
    histories: list[list[Message]] = []
    asked: list[Asked | None] = []
    for at, line in enumerate(_lines(folder / REQUESTS), 1):
        body = line.get("body", line)
        messages = list(_messages(body)) if isinstance(body, dict) else []
        if not messages:
            continue
        took = _asked(counted.get(line.get("number", at)))
        if histories and messages == histories[-1]:
            asked[-1] = took  # sent once more, since it failed
            continue
        histories.append(messages)
        asked.append(took)
    return _steps(histories, asked)


def _steps(histories: Sequence[Sequence[Message]], asked: Sequence[Asked | None]) -> list[Step]:
    found: list[Step] = []
    before: Sequence[Message] = ()
    for at, history in enumerate(histories):
        sent = [each for each in _new(before, history) if not isinstance(each, AssistantMessage)]
        answer, results = AssistantMessage(), list[ToolMessage]()
        if at + 1 < len(histories):
            for message in _new(history, histories[at + 1]):
                if isinstance(message, AssistantMessage):
                    answer = _both(answer, message)
                elif isinstance(message, ToolMessage):
                    results.append(message)
        # Results of calls were told with the step that called.
        told = tuple(each for each in sent if isinstance(each, UserMessage))
        found.append(Step(at + 1, told, answer, tuple(results), asked[at], ""))
        before = history
    return found


def _new(before: Sequence[Message], now: Sequence[Message]) -> Sequence[Message]:
    same = takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False))
    return now[sum(1 for _ in same) :]


def _both(one: AssistantMessage, other: AssistantMessage) -> AssistantMessage:
    """Return two parts of one answer, which some APIs give apart, as one."""
    return AssistantMessage(
        "\n".join(filter(None, (one.text, other.text))),
        "\n".join(filter(None, (one.reasoning, other.reasoning))),
        (*one.tool_calls, *other.tool_calls),
    )


def _messages(body: Mapping[str, Any]) -> Iterator[Message]:
    """Yield what a request says, of Chat Completions or of the Responses API."""
    said = body.get("messages", body.get("input"))
    if isinstance(said, str):
        yield UserMessage(said)
    for item in said if isinstance(said, list) else ():
        if isinstance(item, dict):
            yield from _message(item)


def _message(item: Mapping[str, Any]) -> Iterator[Message]:
    kind, role = item.get("type"), item.get("role")
    if kind == "function_call":
        call = _call(item.get("call_id"), item)
        yield AssistantMessage(tool_calls=(call,))
    elif kind == "function_call_output":
        yield ToolMessage(str(item.get("call_id")), "", _text(item.get("output")))
    elif role == "assistant":
        calls = item.get("tool_calls")
        yield AssistantMessage(
            _text(item.get("content")),
            _text(item.get("reasoning_content")),
            tuple(
                _call(call.get("id"), call["function"])
                for call in (calls if isinstance(calls, list) else ())
                if isinstance(call, dict) and isinstance(call.get("function"), dict)
            ),
        )
    elif role == "tool":
        name = str(item.get("name") or "")
        yield ToolMessage(str(item.get("tool_call_id")), name, _text(item.get("content")))
    elif role == "user":
        yield UserMessage(_text(item.get("content")))


def _call(identity: object, function: Mapping[str, Any]) -> ToolCall:
    return ToolCall(str(identity), str(function.get("name")), str(function.get("arguments")))


def _text(content: object) -> str:
    """Return the words of a content, which may come in parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _asked(line: Mapping[str, Any] | None) -> Asked | None:
    if line is None:
        return None

    def number(name: str) -> int:
        value = line.get(name)
        return value if isinstance(value, int) else 0

    cost, took = line.get("cost_usd"), line.get("seconds")
    read, cached = number("read_tokens"), number("cached_tokens")
    return Asked(
        Usage(
            read + cached,
            number("written_tokens"),
            cached,
            float(cost) if isinstance(cost, int | float) else None,
        ),
        duration_s=float(took) if isinstance(took, int | float) else None,
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of lines; nothing, where there is none or it is too large."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return
        with path.open("rb") as file:
            for line in file:
                try:
                    found = json.loads(line.decode("utf-8", "replace"))
                except (ValueError, RecursionError):
                    continue
                if isinstance(found, dict):
                    yield found
    except OSError:
        return
