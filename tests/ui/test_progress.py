from __future__ import annotations

import asyncio
import io

import pytest

from qcode import events
from qcode.events import Event
from qcode.messages import AssistantMessage, ToolCall, ToolMessage, Usage
from qcode.ui.progress import Progress

CALL = ToolCall("1", "edit", "{}")
TURN: list[Event] = [
    events.StepStarted(1),
    events.PromptProgress(512, 2048),
    events.AnswerFinished(AssistantMessage("Mending it.", "", (CALL,)), "tool_calls", Usage()),
    events.ToolStarted(CALL, "a.py"),
    events.ToolFinished(ToolMessage("1", "edit", "ok"), "+1 -1", "-old\n+new\n", 2.0),
]


def shown(*seen: Event, live: bool) -> str:
    stream = io.StringIO()
    progress = Progress(stream, live=live)
    for event in seen:
        progress.handle(event)
    return stream.getvalue()


def test_on_a_terminal_what_was_done_stays_and_what_goes_on_is_redrawn() -> None:
    text = shown(*TURN, live=True)

    assert "Mending it.\n" in text
    assert "✓ edit +1 -1 (2.0 s)\n-old\n+new\n" in text
    assert "asking the model" in text
    assert not shown(TURN[0], events.PromptProgress(512, 2048), live=True).endswith("\n")


def test_the_reading_of_the_prompt_is_shown() -> None:
    assert "512 of 2,048 tokens" in shown(events.PromptProgress(512, 2048), live=True)


def test_a_line_that_a_tool_draws_anew_is_shown_while_it_is_drawn() -> None:
    drawn = events.ToolOutput("1", "reading: 10 of 20 files\r")

    assert shown(drawn, live=True) == "\r\x1b[Kreading: 10 of 20 files"
    assert shown(drawn, live=False) == ""
    assert shown(events.ToolOutput("1", "a line\r\n"), live=True) == ""


def test_elsewhere_nothing_is_shown_but_retries() -> None:
    assert shown(*TURN, live=False) == ""
    assert "trying again in 2.0 s (1 of 6)" in shown(events.Retrying(1, 6, 2.0, "busy"), live=False)


@pytest.mark.parametrize("live", [True, False])
def test_signs_of_life_are_for_where_there_is_no_terminal(live: bool) -> None:
    async def wait() -> str:
        stream = Signal()
        progress = Progress(stream, live=live, every_s=0.01)
        progress.handle(events.StepStarted(1))
        async with progress.beating():
            if not live:
                async with asyncio.timeout(10):
                    await stream.written.wait()
        return stream.getvalue()

    text = asyncio.run(wait())

    assert ("step 1, waiting for the model for 0 s" in text) is not live


class Signal(io.StringIO):
    """Says when there is something in it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    def flush(self) -> None:
        self.written.set()


def test_what_is_no_event_is_drawn_too() -> None:
    stream = io.StringIO()
    Progress(stream, live=True).doing("running `make test`")

    assert stream.getvalue() == "\r\x1b[Krunning `make test` …"


@pytest.mark.parametrize("live", [True, False])
def test_no_escape_sequence_of_others_reaches_the_terminal(live: bool) -> None:
    evil = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\rgone"
    text = shown(
        events.Retrying(1, 2, 1.0, evil),
        events.ToolStarted(CALL, evil),
        events.ToolFinished(ToolMessage("1", "edit", evil), evil, evil, 0.0),
        live=live,
    )

    assert "\x1b]" not in text
    assert "\x1b[2J" not in text
    assert "\x07" not in text
