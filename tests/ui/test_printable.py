"""Nothing a terminal would obey gets through."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from qcode.ui.printable import encodable, fit, one_line, printable


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain\n\ttext, 日本語, 👩‍👩‍👧 and العربية", "plain\n\ttext, 日本語, 👩‍👩‍👧 and العربية"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;ZXZpbA==\x1b\\after", "after"),
        ("\x1bP1;2|dcs\x1b\\after", "after"),
        ("\x1b(0after", "after"),
        ("cut \x1b]0;title", "cut ␛]0;title"),
        ("cut \x1b[3", "cut ␛[3"),
        ("\x1bc", "␛c"),
        ("bell\x07 back\x08 nul\x00 del\x7f", "bell␇ back␈ nul␀ del␡"),
        ("one\r\ntwo", "one\ntwo"),
        ("safe\rrm -rf ~", "safe\nrm -rf ~"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("c1 \x85 \x9d", "c1 \ufffd \ufffd"),
    ],
)
def test_control_characters_are_left_out_or_made_visible(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters(codec=None)))
def test_no_control_character_survives_whatever_comes(text: str) -> None:
    left = {c for c in printable(text) if unicodedata.category(c) in ("Cc", "Cs")}

    assert left <= {"\t", "\n"}
    printable(text).encode("utf-8")


@given(st.lists(st.text()))
def test_pieces_are_as_safe_as_the_whole(pieces: list[str]) -> None:
    shown = "".join(printable(piece) for piece in pieces)

    assert "\x1b" not in shown
    assert "\r" not in shown


@given(st.text(st.characters(codec="utf-8")), st.integers(1, 60))
def test_a_line_never_takes_more_columns_than_it_may(text: str, columns: int) -> None:
    assert wcswidth(one_line(text, columns)) <= columns


@pytest.mark.parametrize(
    "line, columns, shown",
    [
        ("short", 10, "short"),
        ("exactly ten", 11, "exactly ten"),
        ("one too many", 11, "one too ma…"),
        ("日本語日本語", 12, "日本語日本語"),
        ("日本語日本語", 11, "日本語日本…"),
        ("日本語日本語", 10, "日本語日…"),
        ("", 0, ""),
        ("anything", 0, ""),
    ],
)
def test_wide_characters_count_as_two_columns(line: str, columns: int, shown: str) -> None:
    assert fit(line, columns) == shown


def test_what_cannot_be_encoded_is_replaced() -> None:
    assert encodable("a\udcffb") == "a?b"
