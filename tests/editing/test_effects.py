"""What a person is shown of an edit, and any part of it taken."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from qcode.editing.effects import FileEffect, applied, diff, hunks, pieces

LINES = st.lists(
    st.sampled_from(["", "a", "b", "\tc", "d\r", " e", "f\x0c", "g\u2028h"]), max_size=40
)
TEXTS = st.builds(
    lambda lines, end: "\n".join(lines) + end if lines else "", LINES, st.sampled_from(["", "\n"])
)


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, str]:
    """Return a text and one that is like it."""
    lines = draw(st.lists(st.integers(0, 9).map(str), max_size=60))
    other = list(lines)
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(other)))
        other[at : at + draw(st.integers(0, 3))] = draw(LINES)[:3]
    ends = st.sampled_from(["", "\n"])
    return "\n".join(lines) + draw(ends), "\n".join(other) + draw(ends)


PAIRS = st.one_of(st.tuples(TEXTS, TEXTS), changed())


@given(PAIRS)
def test_all_hunks_are_the_change_and_none_is_nothing(pair: tuple[str, str]) -> None:
    before, after = pair
    found = hunks(before, after)

    assert applied(before, found, range(len(found))) == after
    assert applied(before, found, ()) == before
    assert bool(found) == (before != after)


@given(PAIRS, st.data())
def test_any_hunks_change_just_their_lines(pair: tuple[str, str], data: st.DataObject) -> None:
    before, after = pair
    found = hunks(before, after)
    taken = data.draw(st.sets(st.sampled_from(range(len(found))))) if found else set()
    old = _kept(before)

    expected: list[str] = []
    at = 0
    for number, hunk in enumerate(found):
        expected += old[at : hunk.start]
        for sign, line in hunk.rows:
            if sign == " " or (sign == "+") == (number in taken):
                expected.append(line)
        at = hunk.start + len(hunk.old)
        assert list(hunk.old) == old[hunk.start : at]
    expected += old[at:]

    assert applied(before, found, taken) == "".join(expected)


def _kept(text: str) -> list[str]:
    return [f"{line}\n" for line in text.split("\n")[:-1]] + (
        [text.split("\n")[-1]] if text.split("\n")[-1] else []
    )


@given(changed())
def test_the_numbers_of_lines_are_those_of_the_texts(pair: tuple[str, str]) -> None:
    before, after = pair
    old, new = _kept(before), _kept(after)

    for hunk in hunks(before, after):
        assert list(hunk.old) == old[hunk.start : hunk.start + len(hunk.old)]
        assert list(hunk.new) == new[hunk.new_start : hunk.new_start + len(hunk.new)]


def test_git_applies_what_is_shown(tmp_path: Path) -> None:
    before = "".join(f"line {n}\n" for n in range(40))
    after = before.replace("line 3\n", "").replace("line 30\n", "thirty\nmore\n").removesuffix("\n")
    file = tmp_path / "a.txt"
    file.write_text(before)
    shown = diff([FileEffect("a.txt", before, after), FileEffect("new", None, "x\n")])

    subprocess.run(["git", "apply", "-p0", "-"], input=shown.encode(), cwd=tmp_path, check=True)

    assert file.read_text() == after
    assert (tmp_path / "new").read_text() == "x\n"


def test_a_large_rewrite_is_one_hunk_and_shown_whole() -> None:
    before = "".join(f"a{n}\n" for n in range(3_000))
    after = "".join(f"b{n}\n" for n in range(3_000))

    [hunk] = hunks(f"head\n{before}tail\n", f"head\n{after}tail\n")

    assert len(hunk.rows) == 6_002
    assert hunk.text.startswith("@@ -1,3002 +1,3002 @@\n head\n-a0\n")


def test_what_makes_sense_only_whole_is_one_piece() -> None:
    before = "".join(f"{n}\n" for n in range(40))
    after = before.replace("3\n", "x\n", 1).replace("30\n", "y\n")
    files = [
        FileEffect("a", before, after),
        FileEffect("b", None, after),
        FileEffect("c", before, None),
        FileEffect("d", before, after, moved_from="e"),
        FileEffect("f.ipynb", before, after, is_one=True),
        FileEffect("g", "", "", moved_from="h"),
    ]

    assert [piece.file.path for piece in pieces(files)] == ["a", "a", "b", "c", "d", "f.ipynb", "g"]
    assert [len(piece.hunks) for piece in pieces(files)] == [1, 1, 1, 1, 2, 2, 0]
    assert "".join(piece.diff for piece in pieces(files[2:])) == diff(files[2:])
    assert "--- e\n+++ d\n" in diff(files)


def test_a_name_cannot_pass_for_lines() -> None:
    assert diff([FileEffect("a\n+b\x1b", None, "")]) == "--- /dev/null\n+++ a\\n+b\\x1b\n"
