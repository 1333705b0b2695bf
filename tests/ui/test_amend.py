"""What of a call is opened in an editor, and what comes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qcode.approvals import ApprovalRequest
from qcode.messages import ToolCall
from qcode.ui.amend import Draft, amended, draft


def request(**arguments: Any) -> ApprovalRequest:
    return ApprovalRequest(ToolCall("c", "tool", json.dumps(arguments)), "", "")


@pytest.mark.parametrize(
    "arguments, opened",
    [
        ({"command": "ls", "timeout": 5}, Draft("ls", "command.sh", "command")),
        ({"file_path": "a.py", "content": ""}, Draft("", "proposed.py", "content")),
        ({"file_path": "a.b/c", "content": "x"}, Draft("x", "proposed", "content")),
        ({"file_path": "a.p;y", "content": "x"}, Draft("x", "proposed", "content")),
        ({"file_path": "a.py", "old_string": "x", "new_string": "y"},
         Draft("y", "proposed.py", "new_string")),
        ({"input": "*** Begin Patch"}, Draft("*** Begin Patch", "change.patch", "input")),
        ({"edits": [1]}, Draft('{\n  "edits": [\n    1\n  ]\n}', "arguments.json")),
        ({"command": 5}, Draft('{\n  "command": 5\n}', "arguments.json")),
    ],
)  # fmt: skip
def test_the_part_that_matters_is_opened(arguments: dict[str, Any], opened: Draft) -> None:
    assert draft(request(**arguments)) == opened


def test_only_what_was_opened_is_changed() -> None:
    asked = request(command="ls", timeout=5)
    opened = draft(asked)

    assert amended(asked, opened, "ls -l\n\n") == '{"command": "ls -l", "timeout": 5}'
    assert amended(asked, opened, "ls\n") is None
    assert amended(asked, opened, " \n") is None


def test_a_file_may_be_emptied_but_not_all_arguments() -> None:
    emptied, whole = request(file_path="a", content="x"), request(edits=[])

    assert amended(emptied, draft(emptied), "") == '{"file_path": "a", "content": ""}'
    assert amended(whole, draft(whole), "") is None
    assert amended(whole, draft(whole), '{"edits": [1]}') == '{"edits": [1]}'
