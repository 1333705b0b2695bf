"""Blanks stay where a model that writes a file whole loses them."""

import time

import pytest
from effort import unit_s
from hypothesis import given
from hypothesis import strategies as st

from qcode.editing.spacing import is_about, kept


@pytest.mark.parametrize(
    "before, after, text",
    [
        ("a  \nb\n", "a\nb\nc\n", "a  \nb\nc\n"),
        ("a = 1 \nb = 2\n", "a = 3\nb = 2\n", "a = 3 \nb = 2\n"),
        ("a\nb", "a\nc\n", "a\nc"),
        ("a\nb\n", "a\nc", "a\nc\n"),
        ("a\r\nb \r\n", "a\r\nb\r\nc\r\n", "a\r\nb \r\nc\r\n"),
        ("a\r\nb\nc\n", "a\nb\nd\n", "a\r\nb\nd\n"),
        ("all:\n\tcc -O1\n", "all:\n    cc -O2\n", "all:\n\tcc -O2\n"),
        ("if x:\n\tif y:\n\t\tz\n", "if x:\n  if y:\n    w\n", "if x:\n\tif y:\n\t\tw\n"),
        ("all:\n\tcc\n", "all:\n    cc \\\n       -O2\n", "all:\n    cc \\\n       -O2\n"),
        ("if x:\n    y\n", "if x:\n\tz\n", "if x:\n\tz\n"),
        ("a\n   \nb\n", "a\n\nc\n", "a\n   \nc\n"),
        ("a \nb\n", "x\ny\nz\n", "x\ny\nz\n"),
        ("", "a \n", "a \n"),
        ("x = 1  \ny = 2\n", "x = foo + \\\ny = 2\n", "x = foo + \\\ny = 2\n"),
        ("a \n", "", ""),
    ],
)
def test_what_nobody_changed_stays(before: str, after: str, text: str) -> None:
    assert kept(before, after) == text


LINES = st.lists(st.sampled_from(["a", "b ", "  c", "\td", "", " ", "e\r", "f\t"]), max_size=8)


@given(LINES, LINES)
def test_words_are_the_models_and_what_is_the_same_stays(old: list[str], new: list[str]) -> None:
    before, after = "\n".join(old), "\n".join(new)
    now = kept(before, after)

    assert now.split() == after.split()
    assert kept(before, before) == before
    assert [line.rstrip() for line in now.rstrip().split("\n")] == [
        line.rstrip() for line in after.rstrip().split("\n")
    ]


def test_a_task_about_blanks_is_heard() -> None:
    assert is_about({"Strip", "trailing"})
    assert is_about({"Tabs"})
    assert is_about({"W291"})
    assert is_about({"flake8"})
    assert not is_about({"Mend", "table", "spaceship"})


def test_a_long_file_takes_no_time() -> None:
    old = [f"value {n % 7}" for n in range(3_000)]
    new = [line if n % 3 else f"{line} more" for n, line in enumerate(old)]
    began = time.thread_time()

    now = kept("\n".join(["a ", *old, "z "]), "\n".join(["a", *new, "z"]))

    assert time.thread_time() - began < 1000 * unit_s()
    assert now == "\n".join(["a ", *new, "z "])
