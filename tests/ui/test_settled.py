from __future__ import annotations

from collections.abc import Mapping

from prompt_toolkit.formatted_text import ANSI, to_formatted_text
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.styles import Attrs, Style
from prompt_toolkit.utils import get_cwidth

from qcode.ui.printable import fits_surely
from qcode.ui.settled import rest, shared


def row(styled: str) -> Mapping[int, Char]:
    """Return what a line looks like once it is drawn."""
    cells: dict[int, Char] = {}
    at = 0
    for style, text, *_ in to_formatted_text(ANSI(styled)):
        for character in text:
            cells[at] = Char(character, style)
            for more in range(1, get_cwidth(character)):
                cells[at + more] = Char("")
            at += get_cwidth(character)
    return cells


def look(style: str) -> Attrs:
    return Style([]).get_attrs_for_style_str(style)


def test_a_line_that_stands_there_is_not_sent_again() -> None:
    line = "say \x1b[1mit\x1b[0m once"

    assert shared(line, row(line), look) == 11
    assert rest(line, 11) == ""


def test_what_is_missing_is_sent_in_its_style() -> None:
    line = "\x1b[1m\x1b[31mred and bold\x1b[0m plain"

    assert shared(line, row("\x1b[1m\x1b[31mred an"), look) == 6
    assert rest(line, 6) == "\x1b[1m\x1b[31md bold\x1b[0m plain"
    assert rest(line, 14) == "lain"


def test_a_part_that_looks_otherwise_now_is_sent_again() -> None:
    assert shared("a \x1b[1mbold\x1b[0m word", row("a bold wo"), look) == 2


def test_another_line_has_nothing_to_share() -> None:
    assert shared("one", row("other"), look) is None
    assert shared("one", row("one and more"), look) is None
    assert shared("", row("one"), look) is None


def test_wide_characters_take_two_columns() -> None:
    assert shared("你好 there", row("你好"), look) == 4
    assert rest("你好 there", 4) == " there"


def test_a_line_fits_surely_if_no_terminal_can_break_it() -> None:
    assert fits_surely("\x1b[1m" + 80 * "x" + "\x1b[0m", 80)
    assert fits_surely(80 * "─", 80)
    assert not fits_surely(81 * "x", 80)
    assert not fits_surely(41 * "☑", 80)  # one column or two
    assert not fits_surely("a\tb", 80)
