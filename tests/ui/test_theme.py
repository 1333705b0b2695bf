"""Colours that can be read, and none where there are none."""

from __future__ import annotations

import pytest
from rich.color import Color, ColorSystem

from qcode.ui.printable import fit, width
from qcode.ui.runs import chopped, expanded, length, paint, wrapped
from qcode.ui.theme import MARKS, NONE, ROLES, Depth, Theme, choose

GROUNDS = {"dark": "#1e1e1e", "light": "#ffffff"}
TRUE = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


def luminance(colour: str) -> float:
    channels = [value / 255 for value in Color.parse(colour).get_truecolor()]
    red, green, blue = (
        value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ground", ["dark", "light"])
@pytest.mark.parametrize("role", ROLES)
def test_text_can_be_read_on_its_ground(role: str, ground: str) -> None:
    full = getattr(ROLES[role], ground)
    text, _, tint = full.partition(" on ")
    if text.strip():
        shown = Color.parse(text).downgrade(ColorSystem.EIGHT_BIT).get_truecolor()
        assert contrast(shown.hex, GROUNDS[ground]) >= 4.5
    if tint:
        plain = "#d4d4d4" if ground == "dark" else "#222222"
        assert contrast(plain, tint) >= 4.5


@pytest.mark.parametrize(
    "environment, ground, depth",
    [
        (TRUE, "dark", Depth.TRUE),
        (TRUE | {"COLORFGBG": "0;15"}, "light", Depth.TRUE),
        (TRUE | {"COLORFGBG": "15;default;0"}, "dark", Depth.TRUE),
        (TRUE | {"COLORFGBG": "nonsense"}, "dark", Depth.TRUE),
        ({"TERM": "screen-256color"}, "dark", Depth.MANY),
        ({"TERM": "linux"}, "dark", Depth.SIXTEEN),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, "none", Depth.NONE),
        ({}, "none", Depth.NONE),
        (TRUE | {"NO_COLOR": "1"}, "none", Depth.NONE),
    ],
)
def test_a_theme_is_chosen_by_the_environment(
    environment: dict[str, str], ground: str, depth: Depth
) -> None:
    assert choose(environment) == Theme(ground, depth)  # type: ignore[arg-type]


def test_what_is_read_out_has_words_and_no_colours() -> None:
    theme = choose(TRUE, spoken=True)

    assert not theme.colour
    assert all(theme.mark(name).isascii() for name in MARKS if name != "more")
    assert theme.paint("x", "error") == "x"


def test_a_style_is_all_its_roles() -> None:
    theme = Theme("dark", Depth.SIXTEEN)

    assert theme.code("strong error") == "1;31"
    assert theme.paint("x\n", "error") == "\x1b[31mx\x1b[0m\n"
    assert NONE.code("strong error") == ""
    with pytest.raises(KeyError):
        theme.code("eror")


def test_a_tint_has_all_its_colours_only_where_there_are() -> None:
    assert Theme("dark", Depth.TRUE).code("added_line") == "48;2;18;48;28"
    assert Theme("dark", Depth.SIXTEEN).code("added_line") == ""


def test_a_line_ends_without_a_style() -> None:
    theme = Theme("dark", Depth.SIXTEEN)

    assert paint([("a", ""), ("b", "error"), ("c", "ok"), ("d", "")], theme) == (
        "a\x1b[31mb\x1b[0;32mc\x1b[0md"
    )
    assert paint([("a", "error")], theme) == "\x1b[31ma\x1b[0m"


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "工具",
        "é",
        "e\u0301",
        "😀",
        "👩‍🚀",
        "❤\ufe0f",
        "🇩🇪",
        "½",
        "→",
        "ﬁ",
        "가",
        "ｱ",
        "…",
        "│",
    ],
)
def test_no_text_is_wider_than_it_is_taken_for(text: str) -> None:
    from rich.cells import cell_len
    from wcwidth import wcswidth

    assert width(text) >= max(cell_len(text), wcswidth(text))
    assert width(fit(text * 9, 7)) <= 7


def test_lines_are_broken_between_words_and_wide_signs() -> None:
    assert wrapped([("one ", "a"), ("two", "b"), ("three", "c")], 9) == [
        [("one", "a")],
        [("two", "b"), ("three", "c")],
    ]
    assert wrapped([("工具，工具", "")], 7) == [[("工具，", "")], [("工具", "")]]
    assert wrapped([("a\n\nb", "")], 7) == [[("a", "")], [], [("b", "")]]
    assert wrapped([("abcdefgh", "")], 3) == [[("abc", "")], [("def", "")], [("gh", "")]]


def test_code_is_broken_where_the_columns_end() -> None:
    assert chopped([("a  ", ""), ("bc", "x")], 4) == [[("a  ", ""), ("b", "x")], [("c", "x")]]
    assert chopped([("工具", "")], 3) == [[("工", "")], [("具", "")]]
    assert [length(line) for line in chopped([("工", "")], 1)] == [2]


def test_tabs_are_blanks_to_the_next_stop() -> None:
    assert expanded("a\tb\t工\tc") == "a   b   工  c"
