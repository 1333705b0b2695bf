from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qcode.editing.diff import changes
from qcode.editing.match import Edited, Reason, Refused, replace
from qcode.editing.placeholder import left_out


def edited(text: str, old: str, new: str, *, replace_all: bool = False) -> str:
    outcome = replace(text, old, new, replace_all=replace_all)
    assert isinstance(outcome, Edited), outcome
    return outcome.text


def refused(text: str, old: str, new: str, *, replace_all: bool = False) -> Refused:
    outcome = replace(text, old, new, replace_all=replace_all)
    assert isinstance(outcome, Refused), outcome
    return outcome


@pytest.mark.parametrize(
    "text, old, new, result",
    [
        ("a\nb\nc\n", "b", "B", "a\nB\nc\n"),
        ("a\nb\nc\n", "b\n", "B\n", "a\nB\nc\n"),
        ("a\nb\nc\n", "b\n", "B", "a\nB\nc\n"),
        ("a\nb\nc\n", "b", "", "a\nc\n"),
        ("a\nb\nc\n", "b\n", "", "a\nc\n"),
        ("a b c", "b ", "", "a c"),
        ("x = (1)", "(1)", "(2)", "x = (2)"),
        ("a\nb", "b\n", "B\n", "a\nB"),
        ("a\nb", "b", "B", "a\nB"),
        ("a\r\nb\r\nc\r\n", "a\nb\n", "a\nx\ny\n", "a\r\nx\r\ny\r\nc\r\n"),
        ("a\r\nb\r\n", "b", "x\ny", "a\r\nx\r\ny\r\n"),
        ("a\nb\n", "a\r\nb\r\n", "a\r\nc\r\n", "a\nc\n"),
        ("a\r\nb\nc\r\n", "a\nb\nc", "a\nb\nd", "a\r\nb\nd\r\n"),
        ("a\r\nb\nc\r\n", "b\n", "x\ny\n", "a\r\nx\ny\nc\r\n"),
        ("a\rb\n", "b", "c", "a\rc\n"),
        ("p\x0cq\u2028r", "q", "s", "p\x0cs\u2028r"),
        ("cost: x", "x", r"$1 \1 \g<0>", r"cost: $1 \1 \g<0>"),
        ("timeout=300\ntimeout=30\n", "timeout=30", "timeout=9", "timeout=300\ntimeout=9\n"),
        ("größe", "größe", "x", "x"),
    ],
)
def test_exact_text_is_replaced(text: str, old: str, new: str, result: str) -> None:
    assert edited(text, old, new) == result


def test_replace_all_changes_every_place_and_does_not_look_at_its_own_output() -> None:
    assert edited("a aa a", "a", "aa", replace_all=True) == "aa aaaa aa"


def test_lines_of_the_places_are_those_of_the_new_text() -> None:
    outcome = replace("x\na\nx\nx\n", "x", "1\n2", replace_all=True)

    assert outcome == Edited("1\n2\na\n1\n2\n1\n2\n", (1, 4, 6))


def test_several_places_are_named() -> None:
    refusal = refused("f()\na\nf()\n", "f()", "g()")

    assert refusal.reason is Reason.AMBIGUOUS
    assert "2 times, at lines 1, 3" in refusal.text
    assert "replace_all" in refusal.text


def test_a_part_of_a_word_is_no_place() -> None:
    refusal = refused("a\ntimeout=300\n", "timeout=30", "timeout=5")

    assert refusal.reason is Reason.NOT_FOUND
    assert "2| timeout=300" in refusal.text


@pytest.mark.parametrize("old", ["", " ", "\n", "\t\n"])
def test_blank_text_names_no_place(old: str) -> None:
    assert refused("a\n\nb", old, "x").reason is Reason.EMPTY_SEARCH


def test_a_change_of_line_ends_alone_is_no_change() -> None:
    assert refused("a\r\n", "a\r\n", "a\n").reason is Reason.NO_CHANGE


def test_what_is_done_already_is_said() -> None:
    refusal = refused("x\nnew()\n", "old()", "new()")

    assert refusal.reason is Reason.ALREADY_APPLIED
    assert "2| new()" in refusal.text


@pytest.mark.parametrize(
    "text, old, new",
    [
        ("import os\nimport re\n", "import os\n", "import os\nimport re\n"),
        ("import os\nimport re", "import os", "import os\nimport re"),
        ("import os\nimport re\n", "import re", "import os\nimport re"),
    ],
)
def test_an_insertion_sent_twice_is_not_made_twice(text: str, old: str, new: str) -> None:
    assert refused(text, old, new).reason is Reason.ALREADY_APPLIED


@pytest.mark.parametrize(
    "text, old, new, result",
    [
        ("f(\n)\n", "f(\n", "f(\n)\n", "f(\n)\n)\n"),
        ("a, b\n", "a", "a, b", "a, b, b\n"),
        ("x\ny2\n", "x\n", "x\ny\n", "x\ny\ny2\n"),
    ],
)
def test_what_may_be_wanted_twice_is_added(text: str, old: str, new: str, result: str) -> None:
    assert edited(text, old, new) == result


