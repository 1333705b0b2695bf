"""What went wrong: one class for each trial, and the line that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from eval_results import AIDER, FIXING, conduct, edit_call, effort, trial, write_journal
from hypothesis import given
from hypothesis import strategies as some

from qcode.evals.harness.trial import REASONS, Reason
from qcode.evals.reports.taxonomy import EVIDENCE, KINDS, TITLES, classify
from qcode.evals.reports.told import Told, editing_tools, from_messages, told
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from qcode.prompts import load

NONE: Any = dict.fromkeys(
    ("calls", "failed_calls", "unread_calls", "repaired_calls", "edits", "failed_edits", "loops")
)
FAILING: Reason = "still_failing"


@pytest.mark.parametrize(
    "reason, fields, kind, evidence",
    [
        ("pass", {}, "passed", ""),
        ("tampered", {"detail": "tests/test_a.py"}, "changed_protected", "tests/test_a.py"),
        ("collateral", {"detail": "b.py"}, "wrong_file", "b.py"),
        ("wrong_place", {}, "wrong_file", "wrong_place"),
        ("broke_tests", {"detail": "2 tests"}, "broke_tests", "2 tests"),
        ("encoding", {}, "file_form", "encoding"),
        ("unasked_commit", {}, "lost_work", "unasked_commit"),
        ("leaked", {}, "unsafe", "leaked"),
        ("error", {"detail": "no git"}, "setup_error", "no git"),
        ("error", {"exit_code": 3, "detail": "gone"}, "endpoint_error", "gone"),
        ("error", {"detail": "the endpoint is gone"}, "endpoint_error", "the endpoint is gone"),
        # Judged all the same, so the endpoint was not to blame: a prompt beyond the window, say.
        (FAILING, {"exit_code": 3, "detail": "1 failed"}, "gave_up", "ended with success"),
        (
            FAILING,
            {"exit_code": 3, "ended": "limit of tokens"},
            "out_of_tokens",
            "the limit of tokens was reached",
        ),
        # Ended by the proxy and killed behind its grace: that is no time limit.
        (
            FAILING,
            {"exit_code": None, "ended": "limit of steps", "agent": AIDER},
            "out_of_steps",
            "the limit of steps was reached",
        ),
        # Another agent's exit codes mean what it likes.
        (FAILING, {"exit_code": 3, "agent": AIDER}, "gave_up", "ended with success"),
        (
            FAILING,
            {"conduct": conduct(loops=2), "exit_code": 1},
            "circles",
            "stopped 2 times for going in circles",
        ),
        (
            FAILING,
            {"conduct": conduct(calls=3, unread_calls=3, edits=0), "changed": ()},
            "unreadable_calls",
            "3 calls of 3 unreadable",
        ),
        (
            FAILING,
            {"conduct": conduct(edits=2, failed_edits=2), "changed": ()},
            "edit_not_applied",
            "2 of 2 edits failed",
        ),
        (FAILING, {"conduct": conduct(edits=0), "changed": ()}, "no_edit", "no edit"),
        (FAILING, {"changed": ()}, "no_edit", "2 edits, and nothing differs in the end"),
        (
            "timeout",
            {"exit_code": None, "effort": effort(wall_s=1_200)},
            "out_of_time",
            "stopped at the time limit after 1,200 s",
        ),
        (
            "not_reported",
            {"exit_code": None},
            "out_of_time",
            "stopped at the time limit after 20 s",
        ),
        (
            FAILING,
            {"exit_code": 4, "ended": "error_max_turns", "effort": effort(steps=30)},
            "out_of_steps",
            "30 steps used",
        ),
        (
            FAILING,
            {"exit_code": 4, "ended": "error_budget"},
            "out_of_tokens",
            "8,300 tokens used",
        ),
        (
            FAILING,
            {
                "exit_code": 4,
                "ended": "error_budget",
                "detail": "the budget of 60 s is used up; raise --max-time to go on",
            },
            "out_of_time",
            "the budget of 60 s is used up; raise --max-time to go on",
        ),
        ("timeout", {}, "done_but_failing", "the check did not end"),
        (FAILING, {"detail": "2 of 5 tests fail"}, "done_but_failing", "2 of 5 tests fail"),
        (FAILING, {"changed": (), "category": "question"}, "done_but_failing", "the check fails"),
        ("not_reported", {}, "not_reported", "it did not say what stood in the way"),
        (
            FAILING,
            {"exit_code": 1, "ended": "error_during_execution"},
            "gave_up",
            "ended with error_during_execution",
        ),
    ],
)
def test_a_trial_has_the_class_of_what_went_wrong(
    reason: Reason, fields: dict[str, Any], kind: str, evidence: str
) -> None:
    found = classify(trial(reason=reason, **fields))

    assert (found.kind, found.evidence) == (kind, evidence)


@given(
    some.sampled_from(REASONS),
    some.sampled_from([None, 0, 1, 3, 4]),
    some.sampled_from(["", "success", "error_budget", "error_max_turns", "odd"]),
    some.builds(conduct, **{name: some.none() | some.integers(0, 3) for name in NONE}),
    some.lists(some.text(), max_size=2).map(tuple),
    some.text(),
    some.builds(Told, *[some.integers(0, 3)] * 4, *[some.text()] * 5),
)
def test_every_trial_has_exactly_one_class_and_one_line_of_evidence(
    reason: Reason,
    exit_code: int | None,
    ended: str,
    conducted: Any,
    changed: tuple[str, ...],
    detail: str,
    tells: Told,
) -> None:
    found = classify(
        trial(
            reason=reason,
            exit_code=exit_code,
            ended=ended,
            conduct=conducted,
            changed=changed,
            detail=detail,
        ),
        tells,
    )

    assert found.kind in KINDS
    assert (found.kind == "passed") is (reason == "pass")
    assert "\n" not in found.evidence
    assert len(found.evidence) <= EVIDENCE


def test_every_class_has_a_title_of_its_own() -> None:
    assert set(TITLES) == set(KINDS)
    assert len(set(TITLES.values())) == len(KINDS)


def test_the_journal_tells_what_the_agent_does_not(tmp_path: Path) -> None:
    write_journal(tmp_path, [*FIXING[:5], AssistantMessage("I cannot do it.")])

    found = classify(trial(reason=FAILING, conduct=conduct(**NONE), changed=()), told(tmp_path))

    assert (found.kind, found.evidence) == (
        "edit_not_applied",
        "1 of 1 edit failed, the last: `old_string` does not occur in shop/cart.py",
    )


def test_a_journal_counts_calls_and_edits(tmp_path: Path) -> None:
    write_journal(tmp_path / "sessions", FIXING)

    found = told(tmp_path)

    assert (found.calls, found.edits, found.failed, found.unread) == (3, 2, 1, 0)
    assert found.last_words == "The sum is right now."
    assert found.last_call == "edit(file_path=shop/cart.py, old_string=+ 1, new_string=)"


@pytest.mark.parametrize(
    "name, values",
    [
        ("invalid", {"tool": "edit", "detail": "A brace is missing.", "example": "{}"}),
        ("truncated", {"tool": "edit", "detail": "Its end is missing."}),
        ("nameless", {"detail": "Odd.", "tools": "edit"}),
        ("unknown", {"name": "edti", "tools": "edit"}),
    ],
)
def test_what_the_model_is_told_of_unread_calls_is_known(name: str, values: dict[str, str]) -> None:
    text = load(f"calls/{name}", **values)
    messages: list[Message] = [
        UserMessage("Go."),
        AssistantMessage(tool_calls=(ToolCall("1", "edit", "{"),)),
        ToolMessage("1", "edit", text, is_error=True),
    ]

    found = from_messages(messages)

    assert (found.calls, found.unread, found.edits) == (1, 1, 0)


def test_the_line_that_qcode_ended_with_is_evidence(tmp_path: Path) -> None:
    (tmp_path / "agent-1.jsonl").write_text(
        '{"type":"system"}\n{"type":"result","error":"the budget of 9 steps is used up; '
        'the work so far is kept; raise --max-steps to go on"}\n'
    )

    found = classify(trial(reason=FAILING, exit_code=4, ended="odd"), told(tmp_path))

    assert found.kind == "out_of_steps"
    assert found.evidence.startswith("the budget of 9 steps is used up")


def test_a_journal_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"type":"session","version":99}\n')
    (tmp_path / "b.jsonl").mkdir()

    assert (told(tmp_path), told(None)) == (Told(), Told())


def test_the_tools_that_edit_are_known() -> None:
    assert {"edit", "write_file", "multi_edit", "apply_patch"} <= editing_tools()
    assert "run_shell_command" not in editing_tools()
    assert edit_call(1).name in editing_tools()
