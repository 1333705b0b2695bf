from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qcode.editing.diff import changes
from qcode.editing.outcome import Edited, Reason, Refused
from qcode.editing.placeholder import left_out
from qcode.editing.replace import Replacement, replace


def edited(text: str, old: str, new: str, *, replace_all: bool = False) -> str:
    outcome = replace(text, [Replacement(old, new, replace_all)])
    assert isinstance(outcome, Edited), outcome
    return outcome.text


def refused(text: str, old: str, new: str, *, replace_all: bool = False) -> Refused:
    outcome = replace(text, [Replacement(old, new, replace_all)])
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
        ("x = 1.5\nx = 1\n", "x = 1", "x = 2", "x = 1.5\nx = 2\n"),
        ("a\nb", "b", "", "a"),
        ("a\nb", "b", "b\nc\n", "a\nb\nc"),
        ("\ufeffa\n", "\ufeffa\n", "\ufeffb\n", "\ufeffb\n"),
        ("a\r\nb\nc\r\nd\n", "b\nc\n", "b\nx\nc\n", "a\r\nb\nx\nc\r\nd\n"),
        ("a\r\nb\nc\n", "a\nb\n", "A\nB\n", "a\r\nb\nc\n".replace("a", "A").replace("b", "B")),
        ("", "", "x\n", "x\n"),
        ("\ufeff", "", "x", "\ufeffx"),
    ],
)
def test_exact_text_is_replaced(text: str, old: str, new: str, result: str) -> None:
    assert edited(text, old, new) == result


def test_replace_all_changes_every_place_and_does_not_look_at_its_own_output() -> None:
    assert edited("a aa a", "a", "aa", replace_all=True) == "aa aaaa aa"


def test_lines_of_the_places_are_those_of_the_new_text() -> None:
    outcome = replace("x\na\nx\nx\n", [Replacement("x", "1\n2", True)])

    assert outcome == Edited("1\n2\na\n1\n2\n1\n2\n", ((1, 2), (4, 5), (6, 7)))


def test_several_places_are_named() -> None:
    refusal = refused("f()\na\nf()\n", "f()", "g()")

    assert refusal.reason is Reason.AMBIGUOUS
    assert "2 times, at lines 1, 3:\n1| f()\n3| f()\n" in refusal.text
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
        ("x = f(a) or b\n", "x = f(a)", "x = f(a) or b"),
        ("\nnew()\n- a\n- b\n", "\n- a\n- b", "\nnew()\n- a\n- b"),
        (
            "    if a:\n        x()\n        y()\n",
            "    x()\n    y()\n",
            "if a:\n    x()\n    y()\n",
        ),
    ],
)
def test_an_insertion_sent_twice_is_not_made_twice(text: str, old: str, new: str) -> None:
    assert refused(text, old, new).reason is Reason.ALREADY_APPLIED


