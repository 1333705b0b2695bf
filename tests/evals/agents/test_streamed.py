"""What `stream-json` output tells of an agent's run."""

from __future__ import annotations

import json

from qcode.evals.agents.streamed import told
from qcode.evals.harness.trial import Conduct


def test_the_last_words_and_what_became_of_calls_are_read_past_odd_separators() -> None:
    last = "done\u2028all\x85of it"
    events = [
        {"type": "assistant", "message": {"content": [
            {"type": "text", "text": "I edit."},
            {"type": "tool_use", "id": "1", "name": "edit", "input": {}},
            {"type": "tool_use", "id": "2", "name": "read_file", "input": {}},
        ]}},
        {"type": "user", "message": {"content": [
            {"type": "tool_result", "tool_use_id": "1", "is_error": True},
            {"type": "tool_result", "tool_use_id": "2"},
        ]}},
        {"type": "result", "subtype": "success", "result": last},
    ]  # fmt: skip
    lines = "\n".join(json.dumps(event, ensure_ascii=False) for event in events)

    found = told(f"noise\n{lines}\n{{torn")

    assert (found.answer, found.ended) == (last, "success")
    assert found.conduct == Conduct(calls=2, failed_calls=1, edits=1, failed_edits=1)
