"""Events to the JSON messages that Claude Code's and Qwen Code's drivers read.

The names (`num_turns` for steps, `tool_use`, `subtype`) are theirs; nothing
else of qcode uses them. Shapes are those of the command-line contract.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from qcode.events import TurnEnd
from qcode.messages import AssistantMessage, JsonObject, ToolMessage, Usage
from qcode.ui.printable import safe_json


def dump(message: JsonObject) -> str:
    """Return one line of JSON."""
    # A model can write what no encoding takes or a terminal obeys; JSON can escape it.
    return safe_json(json.dumps(message, ensure_ascii=False, separators=(",", ":")))


def init(session_id: str, model: str, cwd: str, tools: Sequence[str], mode: str) -> JsonObject:
    """Return the first message of a stream."""
    return {
        "type": "system",
        "subtype": "init",
        "session_id": session_id,
        "model": model,
        "cwd": cwd,
        "tools": list(tools),
        "permission_mode": mode,
    }


def usage_json(usage: Usage) -> JsonObject:
    """Return a usage block."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
    }


def assistant(session_id: str, model: str, message: AssistantMessage, usage: Usage) -> JsonObject:
    """Return an answer as content blocks."""
    content: list[JsonObject] = []
    if message.reasoning:
        content.append({"type": "thinking", "thinking": message.reasoning})
    if message.text:
        content.append({"type": "text", "text": message.text})
    for call in message.tool_calls:
        arguments = _arguments(call.arguments)
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    return {
        "type": "assistant",
        "session_id": session_id,
        "message": {
            "role": "assistant",
            "model": model,
            "content": content,
            "usage": usage_json(usage),
        },
    }


def _arguments(text: str) -> JsonObject:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"_malformed": text}


def tool_result(session_id: str, result: ToolMessage) -> JsonObject:
    """Return a tool's answer as a content block."""
    block = {
        "type": "tool_result",
        "tool_use_id": result.call_id,
        "content": result.text,
        "is_error": result.is_error,
    }
    return {
        "type": "user",
        "session_id": session_id,
        "message": {"role": "user", "content": [block]},
    }


def user(session_id: str, text: str) -> JsonObject:
    """Return what qcode itself said to the model in mid-run (a failing verification)."""
    return {
        "type": "user",
        "session_id": session_id,
        "message": {"role": "user", "content": [{"type": "text", "text": text}]},
    }


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that the closing `result` message says."""

    end: TurnEnd
    exit_code: int
    answer: str
    error: str
    steps: int
    duration_s: float
    usage: Usage
    files_changed: Sequence[str]
    verification: Sequence[JsonObject]
    calls_repaired: int = 0
    """Tool calls of the session that were read otherwise than they were written."""
    receipt: JsonObject = field(default_factory=dict)
    """What was touched (`qcode.receipt`)."""


def subtype(end: TurnEnd, exit_code: int) -> str:
    """Return the result's subtype; `error_verification` when the work did not hold."""
    if exit_code == 0:
        return "success"
    if end is TurnEnd.BUDGET:
        return "error_budget"
    if end is TurnEnd.ANSWERED and exit_code == 1:
        return "error_verification"
    return "error_during_execution"


def result(session_id: str, outcome: Outcome, *, out_of_steps: bool) -> JsonObject:
    """Return the closing message."""
    kind = subtype(outcome.end, outcome.exit_code)
    message: JsonObject = {
        "type": "result",
        "subtype": "error_max_turns" if out_of_steps else kind,
        "is_error": outcome.exit_code != 0,
        "exit_code": outcome.exit_code,
        "session_id": session_id,
        "result": outcome.answer,
        "num_turns": outcome.steps,
        "duration_ms": round(outcome.duration_s * 1000),
        "usage": usage_json(outcome.usage),
        "total_cost_usd": outcome.usage.cost_usd,
        "files_changed": list(outcome.files_changed),
        "verification": list(outcome.verification),
        "calls_repaired": outcome.calls_repaired,
        "receipt": outcome.receipt,
    }
    if outcome.error:
        message["error"] = outcome.error
    return message