@pytest.mark.parametrize(
    "line, stands",
    [
        ("# ... existing code ...", True),
        ("    // ... rest of the code unchanged ...", True),
        ("{/* ... */}", True),
        ("<!-- … other items … -->", True),
        ("# rest of the function remains the same", True),
        ("// (the rest stays as it is)", True),
        ("...", False),
        ("// loading...", False),
        ("f(...args)", False),
        ("# the rest of the arguments", False),
        ("# same as before", False),
        ("-- drop the previous table", False),
    ],
)
def test_a_comment_for_left_out_code_is_known(line: str, stands: bool) -> None:
    assert bool(left_out(f"a\n{line}\nb", "other")) is stands
    assert left_out(f"a\n{line}\nb", f"x\n{line}") is None


def test_left_out_code_is_not_deleted() -> None:
    refusal = refused("a\nb\nc\n", "a\nb\nc\n", "a\n# ... existing code ...\n")

    assert refusal.reason is Reason.PLACEHOLDER
    assert "'# ... existing code ...'" in refusal.text


def test_wrong_indentation_is_described() -> None:
    text = "def f():\n    if x:\n        return 1\n"

    refusal = refused(text, "if x:\n    return 1", "if y:\n    return 1")

    assert "2|     if x:\n3|         return 1" in refusal.text
    assert "Line 2 is indented by 4 spaces, old_string by nothing." in refusal.text


def test_tabs_are_told_from_spaces() -> None:
    refusal = refused("all:\n\techo x\n", "    echo x", "    echo y")

    assert "Line 2 is indented by 1 tab, old_string by 4 spaces." in refusal.text


def test_the_first_line_that_differs_is_shown() -> None:
    text = "a = 1\nb = 2\nc = 3\nd = 4\n"

    refusal = refused(text, "a = 1\nb = 2\nc = 30\nd = 4", "x")

    assert "Line 3 differs: file 'c = 3', old_string 'c = 30'." in refusal.text
    assert "4| d = 4" in refusal.text


def test_a_similar_line_is_found_when_none_is_equal() -> None:
    refusal = refused("import os\ntotal += item.price\n", "total += it.price", "x")

    assert "2| total += item.price" in refusal.text


def test_nothing_alike_is_said_so() -> None:
    assert "nor anything like it" in refused("a\nb\n", "completely different", "x").text


@pytest.mark.parametrize("count", [100, 100_000])
def test_large_files_are_searched_quickly(count: int) -> None:
    text = "".join(f"value_{n} = {n}\n" for n in range(count))

    assert "nearest" in refused(text, "valu_77 = 77", "x").text


LINES = st.lists(st.text(st.sampled_from("ab{}= \t\r\x0c"), max_size=5), min_size=1, max_size=8)
ENDS = st.sampled_from(["\n", "\r\n"])


@given(LINES, st.data())
def test_untouched_lines_keep_their_bytes(lines: list[str], data: st.DataObject) -> None:
    lines = [line.rstrip("\r") for line in lines]
    ends = [data.draw(ENDS) for _ in lines]
    before = "".join(line + end for line, end in zip(lines, ends, strict=True))
    at = data.draw(st.integers(0, len(lines)))
    marked = "MARK;\n" if not ends or ends[min(at, len(ends) - 1)] == "\n" else "MARK;\r\n"
    head = "".join(line + end for line, end in zip(lines[:at], ends[:at], strict=True))
    text = head + marked + before[len(head) :]

    after = edited(text, "MARK;\n", "one;\ntwo;\n")

    end = marked.removeprefix("MARK;")
    assert after == head + f"one;{end}two;{end}" + before[len(head) :]


@given(
    st.text(st.sampled_from("ab \n\r"), max_size=30),
    st.text(st.sampled_from("ab \n\r"), min_size=1, max_size=6),
    st.text(st.sampled_from("ab \n\r"), max_size=6),
    st.booleans(),
)
def test_an_edit_is_applied_or_refused_and_never_lost(
    text: str, old: str, new: str, everywhere: bool
) -> None:
    outcome = replace(text, old, new, replace_all=everywhere)

    if isinstance(outcome, Edited):
        assert outcome.lines
        folded = text.replace("\r\n", "\n")
        assert old.replace("\r\n", "\n").removesuffix("\n") in folded


@given(st.text(st.sampled_from("abc\n"), max_size=40), st.text(st.sampled_from("abc\n")))
def test_an_edit_can_be_taken_back(prefix: str, suffix: str) -> None:
    text = f"{prefix}\n<one>\n{suffix}"
    assume("<two>" not in text)

    assert edited(edited(text, "<one>", "<two>"), "<two>", "<one>") == text


def test_a_diff_has_the_files_line_numbers() -> None:
    before = "".join(f"{n}\n" for n in range(1, 101))

    change = changes(before, before.replace("50\n", "fifty\n"), "a.txt")

    assert (change.added, change.removed) == (1, 1)
    assert change.diff == (
        "--- a.txt\n+++ a.txt\n@@ -47,7 +47,7 @@\n 47\n 48\n 49\n-50\n+fifty\n 51\n 52\n 53"
    )


def test_a_large_diff_is_bounded() -> None:
    change = changes("", "x\n" * 10_000, "a")
    assert (change.added, change.removed) == (10_000, 0)
    assert change.diff.endswith("… 9,601 more lines")

    replaced = changes("a\n" * 9000, "b\n" * 9000, "a")
    assert replaced.diff.endswith("@@ 9,000 lines replaced by 9,000 @@")
