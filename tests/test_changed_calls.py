"""Calls that a person changes before they allow them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import scripted_server as scripted
from played import end_of, make_session, play

from qcode import events
from qcode.approvals import ApprovalRequest, Decision, Scope
from qcode.changed import in_words
from qcode.events import TurnEnd
from qcode.journal.loading import load
from qcode.journal.missing import CHANGED
from qcode.messages import AssistantMessage, ToolCall, ToolMessage
from qcode.permissions import Mode
from qcode.rules import rules_of


class Scripted:
    """A person whose answers are known beforehand."""

    def __init__(self, *answers: Decision) -> None:
        self.answers = list(answers)
        self.asked: list[ApprovalRequest] = []

    async def decide(self, request: ApprovalRequest) -> Decision:
        self.asked.append(request)
        return self.answers.pop(0)


YES = Decision(allowed=True)
NO = Decision(allowed=False)


def amend(**arguments: Any) -> Decision:
    return Decision(allowed=False, arguments=json.dumps(arguments))


def results(server: scripted.ScriptedServer) -> list[str]:
    return [m["content"] for m in server.requests[-1].json["messages"] if m["role"] == "tool"]


def test_what_the_person_made_of_a_command_is_what_runs(tmp_path: Path) -> None:
    person = Scripted(amend(command="touch theirs"), YES)
    script = [scripted.call("run_shell_command", command="touch its"), scripted.text("Fine.")]
    with scripted.ScriptedServer(script) as server:
        session = make_session(tmp_path, server, mode=Mode.DEFAULT, approver=person)
        seen = play(session, "go")

    assert sorted(p.name for p in (tmp_path / "work").iterdir()) == ["theirs"]
    assert [(one.command, one.is_changed) for one in person.asked] == [
        ("touch its", False),
        ("touch theirs", True),
    ]
    assert results(server)[0].startswith(
        "The person changed this call before allowing it; what ran: touch theirs\n"
    )
    [changed] = [e for e in seen if isinstance(e, events.CallChanged)]
    assert changed.summary == "touch theirs"
    # The history is as the model wrote it, so that what was sent stays a prefix.
    sent = server.requests[1].json["messages"][-2]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(sent) == {"command": "touch its"}
    lines = [json.loads(line) for line in session.history.journal.path.read_text().splitlines()]
    [noted] = [line for line in lines if line["type"] == "changed"]
    assert json.loads(noted["arguments"]) == {"command": "touch theirs"}
    assert load(session.history.journal.path).messages == list(session.history.messages)


def test_a_changed_call_is_judged_from_scratch(tmp_path: Path) -> None:
    person = Scripted(
        amend(command="rm -rf ~"), amend(command="cat /secret"), amend(wrong=1), amend(), NO
    )
    script = [scripted.call("run_shell_command", command="make"), scripted.text("Fine.")]
    with scripted.ScriptedServer(script) as server:
        session = make_session(tmp_path, server, mode=Mode.DEFAULT, approver=person)
        session.agent.rules = rules_of((), (), ("shell(cat *)",))[0]
        seen = play(session, "go")

    assert [(one.command, one.is_changed) for one in person.asked] == [
        ("make", False), *[("rm -rf ~", True)] * 4,
    ]  # fmt: skip
    assert [one.note.partition(":")[0] for one in person.asked] == [
        "", "", "Not allowed", *["run_shell_command was not run"] * 2,
    ]  # fmt: skip
    assert person.asked[2].note == "Not allowed: the rule shell(cat *) denies it."
    assert "far more than one thing" in person.asked[1].reason
    assert person.asked[1].scopes == (Scope.ONCE,)
    assert results(server) == ["The person said no to this call. Ask what they want instead."]
    assert not any(isinstance(e, events.CallChanged) for e in seen)


def test_a_changed_call_is_one_of_the_same_tool(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("o")
    person = Scripted(amend(file_path="b", content="x"), NO)
    script = [scripted.call("read_file", file_path=str(tmp_path / "outside")), scripted.text("")]
    with scripted.ScriptedServer(script) as server:
        play(make_session(tmp_path, server, mode=Mode.PLAN, approver=person), "go")

    assert person.asked[1].note.startswith("read_file was not run: There is no parameter")
    assert not (tmp_path / "work" / "b").exists()


def test_a_changed_edit_is_shown_as_it_will_be_and_told_as_a_difference(tmp_path: Path) -> None:
    person = Scripted(amend(file_path="a.txt", content="one\nTWO\nthree\n"), YES)
    script = [
        scripted.call("write_file", file_path="a.txt", content="one\ntwo\nthree\n"),
        scripted.text("Fine."),
    ]
    with scripted.ScriptedServer(script) as server:
        seen = play(make_session(tmp_path, server, mode=Mode.DEFAULT, approver=person), "go")

    assert end_of(seen) is TurnEnd.ANSWERED
    assert [one.files[0].after for one in person.asked] == [
        "one\ntwo\nthree\n",
        "one\nTWO\nthree\n",
    ]
    assert (tmp_path / "work" / "a.txt").read_text() == "one\nTWO\nthree\n"
    told = results(server)[0]
    assert "-two\n+TWO\n" in told
    assert "Created a.txt (3 lines)." in told


def test_other_arguments_are_told_too() -> None:
    written = ToolCall("c", "x", '{"command": "a", "timeout": 5}')
    run = ToolCall("c", "x", '{"command": "a\\nb"}')

    assert in_words(written, run) == (
        "The person changed this call before allowing it; what ran:\na\nb\n"
        "`timeout`:\n@@ -1 +0,0 @@\n-5"
    )


def test_a_killed_session_tells_what_was_to_run(tmp_path: Path) -> None:
    call = ToolCall("c", "run_shell_command", '{"command": "touch its"}')
    script = [scripted.text("x")]
    with scripted.ScriptedServer(script) as server:
        session = make_session(tmp_path, server)
        session.history.append(AssistantMessage(tool_calls=(call,)))
        session.history.changed(ToolCall("c", call.name, '{"command": "touch theirs"}'))
        session.history.running("c")
        session.history.journal.close()

    [_, answer] = load(session.history.journal.path).messages
    assert isinstance(answer, ToolMessage)
    assert answer.text.startswith(f'{CHANGED} {{"command": "touch theirs"}}\nInterrupted')
