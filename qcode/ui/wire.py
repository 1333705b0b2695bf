"""Events to the JSON messages that Claude Code's and Qwen Code's drivers read.

The names (`num_turns` for steps, `tool_use`, `subtype`) are theirs; nothing
else of qcode uses them. Shapes are those of the command-line contract and of
`schema/stream.schema.json`, with what the drivers' own libraries demand
(`tests/ui/drivers.json`): claude-agent-sdk raises without `duration_api_ms` or a
thinking block's `signature`, @qwen-code/sdk knows no message without its `uuid`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from qcode.events import TurnEnd
from qcode.headless.ended import Answered, Ended, Violation
from qcode.messages import AssistantMessage, JsonObject, ToolCall, ToolMessage, Usage
from qcode.ui.printable import safe_json

_THEIR_MODES = {"auto-edit": "acceptEdits", "yolo": "bypassPermissions"}
"""Claude Code's words for modes, where they are others than qcode's and Qwen Code's."""


def dump(message: JsonObject) -> str:
    """Return one line of JSON."""
    # A model can write what no encoding takes or a terminal obeys; JSON can escape it.
    return safe_json(json.dumps(message, ensure_ascii=False, separators=(",", ":")))


def init(
    session_id: str,
    model: str,
    cwd: str,
    tools: Sequence[str],
    mode: str,
    servers: Sequence[tuple[str, str]] = (),
) -> JsonObject:
    """Return the first message of a stream; `servers` are those of tools, with their states."""
    from qcode import __version__

    return {
        "type": "system",
        "subtype": "init",
        "uuid": _uuid(),
        "session_id": session_id,
        "model": model,
        "cwd": cwd,
        "tools": list(tools),
        "permission_mode": mode,
        "permissionMode": _THEIR_MODES.get(mode, mode),
        "qcode_version": __version__,
        # What their init has besides; there is nothing of the kind here.
        "apiKeySource": "none",
        "mcp_servers": [{"name": name, "status": status} for name, status in servers],
        "slash_commands": [],
        "agents": [],
        "skills": [],
        "output_style": "default",
    }


def usage_json(usage: Usage) -> JsonObject:
    """Return a usage block."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
    }


def model_usage(answered: Sequence[Answered]) -> JsonObject:
    """Return who answered how much, by model, as their results name it."""
    return {
        each.model: {
            "inputTokens": each.usage.input_tokens,
            "outputTokens": each.usage.output_tokens,
            "cacheReadInputTokens": each.usage.cached_tokens,
            "cacheCreationInputTokens": each.usage.cache_write_tokens,
            "costUSD": each.usage.cost_usd,
            "requests": each.requests,
        }
        for each in answered
    }


def assistant(session_id: str, model: str, message: AssistantMessage, usage: Usage) -> JsonObject:
    """Return an answer as content blocks."""
    content: list[JsonObject] = []
    if message.reasoning:
        content.append({"type": "thinking", "thinking": message.reasoning, "signature": ""})
    if message.text:
        content.append({"type": "text", "text": message.text})
    for call in message.tool_calls:
        arguments = _arguments(call.arguments)
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    return {
        "type": "assistant",
        "uuid": _uuid(),
        "session_id": session_id,
        "parent_tool_use_id": None,
        "message": {
            "id": f"msg_{os.urandom(12).hex()}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": "tool_use" if message.tool_calls else "end_turn",
            "stop_sequence": None,
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
    return _user(
        session_id,
        {
            "type": "tool_result",
            "tool_use_id": result.call_id,
            "content": result.text,
            "is_error": result.is_error,
        },
    )


def user(session_id: str, text: str) -> JsonObject:
    """Return what qcode itself said to the model in mid-run (a failing verification)."""
    return _user(session_id, {"type": "text", "text": text})


def _user(session_id: str, block: JsonObject) -> JsonObject:
    return {
        "type": "user",
        "uuid": _uuid(),
        "session_id": session_id,
        "parent_tool_use_id": None,
        "message": {"role": "user", "content": [block]},
    }


def subtype(ended: Ended) -> str:
    """Return the result's subtype; `error_verification` when the work did not hold."""
    if ended.exit_code == 0:
        return "success"
    if ended.end is TurnEnd.BUDGET:
        return "error_max_turns" if ended.out_of_steps else "error_budget"
    does_not_hold = ended.violations or any(not outcome.passed for outcome in ended.verification)
    if does_not_hold and ended.end in (TurnEnd.ANSWERED, TurnEnd.GAVE_UP):
        return "error_verification"
    return "error_during_execution"


def result(ended: Ended) -> JsonObject:
    """Return the closing message."""
    message: JsonObject = {
        "type": "result",
        "subtype": subtype(ended),
        "is_error": ended.exit_code != 0,
        "exit_code": ended.exit_code,
        "uuid": _uuid(),
        "session_id": ended.session_id,
        "result": ended.answer,
        "num_turns": ended.steps,
        "duration_ms": round(ended.duration_s * 1000),
        "duration_api_ms": round(ended.asking_s * 1000),
        "usage": usage_json(ended.usage),
        "total_cost_usd": ended.usage.cost_usd,
        "modelUsage": model_usage(ended.answered),
        "permission_denials": [_denial(call) for call in ended.denied],
        "files_changed": list(ended.files_changed),
        "verification": [outcome.to_json() for outcome in ended.verification],
        "violations": [violation_json(violation) for violation in ended.violations],
        "calls_repaired": ended.calls_repaired,
        "receipt": ended.receipt,
    }
    if ended.baseline:
        message["baseline"] = [outcome.to_json() for outcome in ended.baseline]
    if ended.commit:
        message["commit"] = ended.commit
    if ended.structured is not None:
        message["structured_output"] = ended.structured
    if ended.attempts:
        message["attempts"] = list(ended.attempts)
        message["attempt"] = ended.attempt
    if ended.error:
        message["error"] = ended.error
        message["errors"] = [ended.error]
    return message


def violation_json(violation: Violation) -> JsonObject:
    """Return what was done to a protected file."""
    return {
        "path": violation.path,
        "kind": violation.kind,
        "why": violation.why,
        "line": violation.line,
        "rolled_back": violation.rolled_back,
    }


def _denial(call: ToolCall) -> JsonObject:
    return {
        "tool_name": call.name,
        "tool_use_id": call.id,
        "tool_input": _arguments(call.arguments),
    }


def control_answer(request_id: str, response: JsonObject) -> JsonObject:
    """Return the answer to a control request that was followed."""
    return {
        "type": "control_response",
        "response": {"subtype": "success", "request_id": request_id, "response": response},
    }


def control_refusal(request_id: str, why: str) -> JsonObject:
    """Return the answer to a control request that could not be followed."""
    return {
        "type": "control_response",
        "response": {"subtype": "error", "request_id": request_id, "error": why},
    }


def input_error(session_id: str, line: int, why: str) -> JsonObject:
    """Return what is said of a line on stdin that was no message, and was skipped."""
    return {
        "type": "system",
        "subtype": "input_error",
        "uuid": _uuid(),
        "session_id": session_id,
        "line": line,
        "error": why,
    }


def _uuid() -> str:
    from uuid import uuid4

    return str(uuid4())
