"""Nothing a terminal would obey gets through."""

from __future__ import annotations

import json
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wcwidth import wcswidth

from qcode.ui.printable import Printing, encodable, fit, one_line, printable, safe_json


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
        ("\x1bc\x1b7\x1b=after", "after"),
        ("bell\x07 back\x08 nul\x00 del\x7f", "bell back nul del"),
        ("one\r\ntwo", "one\ntwo"),
        ("safe\rrm -rf ~", "safe\nrm -rf ~"),
        ("a\u202eb\u2066c", r"a\u{202e}b\u{2066}c"),
        ("half \ud83d pair", r"half \u{d83d} pair"),
        ("c1 \x85 \x9d", "c1 \ufffd \ufffd"),
        ("\x1b\x1b[0m[2J", "␛[2J"),
        ("tag \U000e0041, byte \U000e0101", r"tag \u{e0041}, byte \u{e0101}"),
        ("a\u200bb\u200dc\ufeff", r"a\u{200b}b\u{200d}c\u{feff}"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("☎\ufe0f\ufe0e", "☎\ufe0f\\u{fe0e}"),
        ("private \ue0b0", r"private \u{e0b0}"),
    ],
)
def test_control_characters_are_left_out_or_made_visible(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters(codec=None)))
def test_no_control_character_survives_whatever_comes(text: str) -> None:
    left = {c for c in printable(text) if category(c) in ("Cc", "Cs")}

    assert left <= {"\t", "\n"}
    printable(text).encode("utf-8")


PARTS = st.sampled_from(
    [
        *("\x1b", "[", "]", "P", "0;", "31m", "\x07", "\\", "\x9b", "\x9c", "\x9d", " ", "c"),
        *("\r", "\n", "\u200d", "\u200c", "\ufe0f", "👩", "é", "\u202e", "\ud83d", "word"),
    ]
)


@example(["\U0002ebe1", "\u200d\ufe0f"])  # of no category in older tables
@example(["\U0001bca0", "\u200d\U0001f469"])
@given(st.lists(st.lists(PARTS).map("".join) | st.text(st.characters(codec=None))))
def test_pieces_come_to_what_the_whole_does(pieces: list[str]) -> None:
    printing = Printing()

    shown = "".join([*map(printing.feed, pieces), printing.flush()])

    assert shown == printable("".join(pieces))


def test_a_sequence_that_never_ends_is_shown_and_not_kept_for_ever() -> None:
    printing = Printing()

    shown = "".join(printing.feed("\x1b]52;c;" if n == 0 else "QUJD") for n in range(5000))

    assert shown.startswith("␛]52;c;QUJD")
    assert len(shown + printing.flush()) == len("␛]52;c;") + 4 * 4999


@given(st.recursive(st.text(st.characters(codec=None)), st.lists))
def test_json_says_the_same_without_what_a_terminal_obeys(value: object) -> None:
    text = safe_json(json.dumps(value, ensure_ascii=False))

    assert json.loads(text) == value
    assert all(c.isprintable() or category(c) in ODD for c in text)


ODD = ("Cn", "Zs", "Cf")  # unassigned, wide spaces, and signs that format but are read


@example("00\u093e0", 3)
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
