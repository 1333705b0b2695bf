"""Results of evaluations as the harness leaves them: a results file, folders of artefacts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qcode.evals.harness.trial import Conduct, Effort, Header, Reason, Trial
from qcode.evals.reports.results import FILE, Results, last_of_each, to_json
from qcode.journal.writing import Journal, usage_to_json
from qcode.messages import (
    Asked,
    AssistantMessage,
    Message,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from qcode.messages import to_json as said

QCODE, AIDER = "qcode@0.1.0", "aider@0.86.1"
SMALL, LARGE = "qwen2.5-coder-1.5b", "qwen3-coder-30b"


def header(**fields: Any) -> Header:
    usual: dict[str, Any] = {
        "id": "20260102-030405",
        "suites": ("small",),
        "agents": (QCODE,),
        "models": (SMALL,),
        "trials": 1,
        "seed": 7,
        "versions": {"qcode": "0.1.0", "python": "3.11.7"},
        "tasks_digest": "5" * 64,
        "machine": "2 cores, Linux",
        "started": "2026-01-02T03:04:05Z",
    }
    return Header(**{**usual, **fields})


def effort(**fields: Any) -> Effort:
    usual: dict[str, Any] = {
        "steps": 4,
        "read_tokens": 2_000,
        "cached_tokens": 6_000,
        "written_tokens": 300,
        "cost_usd": 0.01,
        "wall_s": 20.0,
        "model_s": 18.0,
    }
    return Effort(**{**usual, **fields})


def conduct(**fields: Any) -> Conduct:
    usual: dict[str, Any] = {
        "calls": 6,
        "failed_calls": 1,
        "unread_calls": 0,
        "repaired_calls": 0,
        "edits": 2,
        "failed_edits": 0,
        "loops": 0,
        "blocked": 0,
        "denied": 0,
    }
    return Conduct(**{**usual, **fields})


def trial(
    task: str = "small-a",
    reason: Reason = "pass",
    *,
    agent: str = QCODE,
    model: str = SMALL,
    number: int = 0,
    **fields: Any,
) -> Trial:
    usual: dict[str, Any] = {
        "suite": "small",
        "seed": 7 + number,
        "passed": reason == "pass",
        "exit_code": 0,
        "ended": "success",
        "effort": effort(),
        "conduct": conduct(),
        "changed": ("shop/cart.py",),
        "started": "2026-01-02T03:04:06Z",
    }
    known = {"task": task, "agent": agent, "model": model, "number": number, "reason": reason}
    return Trial(**{**usual, **known, **fields})


def results(trials: Iterable[Trial], **fields: Any) -> Results:
    return Results(header(**fields), last_of_each(trials))


def write_results(folder: Path, trials: Iterable[Trial], **fields: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [to_json(each) for each in (header(**fields), *trials)]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (folder / FILE).write_text(text, encoding="utf-8")
    return folder


def edit_call(number: int, **arguments: Any) -> ToolCall:
    return ToolCall(f"call_{number}", "edit", json.dumps(arguments))


def write_journal(
    folder: Path,
    messages: Sequence[Message],
    *,
    asked: Mapping[int, Asked] | None = None,
    name: str = "20260102-030406-000aaaa",
) -> Path:
    """Write a journal as a session does; `asked` is of the answers, by their place."""
    journal = Journal.create(folder, {"id": name, "cwd": "/repo", "model": SMALL, "created": ""})
    for place, message in enumerate(messages):
        journal.write({"type": "message", "at": f"2026-01-02T03:04:{place:02}Z", **said(message)})
        if asked and place in asked:
            journal.write(usage_to_json(asked[place]))
    journal.close()
    return journal.path


FIXING: tuple[Message, ...] = (
    UserMessage("Fix the sum in shop/cart.py."),
    AssistantMessage(
        "I look at the file first.",
        "The sum starts at one, perhaps.",
        (ToolCall("call_1", "read_file", '{"file_path": "shop/cart.py"}'),),
    ),
    ToolMessage("call_1", "read_file", "def total(prices):\n    return sum(prices) + 1\n"),
    AssistantMessage(
        "", "", (edit_call(2, file_path="shop/cart.py", old_string="+1", new_string=""),)
    ),
    ToolMessage("call_2", "edit", "`old_string` does not occur in shop/cart.py", is_error=True),
    AssistantMessage(
        "", "", (edit_call(3, file_path="shop/cart.py", old_string=" + 1", new_string=""),)
    ),
    ToolMessage("call_3", "edit", "Changed shop/cart.py."),
    AssistantMessage("The sum is right now."),
)
FIXING_ASKED = {
    1: Asked(Usage(1_200, 40, 0, 0.001), duration_s=2.5, at="2026-01-02T03:04:01Z"),
    3: Asked(Usage(1_400, 60, 1_200, 0.001), duration_s=1.5, at="2026-01-02T03:04:03Z"),
    5: Asked(Usage(1_500, 60, 1_400, 0.001), duration_s=1.25, at="2026-01-02T03:04:05Z"),
    7: Asked(Usage(1_600, 20, 1_500, 0.001), duration_s=0.5, at="2026-01-02T03:04:07Z"),
}
