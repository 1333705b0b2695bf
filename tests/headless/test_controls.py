from __future__ import annotations

from typing import Any

import pytest

from qcode.errors import QcodeError
from qcode.headless.controls import follow
from qcode.headless.driving import Control, Interrupt
from qcode.messages import JsonObject
from qcode.permissions import Mode


def answer(request: Control | Interrupt, modes: list[Mode] | None = None) -> JsonObject:
    modes = [] if modes is None else modes
    return follow(request, interrupt=lambda: True, set_mode=modes.append)


def control(subtype: str, **more: Any) -> Control:
    return Control("1", subtype, {"subtype": subtype, **more})


def test_a_turn_is_interrupted() -> None:
    assert answer(Interrupt("1")) == {"interrupted": True}


@pytest.mark.parametrize(
    "word, mode",
    [("plan", Mode.PLAN), ("acceptEdits", Mode.AUTO_EDIT), ("auto-edit", Mode.AUTO_EDIT),
     ("bypassPermissions", Mode.YOLO), ("yolo", Mode.YOLO), ("default", Mode.DEFAULT)],
)  # fmt: skip
def test_the_mode_is_set_by_either_word(word: str, mode: Mode) -> None:
    modes: list[Mode] = []

    assert answer(control("set_permission_mode", mode=word), modes) == {"mode": mode.value}
    assert modes == [mode]


def test_a_driver_is_told_that_there_is_nothing_to_choose_from() -> None:
    assert answer(control("initialize", hooks=None))["commands"] == []
    assert answer(control("mcp_status")) == {"mcpServers": []}


@pytest.mark.parametrize(
    "request_, words",
    [
        (control("initialize", hooks={"PreToolUse": []}), "no hooks to be given"),
        (control("set_permission_mode", mode="wild"), "no such mode; there are: acceptEdits"),
        (control("rewind"), "does not know the request `rewind`"),
    ],
)
def test_what_cannot_be_done_is_refused(request_: Control, words: str) -> None:
    with pytest.raises(QcodeError, match=words):
        answer(request_)
