"""What a command prints, as the model and the person get it."""

from __future__ import annotations

import time

import pytest
from effort import unit_s
from hypothesis import given
from hypothesis import strategies as st

from qcode.tools.output import LiveText, clean


@pytest.mark.parametrize(
    "printed, text",
    [
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]52;c;ZXZpbA==\x07copied", "copied"),
        (b"\x1bPq\x1b\\\x1b_Gx\x1b\\image", "image"),
        (b" 10%\r 55%\r100%\ndone\r\n", "100%\ndone\n"),
        (b"waits\r", "waits"),
        (b"raw \x9b31m c1, \xff\xfe and \x00", "raw \ufffd31m c1, \ufffd\ufffd and "),
        ("do\u200b this \U000e0069\U000e0067".encode(), r"do\u{200b} this \u{e0069}\u{e0067}"),
        ("right \u202e left".encode(), r"right \u{202e} left"),
        ("naïve 日本 👩‍👧".encode(), "naïve 日本 👩‍👧"),
    ],
)
def test_the_model_gets_text_that_hides_nothing(printed: bytes, text: str) -> None:
    assert clean(printed) == text


@pytest.mark.parametrize("piece", [b"x", b"\r", b"x\r", b"\x1b]", b"\x1b[0", "\u200d".encode()])
def test_the_time_grows_with_the_output_only(piece: bytes) -> None:
    begin = time.thread_time()

    clean(b"\r" + piece * (300_000 // len(piece)))

    assert time.thread_time() - begin < 100 * unit_s()


@given(st.lists(st.binary(max_size=20)), st.integers(1, 7))
def test_the_live_text_is_the_same_however_it_is_cut(parts: list[bytes], size: int) -> None:
    whole = b"".join(parts)
    once, cut = LiveText(10_000), LiveText(10_000)
    once.add(whole)
    shown = ""
    for at in range(0, len(whole), size):
        cut.add(whole[at : at + size])
        shown += cut.take()

    assert shown + cut.take(last=True) == once.take(last=True)


def test_of_a_flood_whole_lines_of_its_end_are_live() -> None:
    live = LiveText(100)
    for number in range(1000):
        live.add(b"line %d sk-secret\n" % number)

    lines = live.take().splitlines()

    assert lines[-1] == "line 999 sk-secret"
    assert set(lines) <= {f"line {number} sk-secret" for number in range(1000)}
    assert 1 < len(lines) < 10


def test_a_flood_without_a_line_is_not_shown_in_pieces() -> None:
    live = LiveText(100)
    live.add(b"x" * 250)
    live.add(b"y" * 10)

    assert live.take() == ""

    live.add(b"z\nnext")

    assert live.take() == "next"
