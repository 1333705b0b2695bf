"""`/todo`: the model's plan as it was last written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qcode.messages import AssistantMessage, Message, ToolMessage

if TYPE_CHECKING:
    from qcode.session import Session

MARKS = {"completed": "✓", "in_progress": "▸", "pending": "·"}
"""What stands before an item; the words say it, too."""


def todo(session: Session, _text: str) -> str:
    """Return the plan, or that there is none."""
    items = session.agent.context.todos or last_plan(session.history.everything())
    if not items:
        return "there is no plan; a model writes one with the tool todo_write"
    rows = [
        f"  {MARKS.get(item['status'], '·')} {' '.join(item['content'].split())}"
        + ("" if item["status"] == "pending" else f"  ({item['status'].replace('_', ' ')})")
        for item in items
    ]
    done = sum(item["status"] == "completed" for item in items)
    return "\n".join([f"{done} of {len(items)} done", *rows])


def last_plan(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Return the plan that was last written and kept; a reopened session knows it only so."""
    refused = {m.call_id for m in messages if isinstance(m, ToolMessage) and m.is_error}
    for message in reversed(messages):
        calls = message.tool_calls if isinstance(message, AssistantMessage) else ()
        for call in reversed(calls):
            if call.name != "todo_write" or call.id in refused:
                continue
            try:
                written = json.loads(call.arguments)["todos"]
                return [
                    {"content": str(item["content"]), "status": str(item["status"])}
                    for item in written
                ]
            except (ValueError, KeyError, TypeError):
                continue
    return []
