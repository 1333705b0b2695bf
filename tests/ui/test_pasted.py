from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.ui.pasted import CHARACTERS, LINES, Pasted, dragged


@given(st.lists(st.text(st.sampled_from("ab\n\r[]#1:"), max_size=60) | st.just("x\n" * LINES * 2)))
def test_what_is_sent_is_what_was_pasted(pieces: list[str]) -> None:
    pasted = Pasted()

    line = " ".join(map(pasted.fold, pieces))

    assert pasted.unfold(line) == " ".join(
        piece.replace("\r\n", "\n").replace("\r", "\n") for piece in pieces
    )


def test_long_pastes_are_folded_and_short_ones_are_not() -> None:
    pasted = Pasted()

    assert pasted.fold("a\n" * LINES) == "a\n" * LINES
    assert pasted.fold("a\n" * (LINES + 1)) == "[pasted #1: 9 lines]"
    assert pasted.fold("a" * (CHARACTERS + 1)) == "[pasted #2: 2,001 characters]"
    assert pasted.unfold("[pasted #3: 9 lines]") == "[pasted #3: 9 lines]"
    pasted.forget()
    assert pasted.unfold("[pasted #1: 9 lines]") == "[pasted #1: 9 lines]"


@pytest.mark.parametrize(
    "text, mention",
    [
        ("/w/a.png", "@/w/a.png"),
        ("'/w/my shot.png' ", '@"/w/my shot.png"'),
        ("/w/my\\ shot.png", '@"/w/my shot.png"'),
        ("file:///w/my%20shot.png", '@"/w/my shot.png"'),
        ("/w/my shot.png", '@"/w/my shot.png"'),
        ("a.png", None),
        ("/w/gone.png", None),
        ("/w/a.png\n/w/a.png", None),
        ("it's", None),
        ("", None),
    ],
)
def test_a_dropped_file_becomes_a_mention(text: str, mention: str | None) -> None:
    there = ("/w/a.png", "/w/my shot.png")

    assert dragged(text, there.__contains__) == mention
