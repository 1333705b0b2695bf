"""Questions to the person at the terminal."""

from __future__ import annotations

import asyncio
import io

import pytest

from qcode import events
from qcode.approvals import ApprovalRequest, Decision
from qcode.messages import ToolCall
from qcode.ui.approve import TerminalApprover, decision, preview, question
from qcode.ui.terminal import Look, Terminal

EDIT = ToolCall("c1", "edit", '{"file_path":"a.py","old_string":"x\\ny","new_string":"z"}')
REQUEST = ApprovalRequest(EDIT, "a.py", "it changes files")


@pytest.mark.parametrize(
    "answer, decided",
    [
        ("y", Decision(allowed=True)),
        (" YES ", Decision(allowed=True)),
        ("a", Decision(allowed=True, for_session=True)),
        ("n", Decision(allowed=False)),
        ("", None),
        ("  ", None),
        ("use b.py", Decision(allowed=False, words="use b.py")),
        ("yes please", Decision(allowed=False, words="yes please")),
    ],
)
def test_only_a_plain_yes_allows(answer: str, decided: Decision | None) -> None:
    assert decision(answer) == decided


def test_a_path_outside_is_not_allowed_for_the_session() -> None:
    outside = ApprovalRequest(EDIT, "/etc/x", "outside", ("/etc/x",))

    assert "[a]lways" in question(REQUEST)
    assert "[a]lways" not in question(outside)
    assert "outside the workspace (/etc/x)" in question(outside)
    assert decision("a", outside=True) == Decision(allowed=True)


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
    assert preview(ToolCall("c", "tool", arguments), summary) == shown


def test_a_question_is_safe_for_the_terminal() -> None:
    evil = ToolCall("c1", "edit\x1b[2J", "{}")

    asked = question(ApprovalRequest(evil, "a\rb\x1b]0;x\x07", "r", ("/\x1b[2J",)))

    assert [c for c in asked if ord(c) < 32] == ["\n"]


def approver(stream: io.StringIO, *answers: str | BaseException) -> TerminalApprover:
    script = list(answers)

    async def ask(text: str) -> str:
        stream.write(f"{text}\n")
        answer = script.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    terminal = Terminal(stream, Look(colour=False, live=False))
    return TerminalApprover(terminal, ask, lambda: stream.write("interrupt\n"))


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
    asked = "Allow edit a.py? [y]es / [a]lways this session / [n]o, or type what to do instead: \n"
    assert shown == f"● edit a.py\n  -x\n  -y\n  +z\n{asked}{asked}"


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
