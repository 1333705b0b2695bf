"""Diffs as a person reads them: all of it is there, or it says that it is not."""

from __future__ import annotations

import re
import sys
from collections import Counter

import pytest
from hostile import HOSTILE
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from qcode.ui.diffs import diff_lines
from qcode.ui.patch import Row, rows
from qcode.ui.printable import width
from qcode.ui.theme import NONE, Depth, Theme

TRUE = Theme("dark", Depth.TRUE)
FEW = Theme("dark", Depth.SIXTEEN)
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
HEAD = "--- a/x.py\n+++ b/x.py\n"


def bare(diff: str, columns: int = 60, theme: Theme = TRUE, **how: object) -> list[str]:
    shown = diff_lines(diff, theme, columns, **how)  # type: ignore[arg-type]
    return [_STYLE.sub("", line).rstrip() for line in shown]


def test_a_change_is_numbered_and_counted() -> None:
    diff = HEAD + "@@ -8,3 +8,4 @@ def f():\n same\n-old\n+new\n+more\n same\n"

    assert bare(diff) == [
        *(
            "x.py  +2 −1",
            " …   def f():",
            " 8   same",
            " 9 - old",
            " 9 + new",
            "10 + more",
            "11   same",
        ),
    ]


NEW = "diff --git a/x b/x\nnew file mode 100644\nindex 0..1\n--- /dev/null\n+++ b/x\n"
GONE = "diff --git a/x b/x\ndeleted file mode 100644\n--- a/x\n+++ /dev/null\n"


@pytest.mark.parametrize(
    "head, shown",
    [
        ("diff --git a/x b/y\nsimilarity index 90%\nrename from x\nrename to y", "x → y (renamed)"),
        ("diff --git a/x b/y\ncopy from x\ncopy to y\n", "x → y (copied)"),
        ("diff --git a/x b/x\nold mode 100644\nnew mode 100755\n", "x (mode 100644, to 100755)"),
        ("diff --git a/x b/x\nindex 1..2\nBinary files a/x and b/x differ\n", "x (binary)"),
        (NEW, "x (new file)"),
        (NEW.replace("644", "755"), "x (new file, mode 100755)"),
        (GONE, "x (deleted file)"),
        ("--- /dev/null\n+++ b/x\n", "x (new file)"),
        ("--- a/x\t2026-01-01 10:00:00\n+++ b/x\t2026-01-02 10:00:00 +0100\n", "x"),
    ],
)
def test_the_head_of_a_file_is_one_line(head: str, shown: str) -> None:
    assert bare(head) == [shown]
    more = f"{head.removesuffix(chr(10))}\n@@ -0,0 +1 @@\n+a\n"
    assert bare(more)[0].startswith(shown)


def test_a_binary_patch_is_all_shown() -> None:
    diff = "diff --git a/x b/x\nindex 1..2\nGIT binary patch\nliteral 3\nKcmZ\n\n"

    assert bare(diff) == ["x (binary)", "literal 3", "KcmZ", ""]


def test_lines_that_look_like_a_head_are_lines_of_their_hunk() -> None:
    diff = HEAD + "@@ -1,2 +1,2 @@\n--- a/y\n-@@ -1 +1 @@\n+++ b/y\n+diff --git a/z b/z\n"

    assert [row.kind for row in rows(diff)] == [
        "file",
        "removed",
        "removed",
        "added",
        "added",
    ]
    assert bare(diff)[1:] == [
        "1 - -- a/y",
        "2 - @@ -1 +1 @@",
        "1 + ++ b/y",
        "2 + diff --git a/z b/z",
    ]


def test_a_head_that_lies_hides_nothing() -> None:
    diff = HEAD + "@@ -1,0 +1,1 @@\n+one\n+two\n-three\nfour\n"

    assert bare(diff)[1:] == ["1 + one", "  + two", "  - three", "four"]


def test_what_is_no_diff_is_shown_by_its_signs() -> None:
    assert rows("+new\n-old\nname: value\n") == [
        *(Row("added", "new"), Row("removed", "old"), Row("note", "name: value")),
    ]


def test_what_has_signs_alone_is_taken_for_no_diff() -> None:
    assert bare("--- a/x\n+++ b/y\ncommand: z\n", loose=True) == [
        *("  - -- a/x", "  + ++ b/y", "command: z"),
    ]


def test_changed_words_stand_out() -> None:
    diff = HEAD + "@@ -1 +1 @@\n-if one and two:\n+if one and three:\n"

    removed, added = diff_lines(diff, FEW, 60)[1:]

    assert f"\x1b[0;{FEW.code('removed removed_word')}mtwo" in removed
    assert f"\x1b[0;{FEW.code('added added_word')}mthree" in added


def test_lines_that_have_little_in_common_are_left_alone() -> None:
    diff = HEAD + "@@ -1 +1 @@\n-import os\n+x = compute(1, 2, 3)\n"

    assert all(";7m" not in line for line in diff_lines(diff, FEW, 60))


