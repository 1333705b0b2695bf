from __future__ import annotations

import json

import pytest

from qcode.compaction.failing import failed_tests, runs_tests
from qcode.compaction.ledger import CommandNote, FileNote, Said, Touched, ledger_of
from qcode.compaction.render import render
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage


def touching(call: ToolCall) -> Touched:
    arguments = json.loads(call.arguments)
    paths = (arguments["file_path"],) if "file_path" in arguments else ()
    return Touched(paths, call.name == "edit", arguments.get("command", ""))


FAILED = "FAILED t.py::test_x - boom\n[exit 1]"
_numbers = iter(range(10**9))


def did(
    name: str, text: str, *, said: str = "", fails: bool = False, **arguments: object
) -> tuple[Message, Message]:
    call = ToolCall(f"c{next(_numbers)}", name, json.dumps(arguments))
    return AssistantMessage(said, tool_calls=(call,)), ToolMessage(call.id, name, text, fails)


def test_it_holds_what_was_asked_done_and_said() -> None:
    plan = [{"content": "find it", "status": "completed"}, {"content": "mend", "status": "pending"}]
    ledger = ledger_of(
        [
            UserMessage("Fix the parser. Do not touch setup.py."),
            *did("read_file", "…", file_path="a.py", said="Let me look at it."),
            UserMessage("Call a tool.", is_nudge=True),
            *did("edit", "done", file_path="a.py", said="Decision: keep the old name."),
            *did("edit", "no such text", file_path="b.py", fails=True),
            *did("todo_write", "Saved", todos=plan),
            *did(
                "run_shell_command",
                "FAILED t.py::test_x - boom\n[exit 1]",
                command="pytest",
                fails=True,
            ),
            *did("run_shell_command", "ok\n", command="ls"),
            UserMessage("", is_summary=True),
        ],
        touching,
    )

    assert ledger.requests == ("Fix the parser. Do not touch setup.py.",)
    assert ledger.plan == ("[completed] find it", "[pending] mend")
    assert ledger.files == (FileNote("a.py", 1, 1),)
    assert ledger.commands == (
        CommandNote("pytest", "exit 1; FAILED t.py::test_x - boom", 1),
        CommandNote("ls", "ok; ok", 1),
    )
    assert ledger.failing == ("t.py::test_x",)
    assert ledger.said == (
        Said("Let me look at it.", False),
        Said("Decision: keep the old name.", True),
    )


def test_a_test_that_passes_again_is_not_failing_any_more() -> None:
    failed = did(
        "run_shell_command", "FAILED t.py::test_x\n[exit 1]", command="pytest -q", fails=True
    )
    one = did("run_shell_command", "1 passed", command="pytest t.py::test_x")
    other = did("run_shell_command", "1 passed", command="pytest t.py::test_y")
    all_pass = did("run_shell_command", "9 passed", command="pytest -q")

    assert ledger_of([*failed, *other], touching).failing == ("t.py::test_x",)
    assert ledger_of([*failed, *one], touching).failing == ()
    assert ledger_of([*failed, *all_pass], touching).failing == ()


@pytest.mark.parametrize(
    "line, name",
    [
        ("FAILED tests/a.py::test_b[1] - assert 1 == 2", "tests/a.py::test_b[1]"),
        ("FAIL: test_a (mod.Case)", "test_a (mod.Case)"),
        ("--- FAIL: TestParse (0.00s)", "TestParse"),
        ("test parser::tests::nested ... FAILED", "parser::tests::nested"),
        ("not ok 3 - adds numbers", "adds numbers"),
        ("  ✕ adds numbers (3 ms)", "adds numbers"),
    ],
)
def test_failures_of_many_runners_are_known(line: str, name: str) -> None:
    assert failed_tests(f"before\n{line}\nafter\n") == (name,)


def test_commands_that_run_tests_are_known() -> None:
    yes = ["pytest -q", "python -m unittest", "go test ./...", "cd x && npm run test", "make check"]
    no = ["ls tests", "cat pytest.ini", "git log", "make install", "cargo build"]

    assert [command for command in yes + no if runs_tests(command)] == yes


def test_what_does_not_fit_is_counted_and_what_matters_stays() -> None:
    messages: list[Message] = [UserMessage("The first request, which says what must hold.")]
    for number in range(300):
        messages += did("read_file", "x", file_path=f"src/module{number}/file.py")
    messages += did("edit", "done", file_path="src/changed.py", said="Decided: no new dependency.")
    messages += [UserMessage("and now?")]

    text = render(ledger_of(messages, touching), 400, lambda _path: "0badcafe")

    assert len(text) < 400 * 4
    assert "src/changed.py 0badcafe: changed 1×" in text
    assert "more: recall)" in text
    assert "no new dependency" in text
    assert "what must hold" in text
