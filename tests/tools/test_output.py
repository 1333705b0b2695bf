"""What a command prints, as the model and the person get it."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from effort import unit_s
from hypothesis import given
from hypothesis import strategies as st

from qcode.tools.output import LiveText, Output, _lines_with, clean, log_opener
from qcode.tools.sizes import Sizes


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


@pytest.fixture
def flood(tmp_path: Path) -> Callable[[Mapping[int, bytes]], Output]:
    """Return what makes an output of 40,000 lines, some of them given."""

    def made(lines: Mapping[int, bytes]) -> Output:
        output = Output(log_opener(tmp_path, "out"), sizes=Sizes(output_head=200, output_tail=300))
        for number in range(40_000):
            output.add(lines.get(number, b"step %d: unit_%d.o, errors=0, ok" % (number, number)))
            output.add(b"\n")
        return output

    return made


def test_of_a_failed_flood_the_lines_that_say_why_are_shown(
    flood: Callable[[Mapping[int, bytes]], Output],
) -> None:
    lines = {
        25_000: b"\x1b[31m[build] ERROR: the total is 500\x1b[0m",
        25_001: b"error " + b"x" * 3_000_000,
        25_002: b"KeyError: 'a' and an error",
        30_000: b"KeyError: 'a' and an error",
        30_001: b"MIIEpAIBAAKCAQEA7b/error+FATAL/Error+xyzxyz==",
    }
    shown = flood(lines).shown(failed=True).text.split("\n")
    at = shown.index("[lines of that:]")

    assert shown[at + 1 : at + 4] == [
        "[build] ERROR: the total is 500", "KeyError: 'a' and an error", "[... and so on ...]",
    ]  # fmt: skip
    assert shown[0].startswith("step 0:")
    assert shown[-1].startswith("step 39999:")
    assert sum(map(len, shown)) < 1000


def test_of_a_flood_that_did_not_fail_or_says_nothing_they_are_not(
    flood: Callable[[Mapping[int, bytes]], Output],
) -> None:
    said = flood({25_000: b"ERROR: the total is 500"})
    assert "ERROR" not in said.shown().text
    assert "[lines of that:]" not in flood({}).shown(failed=True).text
    same = dict.fromkeys(range(10_000, 30_000), b"ERROR: no connection")
    assert flood(same).shown(failed=True).text.count("ERROR") == 1
    many = {number: b"ERROR: %d" % number for number in range(10_000, 30_000)}
    assert flood(many).shown(failed=True).text.count("ERROR") == 8


@given(st.lists(st.binary(min_size=0, max_size=700), max_size=8), st.binary(max_size=9))
def test_lines_are_found_whole_however_they_lie(parts: list[bytes], junk: bytes) -> None:
    lines = [part.replace(b"\n", b" ") for part in parts]
    data = junk.replace(b"\n", b" ") + b"\n" + b"".join(line + b"\n" for line in lines)
    found = list(_lines_with(re.compile(rb"[a-f]"), Slowly(data), len(data)))

    want = [line + b"\n" for line in lines if re.search(rb"[a-f]", line) and len(line) < 500]
    assert found == want


class Slowly(io.BytesIO):
    """Gives a few bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 64))
