"""Questions to the person at the terminal."""

from __future__ import annotations

import asyncio
import io
import json
import re
from typing import Any

import pytest

from qcode import events
from qcode.approvals import ApprovalRequest, Decision, Scope
from qcode.editing.effects import FileEffect
from qcode.messages import ToolCall
from qcode.record import replace
from qcode.shell.parted import Part
from qcode.ui.approve import (
    TerminalApprover,
    choices,
    circumstances,
    decision,
    heading,
    preview,
)
from qcode.ui.terminal import Look, Terminal

EDIT = ToolCall("c1", "edit", '{"file_path":"a.py","old_string":"x\\ny","new_string":"z"}')
EVERY = (Scope.ONCE, Scope.SESSION, Scope.ALWAYS)
REQUEST = ApprovalRequest(EDIT, "a.py", "it changes files", scopes=EVERY, rules=("edit(./*)",))
ONCE = ApprovalRequest(EDIT, "/etc/x", "/etc/x is outside", ("/etc/x",))


@pytest.mark.parametrize(
    "answer, decided",
    [
        ("y", Decision(allowed=True)),
        (" YES ", Decision(allowed=True)),
        ("s", Decision(allowed=True, scope=Scope.SESSION, rules=("edit(./*)",))),
        ("always", Decision(allowed=True, scope=Scope.ALWAYS, rules=("edit(./*)",))),
        ("n", Decision(allowed=False)),
        ("e", None),
        ("hunks", None),
        ("", None),
        ("  ", None),
        ("use b.py", Decision(allowed=False, words="use b.py")),
        ("yes please", Decision(allowed=False, words="yes please")),
    ],
)
def test_only_a_plain_yes_allows(answer: str, decided: Decision | None) -> None:
    assert decision(answer, REQUEST) == decided


def test_only_what_can_be_done_is_offered() -> None:
    before = "".join(f"{n}\n" for n in range(40))
    after = before.replace("3\n", "x\n", 1)
    one = replace(ONCE, files=(FileEffect("a", before, after),))
    two = replace(ONCE, files=(FileEffect("a", before, f"{after}y\n"),))

    assert choices(one, can_edit=True) == "[y]es / [e]dit / [n]o, or type what to do instead: "
    assert choices(two) == "[y]es / [h]unks / [n]o, or type what to do instead: "
    assert decision("h", two) is None


def test_what_is_asked_each_time_cannot_be_allowed_for_longer() -> None:
    assert choices(REQUEST) == (
        "[y]es / [s]ession / [a]lways edit(./*) / [n]o, or type what to do instead: "
    )
    assert choices(ONCE) == "[y]es / [n]o, or type what to do instead: "
    assert "outside the workspace (/etc/x)" in heading(ONCE)
    assert decision("a", ONCE) is None
    assert decision("s", ONCE) is None


def commanded(command: str, **more: Any) -> ApprovalRequest:
    call = ToolCall("c1", "run_shell_command", json.dumps({"command": command}))
    return ApprovalRequest(call, command, "it runs a command", command=command, **more)


def all_of(request: ApprovalRequest) -> str:
    parts = (preview(request), *circumstances(request), heading(request), choices(request))
    return "\n".join(parts)


def test_a_command_is_shown_to_its_end_and_nothing_of_it_is_invisible() -> None:
    hostile = (
        "ls"
        + " " * 2_700
        + "; touch tail-ran \u202e#\u200b\U000e0041\r\x1b[2K\u3164"
        + "\n" * 90
        + "rm x"
    )

    shown = all_of(commanded(hostile, directory="/w", sandbox="bubblewrap, no network"))

    assert (
        "[… 2,700 spaces …]; touch tail-ran \\u{202e}#\\u{200b}\\u{e0041}\\x0d\\x1b[2K\\u{3164}"
        in shown
    )
    assert "[… 89 empty lines …]" in shown
    assert "rm x" in shown
    assert "in /w · bubblewrap, no network" in shown
    assert all(c == "\n" or c.isprintable() for c in shown)


@pytest.mark.parametrize("length", [10, 119, 121, 5_000])
def test_no_length_of_a_command_cuts_it(length: int) -> None:
    command = "echo " + "x" * length + " ; tail"

    assert command in all_of(commanded(command))


def test_what_would_be_given_beyond_the_sandbox_is_said() -> None:
    request = commanded("curl x", grant="the network", directory="/w", sandbox="no sandbox")

    assert "it would be given the network" in circumstances(request)
    assert "why: it runs a command" in circumstances(request)


def test_the_commands_of_a_text_are_told_apart() -> None:
    parts = (
        Part("ls \x1b[2J", ("only reads",)),
        Part("curl x", ("network", "writes a\nb")),
        Part("y"),
    )

    assert circumstances(commanded("a", parts=parts, directory="/w"))[:5] == [
        "it would run:",
        "  ls \\x1b[2J  ← only reads",
        "  curl x      ← network; writes a b",
        "  y",
        "in /w",
    ]
    assert "  … and 468 more commands" in circumstances(commanded("a", parts=(Part("x"),) * 500))


