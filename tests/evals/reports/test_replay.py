"""One trial shown step by step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eval_results import (
    AIDER,
    FIXING,
    FIXING_ASKED,
    LARGE,
    QCODE,
    trial,
    write_journal,
    write_results,
)
from hostile import HOSTILE, obeyed

from qcode.errors import UsageError
from qcode.evals.reports.replay import find, replay, replay_html
from qcode.evals.reports.requested import requested
from qcode.evals.reports.results import Results, read
from qcode.evals.reports.steps import steps
from qcode.journal import loading
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage

PLACE = "trials/x/small-a/0"
DIFF = (
    "--- a/shop/cart.py\n+++ b/shop/cart.py\n-    return sum(prices) + 1\n+    return sum(prices)\n"
)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    failed = trial(reason="still_failing", detail="1 of 2 tests fails", artefacts=PLACE)
    folder = write_results(tmp_path / "results", [failed])
    place = folder / PLACE
    write_journal(place, FIXING, asked=FIXING_ASKED)
    (place / "changes.diff").write_text(DIFF)
    (place / "check.txt").write_text("E   assert 3 == 4\n1 failed, 1 passed\n")
    return read(folder)


def test_tries_that_were_forgotten_are_steps_too(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "results", [trial(artefacts=PLACE)])
    first, second = AssistantMessage("The first."), AssistantMessage("The second.")
    tries = (UserMessage("Fix it."), first, UserMessage("Fix it."), second)
    path = write_journal(folder / PLACE, tries, asked={1: FIXING_ASKED[1], 3: FIXING_ASKED[3]})
    lines = path.read_text().splitlines(keepends=True)
    at = next(place for place, line in enumerate(lines) if "The first." in line) + 2
    path.write_text("".join([*lines[:at], '{"type":"fresh"}\n', *lines[at:]]))
    results = read(folder)

    shown = replay(results, results.trials[0])

    assert [line for line in shown.splitlines() if line.startswith(("── step", "  The"))] == [
        line.ljust(78, "─") if line[0] == "─" else line for line in (
            "── step 1 · 03:04:01 · 2.5 s · read 1,200 · wrote 40 · $0.0010 ",
            "  The first.",
            "── step 2 · 03:04:03 · 1.5 s · read 200 · cached 1,200 · wrote 60 · $0.0010 ",
            "  The second.",
        )
    ]  # fmt: skip


def test_a_trial_is_shown_step_by_step(results: Results) -> None:
    shown = replay(results, results.trials[0]).splitlines()

    text = "\n".join(shown)
    assert shown[0] == "small-a#0 qcode@0.1.0 × qwen2.5-coder-1.5b"
    assert "1 of 2 tests fails" in shown[1]
    rules = [line.rstrip("─═") for line in shown if line.startswith(("──", "══"))]
    assert rules == [
        "── step 1 · 03:04:01 · 2.5 s · read 1,200 · wrote 40 · $0.0010 ",
        "── step 2 · 03:04:03 · 1.5 s · read 200 · cached 1,200 · wrote 60 · $0.0010 ",
        "── step 3 · 03:04:05 · 1.2 s · read 100 · cached 1,400 · wrote 60 · $0.0010 ",
        "── step 4 · 03:04:07 · 0.5 s · read 100 · cached 1,500 · wrote 20 · $0.0010 ",
        "══ changes.diff ",
        "══ check.txt ",
        "",
    ]
    for part in (
        "person> Fix the sum in shop/cart.py.",
        "· The sum starts at one, perhaps.",
        "▸ read_file(file_path=shop/cart.py)",
        "  ◂ def total(prices):",
        "    - +1",
        "  ✗ `old_string` does not occur in shop/cart.py",
        "  The sum is right now.",
        "+    return sum(prices)",
        "E   assert 3 == 4",
    ):
        assert part in text


def test_long_results_are_cut_unless_all_is_asked_for(tmp_path: Path) -> None:
    folder = write_results(tmp_path, [trial(artefacts="t")])
    long = "\n".join(f"line {number}" for number in range(100))
    messages: list[Message] = [
        UserMessage("Go."),
        AssistantMessage(tool_calls=(ToolCall("1", "read_file", "{}"),)),
        ToolMessage("1", "read_file", long),
    ]
    write_journal(folder / "t", messages)
    found = read(folder)

    short, whole = (replay(found, found.trials[0], whole=each) for each in (False, True))

    assert "line 99" not in short
    assert "… 86 more lines" in short
    assert "line 99" in whole


def test_what_another_agent_left_is_shown(tmp_path: Path) -> None:
    folder = write_results(tmp_path, [trial(agent=AIDER, artefacts="t")])
    (folder / "t").mkdir()
    (folder / "t/prompt.txt").write_text("Fix it.")
    (folder / "t/agent.out").write_text("Applied edit to a.py")
    (folder / "t/answer.txt").write_text("Done.")
    found = read(folder)

    shown = replay(found, found.trials[0])

    for part in ("══ prompt.txt", "Fix it.", "══ agent.out", "Applied", "══ answer.txt", "Done."):
        assert part in shown


def test_of_what_nothing_is_kept_the_figures_are_shown(tmp_path: Path) -> None:
    found = read(write_results(tmp_path, [trial(exit_code=None)]))

    assert replay(found, found.trials[0]).splitlines()[2:] == [
        "20 s · seed 7 · 4 steps · 8,300 tokens · $0.0100 · stopped at the time limit · success",
        "changed: shop/cart.py",
        "nothing is kept of it",
    ]


def test_two_sessions_of_one_trial_are_shown_one_behind_the_other(tmp_path: Path) -> None:
    folder = write_results(tmp_path, [trial(artefacts="t")])
    write_journal(folder / "t", [UserMessage("Second.")], name="20260102-030500-000aaaa")
    write_journal(folder / "t", [UserMessage("First."), AssistantMessage("Done.")])
    found = read(folder)

    shown = replay(found, found.trials[0])

    assert "══ session 1 of 2" in shown
    assert "══ session 2 of 2" in shown


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
def test_what_a_model_wrote_is_not_obeyed_by_the_terminal(words: str, tmp_path: Path) -> None:
    folder = write_results(tmp_path, [trial(artefacts="t", detail=words, reason="timeout")])
    arguments = json.dumps({"file_path": words, "old_string": words})
    write_journal(
        folder / "t",
        [
            UserMessage(words),
            AssistantMessage(words, words, (ToolCall("1", "edit", arguments),)),
            ToolMessage("1", "edit", words),
        ],
    )
    (folder / "t/changes.diff").write_bytes(words.encode("utf-8", "surrogatepass"))
    found = read(folder)

    shown = replay(found, found.trials[0], whole=True)

    assert obeyed(shown.encode()) == []


def test_steps_know_their_requests_only_where_all_are_noted(tmp_path: Path) -> None:
    asked = {place: each for place, each in FIXING_ASKED.items() if place != 3}
    session = loading.load(write_journal(tmp_path, FIXING, asked=asked))

    found = steps(session)

    assert [step.number for step in found] == [1, 2, 3, 4]
    assert [bool(step.asked) for step in found] == [True, False, True, True]
    assert [step.asked.duration_s if step.asked else 0 for step in found] == [None, 0, None, None]
    assert [len(step.results) for step in found] == [1, 1, 1, 0]


def test_a_page_is_made_of_its_session(results: Results, tmp_path: Path) -> None:
    (path,) = replay_html(results, results.trials[0], tmp_path / "run.html")

    text = path.read_text()
    assert text.startswith("<!doctype html>")
    assert "The sum is right now." in text
    with pytest.raises(UsageError, match="--force"):
        replay_html(results, results.trials[0], path)
    assert replay_html(results, results.trials[0], path, force=True) == [path]


def test_without_a_journal_there_is_no_page(tmp_path: Path) -> None:
    found = read(write_results(tmp_path, [trial()]))

    with pytest.raises(UsageError, match="no journal is kept of `small-a#0`"):
        replay_html(found, found.trials[0], tmp_path / "run.html")


MANY = [
    trial("a", number=0),
    trial("a", "timeout", number=1),
    trial("b", model=LARGE),
    trial("b", agent=AIDER),
    trial("c#d"),
]


@pytest.mark.parametrize(
    "name, agent, model, key",
    [
        ("a", "", "", ("a", 1)),  # the one that did not pass
        ("a#0", "", "", ("a", 0)),
        ("b", "aider", "", ("b", 0)),
        ("b#0", "", "30b", ("b", 0)),
        ("c#d", "", "", ("c#d", 0)),
        ("c#d#0", "", "", ("c#d", 0)),
    ],
)
def test_a_trial_is_found_by_its_name(
    name: str, agent: str, model: str, key: tuple[str, int], tmp_path: Path
) -> None:
    found = find(read(write_results(tmp_path, MANY)), name, agent=agent, model=model)

    assert (found.task, found.number) == key


@pytest.mark.parametrize(
    "name, why",
    [
        ("none", "no trial of `none`; there are: a, b, c#d"),
        ("a#7", "no such trial of `a`; there are #0, #1 of: "),
        ("b", "several tried `b`: aider@0.86.1 × qwen2.5-coder-1.5b; qcode@0.1.0 × "),
    ],
)
def test_a_trial_that_is_not_found_is_told_in_one_line(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find(read(write_results(tmp_path, MANY)), name)

    assert str(caught.value).startswith(why)
    assert QCODE in str(caught.value) or name == "none"


def test_another_agents_requests_tell_its_steps(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "bash", "arguments": '{"c": "ls"}'}}
    first = [{"role": "system", "content": "Be good."}, {"role": "user", "content": "Fix it."}]
    second = [
        *first,
        {"role": "assistant", "content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "cart.py"}]},
    ]
    folder = write_results(tmp_path, [trial(agent=AIDER, artefacts="t")])
    (folder / "t").mkdir()
    bodies = [first, first, second]  # the first one failed, and was sent once more
    lines = [
        json.dumps({"number": number, "path": "/v1", "body": {"messages": body}})
        for number, body in enumerate(bodies, 1)
    ]
    (folder / "t/requests.jsonl").write_text("\n".join([*lines, '"odd"', "{torn"]))
    counted = {"number": 2, "seconds": 2.5, "read_tokens": 90, "cached_tokens": 10}
    (folder / "t/counted.jsonl").write_text(json.dumps({**counted, "written_tokens": 7}))
    (folder / "t/answer.txt").write_text("Done.")
    found = read(folder)

    shown = replay(found, found.trials[0]).splitlines()

    at = next(number for number, line in enumerate(shown) if line.startswith("── step 1"))
    assert [line.rstrip("─═ ") for line in shown[at:]] == [
        "── step 1 · 2.5 s · read 90 · cached 10 · wrote 7",
        "person> Fix it.",
        "  I look.",
        "▸ bash(c=ls)",
        "  ◂ cart.py",
        "── step 2",
        "══ answer.txt",
        "Done.",
        "",
    ]


def test_requests_of_the_responses_api_tell_the_same(tmp_path: Path) -> None:
    said = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go."}]}]
    answered = [
        *said,
        {"type": "message", "role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "1", "name": "shell", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "a.py"},
    ]
    lines = [json.dumps({"input": each}) for each in (said, answered)]
    (tmp_path / "requests.jsonl").write_text("\n".join(lines))

    found = requested(tmp_path)

    assert [step.sent for step in found] == [(UserMessage("Go."),), ()]
    assert found[0].answer == AssistantMessage("I look.", "", (ToolCall("1", "shell", "{}"),))
    assert found[0].results == (ToolMessage("1", "", "a.py"),)


@pytest.mark.parametrize("content", ["", "[]", '{"body": 3}', '{"body": {"messages": {}}}', "\xff"])
def test_requests_that_say_nothing_are_no_steps(content: str, tmp_path: Path) -> None:
    (tmp_path / "requests.jsonl").write_text(content, encoding="latin-1")

    assert requested(tmp_path) == []
    assert requested(tmp_path / "none") == []
