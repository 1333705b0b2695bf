from __future__ import annotations

import json

from qcode import events
from qcode.messages import ToolCall, ToolMessage
from qcode.receipt import MOST_SHOWN, Receipt


def ran(receipt: Receipt, call_id: str, what: str, how: str, name: str = "") -> None:
    call = ToolCall(call_id, name or "run_shell_command", "{}")
    receipt.handle(events.ToolStarted(call, what))
    receipt.handle(events.ToolFinished(ToolMessage(call_id, call.name, ""), how, "", 0.1))


def test_where_nothing_was_touched_nothing_is_said() -> None:
    receipt = Receipt(tier="bubblewrap, no network", network="off")
    ran(receipt, "1", "a.txt", "3 lines", "read_file")
    receipt.handle(events.TextDelta("hello"))

    assert receipt.is_empty
    assert receipt.lines() == []


def test_it_says_what_was_touched() -> None:
    receipt = Receipt(tier="bubblewrap, listed hosts alone", network="proxy")
    ran(receipt, "1", "make test", "exit code 0")
    ran(receipt, "2", "curl evil.example", "exit code 7")
    receipt.handle(events.Blocked("2", ("connecting to evil.example", ".git/config was changed")))
    receipt.handle(events.Blocked("2", ("connecting to evil.example",)))
    receipt.files = ["a.py"]
    receipt.hosts = [("pypi.org:443", True), ("evil.example:443", False)]

    assert receipt.lines() == [
        (
            "1 file written · 2 commands run · 1 host contacted · 3 attempts blocked"
            " · sandbox: bubblewrap, listed hosts alone"
        ),
        "  wrote: a.py",
        "  ran: make test, curl evil.example",
        "  contacted: pypi.org:443",
        "  blocked: connecting to evil.example, .git/config was changed",
    ]
    assert json.loads(json.dumps(receipt.to_json())) == {
        "sandbox": {"tier": "bubblewrap, listed hosts alone", "network": "proxy"},
        "files_written": ["a.py"],
        "commands": [
            {"command": "make test", "outcome": "exit code 0"},
            {"command": "curl evil.example", "outcome": "exit code 7"},
        ],
        "hosts": [
            {"host": "pypi.org:443", "reached": True},
            {"host": "evil.example:443", "reached": False},
        ],
        "blocked": [
            "connecting to evil.example",
            ".git/config was changed",
            "connecting to evil.example",
        ],
        "refused": [],
    }


def test_hosts_that_were_only_refused_are_no_contacts() -> None:
    lines = Receipt(network="proxy", hosts=[("evil.example:443", False)]).lines()

    assert "0 hosts contacted" in lines[0]
    assert not [line for line in lines if line.strip() in ("contacted:", "")]


def test_what_was_not_allowed_is_no_command_that_was_run() -> None:
    receipt = Receipt()
    call = ToolCall("1", "run_shell_command", "{}")
    receipt.handle(events.ToolStarted(call, "rm -rf /"))
    receipt.handle(events.Refused("1", "run_shell_command: rm -rf /"))
    receipt.handle(events.ToolFinished(ToolMessage("1", call.name, ""), "not allowed", "", 0.0))

    assert receipt.commands == []
    assert receipt.refused == ["run_shell_command: rm -rf /"]
    assert "1 call not allowed" in receipt.lines()[0]
    assert receipt.lines()[-1] == "  not allowed: run_shell_command: rm -rf /"


def test_an_open_network_is_not_counted() -> None:
    receipt = Receipt(network="on")
    ran(receipt, "1", "make", "exit code 0")

    assert "network open" in receipt.lines()[0]
    assert "contacted" not in "\n".join(receipt.lines())


def test_a_person_gets_some_and_a_program_all() -> None:
    receipt = Receipt()
    for number in range(MOST_SHOWN + 5):
        ran(receipt, str(number), f"echo {number}\n  more{'x' * 200}", "exit code 0")

    lines = receipt.lines()
    assert len(lines) == 2
    assert lines[1].endswith(", and 5 more")
    assert "\n" not in lines[1]
    assert len(lines[1]) < 130 * MOST_SHOWN
    commands = receipt.to_json()["commands"]
    assert isinstance(commands, list)
    assert len(commands) == MOST_SHOWN + 5


def test_a_changed_command_is_listed_as_it_ran() -> None:
    receipt = Receipt()
    call = ToolCall("c", "run_shell_command", "{}")
    for event in (
        events.ToolStarted(call, "make"),
        events.CallChanged(call, "make -n"),
        events.ToolFinished(ToolMessage("c", call.name, ""), "exit 0", "", 0.1),
    ):
        receipt.handle(event)

    assert receipt.commands == [("make -n", "exit 0")]
