"""`todo_write`: the model's own list of what is to do."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools.base import Context, Effect, Result, Tool
from qcode.tools.clip import clip
from qcode.tools.schema import HIDDEN


class Todo(Record):
    content: str
    status: Literal["pending", "in_progress", "completed"]
    id: Annotated[str | None, HIDDEN] = None


class Params(Record):
    todos: list[Todo]


class TodoWrite(Tool[Params]):
    name = "todo_write"
    effect = Effect.STATE
    params = Params

    def summary(self, params: Params) -> str:
        done = sum(todo.status == "completed" for todo in params.todos)
        return f"{done} of {len(params.todos)} done"

    async def run(self, params: Params, context: Context) -> Result:
        if any(not todo.content.strip() for todo in params.todos):
            raise ToolError("A todo has no content. Send the whole list again.")
        context.todos[:] = [
            {"id": todo.id or str(number), "content": todo.content, "status": todo.status}
            for number, todo in enumerate(params.todos, 1)
        ]
        count = Counter(todo.status for todo in params.todos)
        summary = f"{count['completed']} of {len(params.todos)} done"
        now = next((todo.content for todo in params.todos if todo.status == "in_progress"), "")
        return Result(f"Saved: {summary}{f'; now: {clip(now)}' if now else ''}.", summary)
