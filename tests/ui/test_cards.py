"""Tool calls, lists and reasoning in a few lines."""

from __future__ import annotations

import json

import pytest
from hostile import HOSTILE, obeyed
from hypothesis import given
from hypothesis import strategies as st

from qcode.events import ToolFinished
from qcode.messages import ToolCall, ToolMessage
from qcode.ui import cards
from qcode.ui.cards import REASONING_CHARACTERS, TODOS, Reasoning
from qcode.ui.runs import Line, length, paint
from qcode.ui.theme import NONE, Depth, Theme

DARK = Theme("dark", Depth.SIXTEEN)
SPOKEN = Theme("none", Depth.NONE, spoken=True)
EDIT = ToolCall("c1", "edit", "{}")


def said(line: Line) -> str:
    return paint(line, NONE)


def ended(
    summary: str = "3 lines changed", *, error: bool = False, took: float = 0.2
) -> ToolFinished:
    return ToolFinished(ToolMessage("c1", "edit", "text\nmore", error), summary, "", took)


def test_a_call_is_a_line_at_its_begin_and_one_at_its_end() -> None:
    assert said(cards.started(EDIT, "src/app.py", DARK, 60)) == "● edit src/app.py"
    assert said(cards.finished(ended(), DARK, 60)) == "  ✓ 3 lines changed"
    assert said(cards.finished(ended(took=2.04), DARK, 60, step=4)) == (
        "  ✓ 3 lines changed (2.0 s) · step 4"
    )
    assert said(cards.finished(ended(""), DARK, 60, whose="a.py")) == "  ✓ edit a.py: text"


def test_what_failed_is_all_in_its_colour() -> None:
    assert cards.finished(ended("no", error=True, took=1), DARK, 60) == [
        ("  ✗ no (1.0 s)", "error"),
    ]


def test_what_is_read_out_has_words() -> None:
    assert said(cards.started(EDIT, "a.py", SPOKEN, 60)) == "start: edit a.py"
    assert said(cards.finished(ended(), SPOKEN, 60)) == "  done: 3 lines changed"
    assert said(cards.finished(ended(error=True), SPOKEN, 60)) == "  failed: 3 lines changed"


def test_the_step_is_told_however_long_the_summary_is() -> None:
    line = said(cards.finished(ended("word " * 30), DARK, 30, step=4))

    assert line.endswith("… · step 4")
    assert len(line) == 30


def test_output_is_folded_in_the_middle() -> None:
    text = "".join(f"{n}\n" for n in range(20))

    shown = cards.output(text, DARK, 60, head=2, tail=1, pointer="Ctrl-O shows all")

    assert list(map(said, shown)) == [
        *("  │ 0", "  │ 1", "  │ … 17 more lines (Ctrl-O shows all)", "  │ 19"),
    ]
    assert len(cards.output("1\n2\n3\n4", DARK, 60, head=2, tail=1)) == 4
    assert cards.output("\n", DARK, 60) == []


def test_a_list_of_things_to_do_has_marks() -> None:
    states = ["completed", "in_progress", "pending"]
    given = {"todos": [{"content": f"do {s}", "status": s} for s in states]}

    assert list(map(said, cards.todos(json.dumps(given), DARK, 60))) == [
        *("    ☑ do completed", "    ▶ do in_progress", "    ☐ do pending"),
    ]
    assert [said(line).split()[0] for line in cards.todos(json.dumps(given), SPOKEN, 60)] == [
        *("done:", "doing:", "open:"),
    ]


def test_a_long_list_is_bounded() -> None:
    given = {"todos": [{"content": "x", "status": "pending"}] * (TODOS + 5)}

    assert said(cards.todos(json.dumps(given), DARK, 60)[-1]) == "    … 5 more"


@pytest.mark.parametrize("arguments", ["", "no", "[]", "1", '{"todos": 3}', '{"todos": [1]}'])
def test_what_is_no_list_of_things_to_do_is_not_shown_as_one(arguments: str) -> None:
    assert cards.todos(arguments, DARK, 60) == []


def test_reasoning_is_folded_to_how_much_it_was() -> None:
    reasoning = Reasoning()
    for piece in ("I thi", "nk ", "so", ".\n"):
        reasoning.add(piece)

    assert said(cards.thought(reasoning, 3.21, DARK, 60, pointer="Ctrl-R shows")) == (
        "∴ thought for 3.2 s, 3 words (Ctrl-R shows)"
    )
    assert reasoning.text == "I think so.\n"
    assert reasoning.end(5) == "so."


@given(st.lists(st.text("a b\n", max_size=5)))
def test_words_are_counted_over_pieces(pieces: list[str]) -> None:
    reasoning = Reasoning()
    for piece in pieces:
        reasoning.add(piece)

    assert reasoning.words == len("".join(pieces).split())


def test_what_is_kept_of_reasoning_is_bounded() -> None:
    reasoning = Reasoning()
    for number in range(100_000):
        reasoning.add(f"word{number} ")

    assert reasoning.words == 100_000
    assert len(reasoning.text) == REASONING_CHARACTERS
    assert reasoning.text.startswith("…")
    assert reasoning.text.endswith("word99999 ")
    assert sum(map(len, reasoning._pieces)) <= 2 * REASONING_CHARACTERS


@pytest.mark.parametrize("columns", [1, 5, 40])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_of_a_call_is_obeyed_or_too_wide(text: str, columns: int) -> None:
    call = ToolCall("c1", text, json.dumps({"todos": [{"content": text, "status": text}]}))
    event = ToolFinished(ToolMessage("c1", text, text, is_error=False), text, "", 2.0)

    lines = [
        cards.started(call, text, DARK, columns),
        cards.finished(event, DARK, columns, step=3, whose=text),
        *cards.output(text, DARK, columns),
        *cards.todos(call.arguments, DARK, columns),
    ]

    assert max(map(length, lines)) <= columns
    assert obeyed("\n".join(paint(line, DARK) for line in lines).encode()) == []