@pytest.mark.parametrize(
    "text, old, new, result",
    [
        ("f(\n)\n", "f(\n", "f(\n)\n", "f(\n)\n)\n"),
        ("a((\n", "a(", "a((", "a(((\n"),
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


def test_shifted_indentation_is_mended_and_told() -> None:
    text = "def f():\n    if x:\n        return 1\n"

    outcome = replace(text, [Replacement("if x:\n    return 1", "if y:\n    return 1")])

    after = "def f():\n    if y:\n        return 1\n"
    assert outcome == Edited(after, ((2, 2),), ("re-indented by 4 blanks more",))


@pytest.mark.parametrize(
    "text, old, new, note",
    [
        ("a \nb\n", "a\nb", "a\nc", "blanks at line ends"),
        ("a “q”\nb\n", 'a "q"\nb', 'a "q"\nc', "quotes, dashes and blanks"),
        ("\tif a:\n\t\tb\n", "if a:\n    b", "if c:\n    b", "tabs for 4 blanks, 4 columns"),
        ("if a:\n    b\n", "if a:\n\tb", "if c:\n\tb", "4 blanks for a tab"),
        ("a\nb\n", "1: a\n2: b", "1: c\n2: b", "without the line numbers"),
        ("a\nb\n", "```\na\n```", "```\nc\n```", "without the code fence"),
        ("a\nb\n", "a\\nb", "a\\nc", "with escapes undone"),
        ("f('a')\n", "f(\\'a\\')", "g(\\'a\\')", "with escaped quotes undone"),
        ("a < b\n", "a &lt; b", "a &gt; b", "with HTML entities undone"),
        ("a\nx\nb\n", "a\n...\nb", "c\n...\nb", "the markers stand for"),
        ("aa\nsome text\nb\nc\n", "aa\nsome tex\nb\nc", "aa\nsome tex\nd\nc", "a little"),
    ],
)
def test_what_was_adjusted_is_told(text: str, old: str, new: str, note: str) -> None:
    outcome = replace(text, [Replacement(old, new)])

    assert isinstance(outcome, Edited), outcome
    assert any(note in each for each in outcome.notes), outcome.notes


@pytest.mark.parametrize(
    "text, old, new",
    [
        # A level of 3 blanks, with tabs in the file.
        ("\t\tif a:\n", "  if a:\n", "  if b:\n     c\n"),
        # Blanks behind the file's tabs.
        ("\tx = 1\n\ty = 2\n", "x = 1\ny = 2\n", "if z:\n    x = 1\ny = 2\n"),
        # New text that is further out than the edit's own shift.
        ("    a\n    b\n", "        a\n        b\n", "  c\n        b\n"),
    ],
)
def test_new_lines_that_do_not_take_the_indentation_are_refused(
    text: str, old: str, new: str
) -> None:
    refusal = refused(text, old, new)

    assert refusal.reason is Reason.NOT_FOUND
    assert "with another indentation" in refusal.text


def test_the_first_line_that_differs_is_shown() -> None:
    text = "a = 1\nb = 2\nc = 3\nd = 4\n"

    refusal = refused(text, "a = 1\nb = 2\nc = 30\nd = 4", "x")

    assert (
        "First difference: line 3 differs:\n  the edit:  c = 30\n  the file:  c = 3" in refusal.text
    )
    assert "3| c = 3\n4| d = 4" in refusal.text
    assert "read lines 1–4 and send the edit again" in refusal.text


def test_indentation_that_differs_is_told_in_words() -> None:
    text = "if a:\n        b()\n\n    c()\nd()\n"

    refusal = refused(text, "if a:\n    b()\n\n    c()\nd()", "x")

    assert "line 2 is indented by 8 blanks, the edit by 4 blanks." in refusal.text


def test_lines_that_are_there_but_not_together_are_told() -> None:
    refusal = refused("a()\nb()\nc()\nd()\n", "a()\nd()", "x")

    assert "Every line of the edit is in the file, but not together" in refusal.text


def test_places_are_told_with_what_they_are_in() -> None:
    text = "class A:\n    def f(self):\n        go()\n\n    def g(self):\n        go()\n"

    refusal = refused(text, "go()", "stop()")

    assert "3| go()   (in `def f(self):`, line 2)\n6| go()   (in `def g(self):`" in refusal.text


def test_a_changed_file_is_edited_at_exact_places_alone() -> None:
    text = "def f():\n        a = 1\n"
    stale = replace(text, [Replacement("a = 2", "a = 3")], changed_since_seen=True)
    shifted = [Replacement("def f():\n    a = 1", "def f():\n    a = 3")]

    assert isinstance(stale, Refused)
    assert stale.reason is Reason.STALE
    assert "has changed since you read it" in stale.text
    assert "2|         a = 1" in stale.text
    assert isinstance(replace(text, shifted, changed_since_seen=True), Refused)
    assert isinstance(
        replace(text, [Replacement("a = 1", "a = 3")], changed_since_seen=True), Edited
    )


def test_a_failing_edit_is_named_and_the_others_told() -> None:
    edits = [Replacement("a", "A"), Replacement("x", "X"), Replacement("b", "B")]

    outcome = replace("a\nb\nc\n", edits)

    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.NOT_FOUND
    assert outcome.text.startswith("Edit 2 of 3: old_string is not in the file")
    assert "Of the others, 1 and 3 would apply. None of the edits was made." in outcome.text


@pytest.mark.parametrize(
    "edits",
    [
        [("a\nb", "A"), ("b\nc", "C")],
        [("a\n", "a\nx\n"), ("b\n", "y\nb\n")],
        [("a", "a\nx"), ("b\n", "y\nb\n")],
        [("b", "B"), ("b", "C")],
    ],
)
def test_edits_that_touch_the_same_text_are_refused(edits: list[tuple[str, str]]) -> None:
    outcome = replace("a\nb\nc\n", [Replacement(old, new) for old, new in edits])

    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.OVERLAP
    assert "edit 1" in outcome.text


def test_edits_that_touch_are_made() -> None:
    edits = [Replacement("b\n", ""), Replacement("a\n", "a\nx\n"), Replacement("c", "y\nc")]

    outcome = replace("a\nb\nc\n", edits)

    assert isinstance(outcome, Edited)
    assert outcome.text == "a\nx\ny\nc\n"


def test_an_edit_of_what_earlier_ones_wrote_is_composed() -> None:
    edits = [
        Replacement("start()", "start()\nmiddle()"),
        Replacement("end()", "finish()"),
        Replacement("middle()\nx()", "middle(1)\ny()"),
        Replacement("y()\nfinish()", "y()\nz()"),
    ]

    outcome = replace("start()\nx()\nend()\n", edits)

    assert isinstance(outcome, Edited)
    assert outcome.text == "start()\nmiddle(1)\ny()\nz()\n"


def test_an_edit_that_undoes_another_changes_nothing() -> None:
    outcome = replace("a\n", [Replacement("a", "b"), Replacement("b", "a")])

    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.NO_CHANGE


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
    outcome = replace(text, [Replacement(old, new, everywhere)])

    if isinstance(outcome, Edited) and not outcome.notes and text:
        assert outcome.places
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


@pytest.mark.parametrize(
    "old, new",
    [
        ("c[w] += 1", "c[w] = c.get(w, 0) + 1"),
        ("c[w] += 1\n    return None", "c[w] = c.get(w, 0) + 1\n    return c"),
    ],
)
def test_a_part_of_a_line_that_was_replaced_already(old: str, new: str) -> None:
    text = "def f(c):\n    for w in x:\n        c[w] = c.get(w, 0) + 1\n    return c\n"
    found = replace(text, [Replacement(old, new)])
    assert isinstance(found, Refused)
    assert found.reason is Reason.ALREADY_APPLIED
    assert "3|" in found.text