def test_what_cannot_be_seen_is_written_out() -> None:
    diff = HEAD + "@@ -1 +1 @@\n-a\u202e\x1b[2J\u200b\rb\n+\tx\r\n y \n"

    assert bare(diff)[1:3] == ["1 - a\\u{202e}\\x1b[2J\\u{200b}\\x0db", "1 +     x␍"]
    assert bare(diff, theme=NONE)[3:5] == ["-a\\u{202e}\\x1b[2J\\u{200b}\\x0db", "+    x\\x0d"]


def test_ends_that_are_all_alike_are_said_once() -> None:
    diff = HEAD + "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n"

    assert bare(diff) == ["x.py  +1 −1  CRLF", "1   a", "2 - b", "2 + c"]


def test_blanks_at_the_end_of_a_new_line_stand_out() -> None:
    shown = diff_lines(HEAD + "@@ -0,0 +1 @@\n+x  \n", FEW, 60)[1]

    assert shown.endswith(f"\x1b[0;{FEW.code('added added_word')}m  \x1b[0m")


def test_tabs_are_seen_where_blanks_take_their_place() -> None:
    diff = HEAD + "@@ -1 +1 @@\n-\tx\n+    x\n"

    assert bare(diff)[1:] == ["1 - →   x", "1 +     x"]
    assert bare(HEAD + "@@ -1 +1 @@\n-\tx\n+\ty\n")[1:] == ["1 -     x", "1 +     y"]


def test_a_missing_newline_is_said() -> None:
    diff = HEAD + "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"

    assert bare(diff)[1:] == ["1 - a", "    \\ No newline at end of file", "1 + a"]


@pytest.mark.parametrize("theme", [TRUE, FEW, NONE], ids=["true", "few", "none"])
def test_a_long_diff_says_what_is_left_out(theme: Theme) -> None:
    diff = HEAD + "@@ -0,0 +1,99 @@\n" + "".join(f"+{n}\n" for n in range(99))

    shown = bare(diff, theme=theme, lines=10, pointer="/diff shows all")

    assert len(shown) == 11
    assert re.fullmatch(r"… 9[0-2] more lines \(/diff shows all\)", shown[-1])
    assert len(bare(diff, theme=theme)) in (100, 102)


def test_a_long_line_is_cut_or_broken() -> None:
    diff = HEAD + f"@@ -0,0 +1 @@\n+{'x' * 100}\n"

    assert bare(diff, 20)[1] == f"1 + {'x' * 15}…"
    assert bare(diff, 20, whole=True)[1:] == [
        f"1 + {'x' * 16}",
        *[f"    {'x' * 16}"] * 5,
        "    xxxx",
    ]


LINES = st.lists(
    st.tuples(st.sampled_from("+- "), st.lists(st.sampled_from(
        ["if ", "x", " ", "\t", "\r", "工具", "\u202e", '"', "/*", "😀", "a" * 30, "\x1b[1m"]
    ), max_size=8).map("".join)),
    max_size=12,
)  # fmt: skip


@settings(max_examples=examples(300), deadline=None)
@given(LINES, st.integers(12, 80), st.sampled_from([TRUE, FEW, NONE]), st.integers(-2, 2))
def test_no_character_of_a_change_is_left_out(
    lines: list[tuple[str, str]], columns: int, theme: Theme, lie: int
) -> None:
    old, new = (sum(sign != other for sign, _ in lines) for other in "+-")
    body = "".join(f"{sign}{text}\n" for sign, text in lines)
    diff = f"{HEAD}@@ -1,{max(old + lie, 0)} +1,{new} @@\n{body}"

    whole = bare(diff, columns, theme, whole=True)
    cut = bare(diff, columns, theme)

    assert max(map(width, whole + cut)) <= columns
    for signs in ("x", "工具", "😀", "a", "\\u{202e}"[0:3], '"', "*"):
        wanted = sum(text.replace("\u202e", "\\u{202e}").count(signs) for _, text in lines)
        assert "".join(whole[1:]).replace(" ", "").count(signs) >= wanted * (len(signs) == 1)


@pytest.mark.parametrize("theme", [TRUE, FEW, NONE], ids=["true", "few", "none"])
@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
def test_nothing_of_a_diff_is_obeyed(said: str, theme: Theme) -> None:
    diff = (
        f"diff --git a/{said} b/{said}\n--- a/{said}\n+++ b/{said}\n"
        f"@@ -1 +1 @@ {said}\n-{said}\n+{said}x\n {said}\n\\ {said}\n{said}"
    )

    shown = "".join(bare(diff, theme=theme, whole=True))

    assert re.findall(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]", shown) == []


def test_only_what_is_shown_is_worked_on() -> None:
    many = "".join(f"-value_{n} = f({n})\n+value_{n} = f({n + 1})\n" for n in range(50_000))
    diff = f"{HEAD}@@ -1,50000 +1,50000 @@\n{many}"
    calls: Counter[str] = Counter()

    sys.setprofile(lambda frame, what, _: calls.update([frame.f_code.co_name] * (what == "call")))
    try:
        shown = diff_lines(diff, TRUE, 80, lines=20)
    finally:
        sys.setprofile(None)

    assert len(shown) == 21
    assert 0 < calls["_words"] < 20
    assert 0 < calls["_lexed"] < 50
