from __future__ import annotations

from qcode import events
from qcode.events import TurnEnd
from qcode.headless.witness import Witness
from qcode.messages import AssistantMessage, ToolCall, Usage


def test_time_with_the_model_and_calls_that_were_not_allowed() -> None:
    now = [0.0]
    witness = Witness(lambda: now[0])
    edit, look = ToolCall("1", "edit", "{}"), ToolCall("2", "glob", "{}")
    after: list[tuple[float, events.Event]] = [
        (1, events.StepStarted(1)),
        (5, events.AnswerFinished(AssistantMessage("", "", (edit, look)), None, Usage())),
        (9, events.Refused("1", "edit a.py")),
        (10, events.StepStarted(2)),
        (12, events.TurnFinished(TurnEnd.PROVIDER, 2, Usage())),
    ]
    for now[0], event in after:
        witness.handle(event)

    assert witness.asking_s == 6
    assert witness.denied == [edit]
