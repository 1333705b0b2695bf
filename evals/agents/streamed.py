"""What `stream-json` output tells of a run: qwen-code's, and of the same form qcode's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from qcode.evals.agents.outside import Told
from qcode.evals.harness.trial import Conduct

EDITING = frozenset({"edit", "replace", "write_file", "multi_edit", "apply_patch", "edit_file"})
"""Names of tools that change files."""


def objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a text, one a line; what is no object is passed over."""
    # Not by `splitlines`: JavaScript leaves other separators of lines in JSON as they are.
    for line in text.split("\n"):
        if line.startswith("{"):
            try:
                value = json.loads(line)
            except ValueError:
                continue  # the last line of a killed program
            if isinstance(value, dict):
                yield value


def told(text: str) -> Told:
    """Return the last words, how it ended, and what became of its calls."""
    names: dict[str, str] = {}
    failed: list[str] = []
    answer = said = ended = ""
    for event in objects(text):
        match event.get("type"):
            case "assistant":
                said = _text(event) or said
                for block in _blocks(event, "tool_use"):
                    names[str(block.get("id"))] = str(block.get("name"))
            case "user":
                failed += [
                    names.get(str(block.get("tool_use_id")), "")
                    for block in _blocks(event, "tool_result")
                    if block.get("is_error")
                ]
            case "result":
                ended = str(event.get("subtype") or "")
                result = event.get("result")
                answer = result if isinstance(result, str) else ""
    edits = sum(name in EDITING for name in names.values())
    conduct = Conduct(
        calls=len(names),
        failed_calls=len(failed),
        edits=edits,
        failed_edits=sum(name in EDITING for name in failed),
    )
    return Told(answer or said, ended, conduct)


def _blocks(event: dict[str, Any], kind: str) -> Iterable[dict[str, Any]]:
    message = event.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return []
    return [one for one in content if isinstance(one, dict) and one.get("type") == kind]


def _text(event: dict[str, Any]) -> str:
    return "".join(str(block.get("text") or "") for block in _blocks(event, "text"))