@pytest.mark.parametrize(
    "arguments, summary, shown",
    [
        (EDIT.arguments, "a.py", "-x\n-y\n+z"),
        ('{"command":"make"}', "make", ""),
        ('{"cmd":"make\\nrm x"}', "make", "cmd:\n  make\n  rm x"),
        ('{"command":"make","timeout":5}', "make", "timeout: 5"),
        ('{"command":"' + "x" * 200 + '"}', "x" * 200, "command: " + "x" * 200),
        ('{"content":"","file_path":"new"}', "new (1 line)", ""),
        ('{"file_path":"a"}', "x" * 200 + "a", "file_path: a"),
        ('{"directory":"a"}', "a", "directory: a"),
        (
            '{"edits":[{"file_path":"a","old_string":"x","new_string":"y"},{"file_path":"b"},7]}',
            "a, b (2 edits)",
            "file_path: a\n-x\n+y\nfile_path: b\n7",
        ),
        ('{"edits":"odd"}', "", "edits: odd"),
        ('{"input":"*** Begin Patch\\n+x\\n"}', "a", "*** Begin Patch\n+x"),
        ('{"notebook_path":"n","new_source":"x"}', "replace #0 in n", "+x"),
        ("not json", "", "not json"),
        ("[1]", "", "[1]"),
    ],
)
def test_nothing_of_a_call_stays_unseen(arguments: str, summary: str, shown: str) -> None:
    request = ApprovalRequest(ToolCall("c", "tool", arguments), summary, "")

    assert preview(request) == shown


def test_a_question_is_safe_for_the_terminal() -> None:
    evil = ToolCall("c1", "edit\x1b[2J", "{}")

    asked = ApprovalRequest(evil, "a\rb\x1b]0;x\x07", "r", ("/\x1b[2J",))

    assert (heading(asked) + choices(asked)).isprintable()


def test_words_of_the_model_are_marked_as_its_own() -> None:
    call = ToolCall("c", "run_shell_command", '{"command":"ls","description":"[y]es is safe"}')

    shown = preview(ApprovalRequest(call, "ls", "", command="ls"))

    assert shown == "the model says: [y]es is safe"


def approver(stream: io.StringIO, *answers: str | BaseException) -> TerminalApprover:
    script = list(answers)

    async def ask(text: str) -> str:
        stream.write(f"{text}\n")
        answer = script.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    terminal = Terminal(stream, Look(colour=False, live=False))
    return TerminalApprover(terminal, ask, lambda: stream.write("interrupt\n"), pause_s=0)


def test_the_question_comes_after_all_that_happened_before() -> None:
    async def run() -> tuple[Decision, str]:
        stream = io.StringIO()
        asking = approver(stream, "", "y")
        deciding = asyncio.ensure_future(asking.decide(REQUEST))
        await asyncio.sleep(0)
        await asking.show(events.ToolStarted(EDIT, "a.py"))
        await asking.show(events.ApprovalNeeded(EDIT, "a.py", "it changes files"))
        return await deciding, stream.getvalue()

    decided, shown = asyncio.run(run())

    assert decided == Decision(allowed=True)
    asked = f"{choices(REQUEST)}\n"
    assert shown == f"● edit a.py\n  -x\n  -y\n  +z\nAllow edit a.py?\n{asked}{asked}"


@pytest.mark.parametrize("key", [KeyboardInterrupt(), EOFError()])
def test_leaving_a_question_interrupts_and_allows_nothing(key: BaseException) -> None:
    async def run() -> tuple[Decision, str]:
        stream = io.StringIO()
        asking = approver(stream, key)
        await asking.show(events.ApprovalNeeded(EDIT, "a.py", ""))
        return await asking.decide(REQUEST), stream.getvalue()

    decided, shown = asyncio.run(run())

    assert decided == Decision(allowed=False)
    assert shown.endswith("interrupt\n")


def test_keys_count_only_some_time_after_what_they_answer_was_shown() -> None:
    async def run() -> list[str]:
        stream = io.StringIO()
        order: list[str] = []

        async def ask(text: str) -> str:
            order.append("asked")
            return "y"

        terminal = Terminal(stream, Look(colour=False, live=False))
        asking = TerminalApprover(terminal, ask, lambda: None, pause_s=0.05)
        await asking.show(events.ApprovalNeeded(EDIT, "a.py", ""))
        deciding = asyncio.ensure_future(asking.decide(REQUEST))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if "Allow edit" in stream.getvalue():
            order.append("shown")
        await deciding
        return order

    assert asyncio.run(run()) == ["shown", "asked"]


@pytest.mark.parametrize("colour", [True, False])
def test_a_change_is_shown_to_its_last_line_and_column(colour: bool) -> None:
    lines = [f"{n:04}{'x' * 90}{n:04}" for n in range(700)]
    request = replace(REQUEST, files=(FileEffect("a.txt", None, "\n".join(lines)),))

    async def run() -> str:
        stream = io.StringIO()
        terminal = Terminal(stream, Look(colour=colour, live=False), columns=lambda: 60)

        async def ask(_question: str) -> str:
            return "y"

        asking = TerminalApprover(terminal, ask, lambda: None, pause_s=0)
        await asking.show(events.ApprovalNeeded(EDIT, "a.py", ""))
        await asking.decide(request)
        return stream.getvalue()

    shown = re.sub(r"\x1b\[[0-9;]*m", "", asyncio.run(run()))

    assert all(f"{n:04}x" in shown and f"x{n:04}" in shown.replace("\n  ", "") for n in (0, 699))
    assert "more line" not in shown
