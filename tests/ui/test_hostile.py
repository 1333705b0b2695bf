"""Whatever somebody says, wherever it is shown: it drives no terminal and breaks no format."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile import BYTES, HOSTILE, obeyed

from qcode import events, paths
from qcode.approvals import ApprovalRequest, Scope
from qcode.cli import fail, run_command
from qcode.cli.diff import shown as shown_patch
from qcode.cli.doctor import Waiting, lines
from qcode.cli.noting import note_on_stderr
from qcode.cli.travel import say
from qcode.conversation import Conversation
from qcode.doctor.check import Check
from qcode.editing.effects import FileEffect
from qcode.errors import QcodeError
from qcode.events import Event, TurnEnd
from qcode.headless.ended import Ended, Violation
from qcode.journal.loading import Loaded
from qcode.journal.writing import Journal
from qcode.messages import (
    AssistantMessage,
    Message,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
    to_json,
)
from qcode.record import replace
from qcode.shell.parted import Part
from qcode.tools.output import LiveText, Output, clean
from qcode.ui import wire
from qcode.ui.approve import TerminalApprover
from qcode.ui.page import page
from qcode.ui.progress import Progress
from qcode.ui.terminal import Look, Terminal
from qcode.ui.transcript import markdown
from qcode.verification.outcome import Outcome

texts = pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
printed = pytest.mark.parametrize("data", BYTES.values(), ids=BYTES)
looks = pytest.mark.parametrize(
    "look", [Look(colour=True, live=True), Look(colour=False, live=False)], ids=["live", "dumb"]
)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def bytes_of(stream: io.StringIO) -> bytes:
    return stream.getvalue().encode("utf-8")


def conversation(said: str) -> list[Message]:
    calls = (ToolCall("c1", said, json.dumps({said: said})), ToolCall("c2", "x", said))
    return [
        UserMessage(said),
        UserMessage(said, is_nudge=True),
        AssistantMessage(said, said, calls, interrupted=True),
        ToolMessage("c1", said, said),
        ToolMessage("c2", "x", said, is_error=True),
    ]


def turn(said: str, pieces: Iterable[str]) -> Iterator[Event]:
    """Yield events of every kind in which something foreign can be said."""
    call = ToolCall("c1", said, said)
    diff = f"--- a/{said}\n+++ b/{said}\n@@ {said}\n-{said}\n+{said}\n"
    parts = list(pieces)
    yield events.TurnStarted(said)
    yield events.StepStarted(1)
    yield from map(events.ReasoningDelta, parts)
    yield events.Retrying(1, 2, 0.1, said)
    yield from map(events.TextDelta, parts)
    yield events.CallStarted(0, said)
    yield events.CallArguments(0, said)
    message = AssistantMessage(said, said, (call,))
    yield events.AnswerFinished(message, said, Usage())
    yield events.CallRepaired(call, (said, said))
    yield events.CallChanged(call, said)
    yield events.ToolStarted(call, said)
    yield from (events.ToolOutput("c1", part) for part in parts)
    yield events.ToolOutput("c1", f"\n{said}")
    yield events.ToolFinished(ToolMessage("c1", said, said), said, diff, 2.0)
    yield events.ToolFinished(ToolMessage("c2", said, said, is_error=True), "", "", 0.0)
    yield events.ProtocolSwitched(said)
    yield events.Nudged(said, said)
    yield events.ErrorRaised(said, 1)
    yield from map(events.TextDelta, parts)
    yield events.TurnFinished(TurnEnd.ERROR, 1, Usage())


@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
@looks
@texts
def test_the_terminal_obeys_nothing_of_a_turn(said: str, look: Look, size: int) -> None:
    if size <= 7:
        said = said[:200]
    screen = Screen()
    terminal = Terminal(screen, look, columns=lambda: 60)

    for event in turn(said, (said[at : at + size] for at in range(0, len(said), size))):
        terminal.handle(event)
        assert obeyed(bytes_of(screen)) == []
    terminal.preview("c9", said)
    terminal.recap(conversation(said))
    terminal.say(said, "red")
    terminal.status(said)
    terminal.end_line()

    assert obeyed(bytes_of(screen)) == []
    assert screen.getvalue().count("a") > 5


@pytest.mark.parametrize("live", [True, False])
@texts
def test_progress_obeys_nothing_of_a_turn(said: str, live: bool) -> None:
    screen = Screen()
    progress = Progress(screen, live=live)

    for event in turn(said, [said]):
        progress.handle(event)
    progress.say(said)

    assert obeyed(bytes_of(screen)) == []


@pytest.mark.parametrize("colour", [True, False])
@texts
def test_a_question_obeys_nothing_of_what_it_asks_about(said: str, colour: bool) -> None:
    screen = Screen()
    terminal = Terminal(screen, Look(colour=colour), columns=lambda: 60)
    answers = ["h", "q", "e", "n"]
    asked: list[str] = []

    async def answer(question: str) -> str:
        asked.append(question)
        return answers.pop(0) if answers else "n"

    async def edit(text: str, name: str) -> str:
        assert name.isascii()
        raise QcodeError(said)

    request = ApprovalRequest(
        ToolCall("c1", "run_shell_command", json.dumps({"command": said, "reason": said})),
        summary=said,
        reason=said,
        outside=(said,),
        command=said,
        directory=said,
        grant=said,
        rules=(said,),
        scopes=(Scope.ONCE, Scope.SESSION),
        parts=(Part(said, (said,)), Part(said)),
        note=said,
        trouble=said,
    )
    edited = replace(
        request,
        command="",
        trouble="",
        files=(FileEffect(said, said, f"{said}x\n{said}", said), FileEffect(said, None, said)),
    )

    async def ask() -> None:
        approver = TerminalApprover(terminal, answer, lambda: None, pause_s=0, edit=edit)
        for each in (edited, request):
            await approver.show(events.ApprovalNeeded(each.call, said, said))
            await approver.decide(each)

    asyncio.run(ask())

    assert not answers
    assert obeyed(bytes_of(screen)) == []
    assert obeyed("".join(asked).encode()) == []


@texts
def test_a_stream_of_json_is_json_and_drives_nothing(said: str) -> None:
    call = ToolCall("c1", said, json.dumps({"a": said}))
    result = ToolMessage("c1", said, said)
    answer = AssistantMessage(said, said, (call, ToolCall("c2", "x", said)))
    ended = Ended(
        *("s1", said, said, TurnEnd.ERROR, 1, said, said, 1, 0.1, Usage()),
        files_changed=[said],
        verification=[Outcome(said, 1, said, 0.1)],
        violations=[Violation(said, said, said)],
        denied=[call],
    )
    for message in (
        wire.init(said, said, said, [said], said),
        wire.assistant("s1", said, answer, Usage()),
        wire.tool_result("s1", result),
        wire.user("s1", said),
        wire.result(ended),
        wire.control_refusal(said, said),
        wire.input_error("s1", 1, said),
    ):
        line = wire.dump(message)

        assert "\n" not in line
        assert obeyed(line.encode()) == []
        assert json.loads(line) == message


@printed
def test_a_commands_output_is_text_for_the_model_and_live(data: bytes, tmp_path: Path) -> None:
    live = LiveText(100_000)
    shown = ""
    for at in range(0, len(data), 3):
        live.add(data[at : at + 3])
        shown += live.take()
    shown += live.take(last=True)
    output = Output(lambda: (-1, tmp_path))
    output.add(data)

    assert obeyed(clean(data).encode()) == []
    assert obeyed(output.shown().text.encode()) == []
    assert obeyed(shown.replace("\r", "").encode()) == []


@texts
def test_transcripts_drive_nothing(said: str) -> None:
    loaded = Loaded(
        said, said, said, said, said, Conversation(conversation(said)), Usage(), damaged=1
    )

    for text in (markdown(loaded), markdown(loaded, result_lines=1), page(loaded)):
        assert obeyed(text.encode()) == []
    assert "<script" not in page(loaded)
    assert "<img" not in page(loaded)


@texts
def test_past_sessions_drive_nothing(
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.chdir(tmp_path)
    header = {"id": "s1", "cwd": str(tmp_path), "model": said, "created": said, "system": said}
    journal = Journal.create(paths.state_dir() / "sessions", header)
    for message in conversation(said):
        journal.write({"type": "message", **to_json(message)})
    journal.close()

    def of(*arguments: str) -> str:
        assert run_command(["sessions", *arguments]) == 0
        out = capfdbinary.readouterr()
        assert obeyed(out.out) == []
        assert obeyed(out.err) == []
        return out.out.decode()

    assert len(of().splitlines()) == 1
    assert json.loads(of("list", "--json"))[0]["id"] == "s1"
    of("show", "s1")
    of("export", "s1", "--format", "md")
    exported = json.loads(of("export", "s1", "--format", "json"))
    assert [m["role"] for m in exported["messages"]] == [
        "user",
        "user",
        "assistant",
        "tool",
        "tool",
    ]
    assert "<script" not in of("export", "s1", "--format", "html")


def notices(said: str) -> Iterator[Callable[[], object]]:
    argument = os.fsdecode(said.replace("\0", "").encode("utf-8", "surrogatepass"))
    yield lambda: fail(said)
    yield lambda: note_on_stderr(said)
    yield lambda: say(said, f"  M {said}")
    yield lambda: print("\n".join(lines(Check("name", "warn", said, said))))
    yield lambda: run_command([argument])
    yield lambda: run_command(["sessions", "show", argument])
    yield lambda: run_command(["run", "-C", argument, "x"])


@texts
def test_notices_and_errors_drive_nothing(
    said: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for number, notice in enumerate(notices(said)):
        notice()
        out = capfdbinary.readouterr()
        assert obeyed(out.out) == [], number
        assert obeyed(out.err) == [], number
        assert out.out or out.err


@texts
def test_waiting_in_doctor_drives_nothing(said: str) -> None:
    for live in (True, False):
        screen: Any = Screen() if live else io.StringIO()
        clock = iter([0.0, 0.0, 40.0, 80.0])
        waiting = Waiting(screen, clock=clock.__next__)
        for _ in range(3):
            waiting.tick(said)
        waiting.clear()

        assert screen.getvalue()
        assert obeyed(bytes_of(screen)) == []


@texts
def test_a_patch_on_a_terminal_is_coloured_and_drives_nothing(said: str) -> None:
    text = f"diff --git a/x b/x\n@@ -1 +1 @@\n-{said}\n+{said}\n"

    shown = shown_patch(text)

    assert obeyed(shown.encode()) == []
    assert shown.count("\n") == text.replace("\u2028", "\n").replace("\u2029", "\n").count("\n")
