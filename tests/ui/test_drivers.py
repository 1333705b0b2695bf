"""The libraries of other agents take qcode's stream for theirs.

`drivers.json` says what they demand, as read in their source. Where one is installed beside
qcode its own parser is tried.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from ends import BAD, GOOD

from qcode.messages import AssistantMessage, ToolCall, ToolMessage, Usage
from qcode.ui import wire

DRIVERS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("drivers.json").read_text(encoding="utf-8")
)

CALL = ToolCall("c1", "edit", '{"file_path": "a.py"}')
STREAM = [
    wire.init("s1", "m", "/work", ["edit"], "yolo"),
    wire.assistant("s1", "m", AssistantMessage("Hi.", "Hm.", (CALL,)), Usage(10, 1)),
    wire.tool_result("s1", ToolMessage("c1", "edit", "ok")),
    wire.user("s1", "It does not pass yet."),
    wire.input_error("s1", 3, "this is no JSON"),
    wire.result(GOOD),
    wire.result(BAD),
]
ANSWERS = [wire.control_answer("r1", {}), wire.control_refusal("r1", "no")]


def has(value: Any, path: str) -> bool:
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


@pytest.mark.parametrize("driver", DRIVERS)
def test_each_message_has_what_a_driver_demands(driver: str) -> None:
    wanted = DRIVERS[driver]
    missing = [
        (message["type"], path)
        for message in STREAM
        for path in wanted["messages"][message["type"]]
        if not has(message, path)
    ]
    blocks = [
        block
        for message in STREAM
        for block in message.get("message", {}).get("content", ())
    ]  # fmt: skip
    missing += [
        (block["type"], path)
        for block in blocks
        for path in wanted["blocks"][block["type"]]
        if not has(block, path)
    ]
    missing += [
        (answer["type"], path)
        for answer in ANSWERS
        for path in wanted["control_response"]
        if not has(answer, path)
    ]

    assert missing == []
    assert {block["type"] for block in blocks} == set(wanted["blocks"])


@pytest.mark.parametrize("package", ["claude_agent_sdk", "claude_code_sdk"])
def test_its_own_parser_takes_each_message(package: str) -> None:
    pytest.importorskip(package)
    parser = importlib.import_module(f"{package}._internal.message_parser")

    kinds = [type(parser.parse_message(message)).__name__ for message in STREAM]

    assert kinds == [
        *("SystemMessage", "AssistantMessage", "UserMessage", "UserMessage", "SystemMessage"),
        *("ResultMessage", "ResultMessage"),
    ]


def test_modes_have_the_drivers_words_beside_qcodes() -> None:
    modes = ("plan", "default", "auto-edit", "yolo")
    words = [wire.init("s", "m", "/", [], mode) for mode in modes]

    assert [(each["permission_mode"], each["permissionMode"]) for each in words] == [
        ("plan", "plan"),
        ("default", "default"),
        ("auto-edit", "acceptEdits"),
        ("yolo", "bypassPermissions"),
    ]
