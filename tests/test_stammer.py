from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from qcode.stammer import LEAST_CHARS, Stammer


def hears(text: str, size: int = 7) -> int:
    """Return how many characters came before it was noticed; -1 if it was not."""
    stammer = Stammer()
    for at in range(0, len(text), size):
        if stammer.hears(text[at : at + size]):
            return at + size
    return -1


@pytest.mark.parametrize(
    "again", ["a", "\n", "x = 1\n", "assert f(1) == 2\n", "def f(x):\n    return x\n\n"]
)
def test_the_same_again_and_again_is_noticed_soon(again: str) -> None:
    before = "It is as follows.\n" * 2

    assert 0 < hears(before + again * 5_000) < LEAST_CHARS + 800


def numbered(lines: Iterable[int]) -> str:
    return "".join(f"def test_{n}():\n    assert f({n}) == {n + 1}\n\n" for n in lines)


@pytest.mark.parametrize(
    "text",
    [numbered(range(500)), "-" * 1_000, "[0, 0, 0],\n" * 100],
)
def test_what_only_looks_alike_is_not(text: str) -> None:
    assert hears(text) == -1


@given(st.text(st.sampled_from("ab\n"), min_size=1, max_size=300), st.integers(1, 400))
@settings(max_examples=examples(200))
def test_it_is_the_same_however_the_text_is_cut(piece: str, size: int) -> None:
    text = piece * (20_000 // len(piece))

    assert (hears(text, 1) > 0) == (hears(text, size) > 0)
