from __future__ import annotations

import asyncio

from qcode import events
from qcode.events import Event, TurnEnd
from qcode.messages import AssistantMessage, ToolCall, ToolMessage, Usage
from qcode.ui.heartbeat import Heartbeat

CALL = ToolCall("1", "run_shell_command", "{}")
OTHER = ToolCall("2", "glob", "{}")


class Clock:
    """Time that goes on by sleeping alone, until it is over."""

    def __init__(self, end: float = 0.0) -> None:
        self.now = 0.0
        self.end = end
        self.script: dict[float, Event | str] = {}
        """What happens at a time: an event, something begun, or `!` for a line printed."""
        self.said: list[tuple[float, str]] = []
        self.heartbeat = Heartbeat(
            lambda line: self.said.append((self.now, line)),
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        for at in sorted(at for at in self.script if self.now <= at < until):
            self.now = at
            happened = self.script.pop(at)
            if happened == "!":
                self.heartbeat.heard()
            elif isinstance(happened, str):
                self.heartbeat.doing(happened)
            else:
                self.heartbeat.handle(happened)
        self.now = until
        if until >= self.end:
            raise asyncio.CancelledError

    def run(self, script: dict[float, Event | str]) -> list[tuple[float, str]]:
        self.script = dict(script)
        try:
            asyncio.run(self.heartbeat.beat())
        except asyncio.CancelledError:
            pass
        return self.said


def test_a_line_a_minute_says_what_goes_on() -> None:
    usage = Usage(44_000, 1_000, 0, 0.123)
    assert Clock(400).run(
        {
            1: events.StepStarted(1),
            70: events.PromptProgress(512, 2048),
            130: events.TextDelta("x"),
            190: events.AnswerFinished(AssistantMessage("", "", (CALL,)), None, usage),
            191: events.UsageReported(usage, usage),
            192: events.ToolStarted(CALL, "pytest -q"),
            193: events.ToolStarted(OTHER, "*.py"),
            250: events.ToolFinished(ToolMessage("1", "run_shell_command", ""), "", "", 58.0),
            310: events.TurnFinished(TurnEnd.ANSWERED, 1, usage),
            315: "running `make test`",
        }
    ) == [
        (60, "qcode: step 1, waiting for the model for 59 s"),
        (120, "qcode: step 1, the model reads (512 of 2,048 tokens) for 119 s"),
        (180, "qcode: step 1, the model writes for 179 s"),
        (240, "qcode: step 1, running `run_shell_command pytest -q` for 48 s; 45k tokens, $0.12"),
        (300, "qcode: step 1, running `glob *.py` for 107 s; 45k tokens, $0.12"),
        (360, "qcode: step 1, running `make test` for 45 s; 45k tokens, $0.12"),
    ]


def test_nothing_is_said_while_others_say_something() -> None:
    assert Clock(200).run({50: "!", 100: "!", 150: "!"}) == []
    assert Clock(200).run({50: "!"}) == [
        (110, "qcode: starting for 110 s"),
        (170, "qcode: starting for 170 s"),
    ]


def test_steps_are_counted_over_all_turns_and_a_line_stays_one() -> None:
    clock = Clock()
    for event in (events.StepStarted(1), events.StepStarted(1)):
        clock.heartbeat.handle(event)
    clock.heartbeat.doing("running `a\nb\x1b[2J" + "x" * 500)

    assert clock.heartbeat.line().startswith("qcode: step 2, running `a b")
    assert clock.heartbeat.line().isprintable()
    assert len(clock.heartbeat.line()) < 200


def test_small_numbers_and_unknown_costs_are_said_as_they_are() -> None:
    clock = Clock()
    clock.heartbeat.handle(events.UsageReported(Usage(900, 9), Usage(900, 9)))

    assert clock.heartbeat.line() == "qcode: starting for 0 s; 909 tokens"
