"""Events as the updates that editors show: text, thoughts, plans, tool calls with their diffs."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from acp import (
    start_tool_call,
    text_block,
    tool_content,
    tool_diff_content,
    update_agent_message_text,
    update_agent_thought_text,
    update_plan,
    update_tool_call,
    update_user_message_text,
)
from acp.schema import PlanEntry, ToolCallLocation, ToolKind

from qcode import events
from qcode.editing.effects import FileEffect
from qcode.errors import ToolError
from qcode.events import Event
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from qcode.tools.base import Effect, Tool
from qcode.tools.schema import parse

SHOWN = 64_000
"""Characters of what a tool prints that an editor is sent, at most; then its end."""
_STEP = 2_000
"""Characters that come before an editor is sent the output so far once more."""

_KINDS: Mapping[str, ToolKind] = {
    "read_file": "read",
    "list_directory": "search",
    "glob": "search",
    "grep_search": "search",
    "find_symbol": "search",
    "find_references": "search",
    "outline": "read",
    "recall": "search",
    "run_shell_command": "execute",
    "todo_write": "think",
}


def kind_of(tool: Tool[Any] | None, name: str) -> ToolKind:
    """Return what an editor takes a tool for."""
    if name in _KINDS:
        return _KINDS[name]
    if tool is not None and tool.effect is Effect.EDIT:
        return "edit"
    return "other"


def arguments_of(call: ToolCall) -> Any:
    """Return a call's arguments as data; as text where they are none."""
    try:
        return json.loads(call.arguments)
    except ValueError:
        return call.arguments


class Updates:
    """Turns the events of a session into updates, in order."""

    def __init__(self, tools: Callable[[], Mapping[str, Tool[Any]]], root: Path) -> None:
        self._tools = tools
        self._root = root
        self._output: dict[str, str] = {}
        self._sent: dict[str, int] = {}
        self._landed: deque[Sequence[FileEffect]] = deque()

    def landed(self, effects: Sequence[FileEffect]) -> None:
        """Note what an edit has made of files; edits come one by one, as their results do."""
        self._landed.append(effects)

    def of(self, event: Event) -> Iterator[Any]:
        """Yield the updates that tell of an event."""
        match event:
            case events.TextDelta(text):
                yield update_agent_message_text(text)
            case events.ReasoningDelta(text):
                yield update_agent_thought_text(text)
            case events.ToolStarted(call, summary):
                yield self.started(call, summary)
            case events.CallChanged(call, summary):
                yield update_tool_call(
                    call.id, title=self._title(call, summary), raw_input=arguments_of(call)
                )
            case events.ToolOutput(call_id, text):
                yield from self._printed(call_id, text)
            case events.ToolFinished(result, summary, diff):
                yield self._finished(result, summary, diff)
            case events.Retrying(attempt, of, _, reason):
                yield update_agent_thought_text(f"\n[again, {attempt} of {of}: {reason}]\n")
            case events.SteppedUp(model, why):
                yield update_agent_thought_text(f"\n[stuck ({why}): {model} takes this step]\n")
            case events.LeftAlone(model, why):
                yield update_agent_thought_text(f"\n[{model} is not asked: {why}]\n")
            case events.Compacted(before, after):
                yield update_agent_thought_text(
                    f"\n[history compacted: {before:,} to {after:,} tokens]\n"
                )
            case events.ErrorRaised(message):
                yield update_agent_message_text(f"\n\n✗ {message}\n")
            case _:
                return

    def started(self, call: ToolCall, summary: str) -> Any:
        """Return the beginning of a call."""
        tool = self._tools().get(call.name)
        return start_tool_call(
            call.id,
            self._title(call, summary),
            kind=kind_of(tool, call.name),
            status="in_progress",
            locations=self._places(call) or None,
            raw_input=arguments_of(call),
        )

    def _summary(self, call: ToolCall) -> str:
        tool = self._tools().get(call.name)
        try:
            return tool.summary(parse(tool, call.arguments)) if tool is not None else ""
        except ToolError:
            return ""

    def _title(self, call: ToolCall, summary: str) -> str:
        return summary if call.name == "run_shell_command" else f"{call.name} {summary}".strip()

    def _places(self, call: ToolCall) -> list[ToolCallLocation]:
        given = arguments_of(call)
        if not isinstance(given, dict):
            return []
        path = next((given[k] for k in ("file_path", "path", "notebook_path") if k in given), None)
        if not isinstance(path, str):
            return []
        line = given.get("offset")
        at = line + 1 if isinstance(line, int) and line >= 0 else None
        return [ToolCallLocation(path=str(self._root / path), line=at)]

    def _printed(self, call_id: str, text: str) -> Iterator[Any]:
        whole = (self._output.get(call_id, "") + text)[-SHOWN:]
        self._output[call_id] = whole
        # Content replaces content in the protocol: all of it is sent each time, so not each time.
        unsent = self._sent.get(call_id, 0) + len(text)
        if unsent < _STEP and not text.endswith("\n"):
            self._sent[call_id] = unsent
            return
        if unsent < min(_STEP, len(whole) // 4):
            self._sent[call_id] = unsent
            return
        self._sent[call_id] = 0
        yield update_tool_call(call_id, content=[tool_content(text_block(_fenced(whole)))])

    def _finished(self, result: ToolMessage, summary: str, diff: str) -> Any:
        call_id = result.call_id
        self._output.pop(call_id, None)
        self._sent.pop(call_id, None)
        content: list[Any] = []
        if diff and self._landed:
            content = [self.diff(effect) for effect in self._landed.popleft()]
        elif diff:
            content = [tool_content(text_block(_fenced(diff[:SHOWN], "diff")))]
        elif result.text:
            content = [tool_content(text_block(_fenced(result.text[-SHOWN:])))]
        return update_tool_call(
            call_id,
            status="failed" if result.is_error else "completed",
            content=content or None,
            raw_output={"text": result.text[-SHOWN:], "summary": summary},
        )

    def diff(self, effect: FileEffect) -> Any:
        """Return what becomes of a file, as editors show it."""
        path = str(self._root / effect.path)
        return tool_diff_content(path, effect.after or "", effect.before)

    def plan(self, todos: list[dict[str, str]]) -> Any:
        """Return the model's list of what is to do."""
        return update_plan(
            PlanEntry.model_validate(
                {"content": todo["content"], "priority": "medium", "status": todo["status"]}
            )
            for todo in todos
        )

    def replay(self, messages: list[Message]) -> Iterator[Any]:
        """Yield what was said in a session before."""
        results = {m.call_id: m for m in messages if isinstance(m, ToolMessage)}
        for message in messages:
            if isinstance(message, UserMessage):
                if not message.is_nudge and message.text:
                    yield update_user_message_text(message.text)
            elif isinstance(message, AssistantMessage):
                if message.reasoning:
                    yield update_agent_thought_text(message.reasoning)
                if message.text:
                    yield update_agent_message_text(message.text)
                for call in message.tool_calls:
                    yield self.started(call, self._summary(call))
                    if (result := results.get(call.id)) is not None:
                        yield self._finished(result, "", "")


def _fenced(text: str, language: str = "") -> str:
    """Return a text as a block of code that none of its lines ends."""
    longest = 2
    for line in text.splitlines():
        bare = line.lstrip()
        longest = max(longest, len(bare) - len(bare.lstrip("`")))
    fence = "`" * (longest + 1)
    end = "" if text.endswith("\n") else "\n"
    return f"{fence}{language}\n{text}{end}{fence}"
