"""An answer printed once, as it is written: nothing lost, doubled, too wide or obeyed."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from hostile import HOSTILE
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from qcode.ui.flow import LINE_CHARACTERS, Flow
from qcode.ui.leaves import PART_CHARACTERS, TABLE_ROWS
from qcode.ui.printable import printable, width
from qcode.ui.theme import NONE, Depth, Theme

DARK = Theme("dark", Depth.TRUE)
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def bare(shown: str) -> str:
    return _STYLE.sub("", shown)


def printed(pieces: Iterable[str], columns: int = 60, theme: Theme = DARK) -> str:
    flow = Flow(theme, columns)
    return "".join([*map(flow.feed, pieces), flow.flush()])


def lines(text: str, columns: int = 60) -> list[str]:
    return [line.rstrip() for line in bare(printed([text], columns)).splitlines()]


WORDS = st.text("abcdefgh", min_size=1, max_size=8)
MARKS = st.sampled_from([
    *("\n", "\n\n", " ", "  ", "    ", "\t", "- ", "* ", "+ ", "1. ", "2) ", "10. ", "> ", ">"),
    *("# ", "### ", "#", "```", "```py\n", "~~~", "````", "`", "``", "**", "*", "_", "~~"),
    *("---", "===", "***", "|", "| a | b |\n|---|:-:|\n", "|x|y|\n", "<b>", "</b>", "<br>"),
    *("[", "](", ")", "![", "[x]: /u 't'\n", "[x]", "<http://u.v>", "&amp;", "&#x202e;"),
    *("\\", "\\*", "\\\n", "/*", "*/", '"""', "'", "def f():\n", "工具", "😀", "é", "\r\n"),
    *("\x1b[31m", "\u200b", "a" * 70, "ab " * 340, "\x1b]0;t\x07"),
])  # fmt: skip
MARKDOWN = st.lists(WORDS | MARKS, max_size=60).map("".join)


@settings(max_examples=examples(300), deadline=None)
@given(MARKDOWN, st.data(), st.integers(4, 90))
def test_pieces_make_no_difference(text: str, data: st.DataObject, columns: int) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert printed(pieces, columns) == printed([text], columns)


@settings(max_examples=examples(300), deadline=None)
@given(MARKDOWN, st.integers(4, 90))
def test_no_line_is_wider_than_the_columns(text: str, columns: int) -> None:
    flow = Flow(DARK, columns)
    shown = flow.feed(text)
    tail = flow.tail(6)
    shown += flow.flush()

    assert max(map(width, bare(shown).splitlines()), default=0) <= columns
    assert max((width(bare(line)) for line in tail), default=0) <= columns
    assert len(tail) <= 6


@settings(max_examples=examples(500), deadline=None)
@given(MARKDOWN)
def test_no_word_is_lost_or_doubled(text: str) -> None:
    numbered = iter(range(10_000))
    # Each run of letters is another one, so that lost and doubled ones are told apart.
    text = re.sub(r"[abcdefgh]+", lambda run: f"{run[0]}Q{next(numbered)}Q", text)
    wanted = re.findall(r"Q\d+Q", printable(text))

    found = re.findall(r"Q\d+Q", bare(printed([text], 10_000)))

    assert found == wanted


@settings(max_examples=examples(200), deadline=None)
@given(MARKDOWN, st.integers(0, 200), st.integers(1, 8))
def test_looking_at_the_tail_changes_nothing(text: str, at: int, rows: int) -> None:
    flow = Flow(DARK, 50)
    shown = flow.feed(text[:at])
    flow.tail(rows)
    shown += flow.feed(text[at:])
    flow.tail(rows)

    assert shown + flow.flush() == printed([text], 50)


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "around", ["{}", "# {}", "```py\n{}\n", "- {}", "|a|b|\n|-|-|\n|{}|", "`{}`"]
)
@pytest.mark.parametrize("theme", [DARK, NONE], ids=["dark", "none"])
def test_nothing_of_an_answer_is_obeyed(said: str, around: str, theme: Theme) -> None:
    flow = Flow(theme, 60)
    text = around.format(said)

    shown = flow.feed(text) + "\n".join(flow.tail(9)) + flow.flush()

    assert (
        re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]", bare(shown))
        == []
    )
    allowed = set(_STYLE.findall(printed(["x"], theme=theme))) | {
        f"\x1b[{p}{c}m" for c in styles(theme) for p in ("", "0;")
    }
    assert set(_STYLE.findall(shown)) <= allowed | {"\x1b[0m"}


def styles(theme: Theme) -> set[str]:
    from qcode.ui.theme import ROLES

    singles = set(ROLES)
    pairs = {f"{a} {b}" for a in singles for b in singles}
    return {theme.code(style) for style in singles | pairs}


def test_characters_by_their_number_are_shown_if_they_are_unseen() -> None:
    assert lines("a &#x202e; &lt;b&gt; &#27;[31m") == ["a \\u{202e} <b> \ufffd[31m"]


def test_a_heading_stands_apart() -> None:
    assert lines("\n\n\n# One #\ntext\n## Two\n\n\n\nmore\n") == [
        *("One", "", "text", "", "Two", "", "more"),
    ]


def test_lists_go_on_and_are_nested() -> None:
    text = "1. one\n   - in\n     deeper\n2. two\n1. three\n\n   with more\n7) other\n"

    assert lines(text) == [
        *("1. one", "   ◦ in", "     deeper", "2. two", "3. three", "", "   with more", "7) other"),
    ]


def test_an_item_is_broken_beside_its_mark() -> None:
    assert lines("- one two three four", 14) == ["• one two", "  three four"]


def test_code_in_an_item_keeps_its_own_indentation() -> None:
    assert lines("- item\n  ```\n  if x:\n      y\n\n  z\n  ```\n  after\n") == [
        *("• item", "    if x:", "        y", "", "    z", "  after"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "~~~\n```\n~~~",
        "````\n```\n````",
        "   ```\n   ```a\n   ```",
        "```\n```a\n  ````\n",
        "~~~\n```",
    ],
)
def test_only_what_began_code_ends_it(text: str) -> None:
    first, *_, last = lines(f"{text}\n\n*after*")

    assert first.strip().startswith("```")
    assert last == (
        "after" if text.endswith(("~", "`", "\n")) and text != "~~~\n```" else "  *after*"
    )


def test_code_that_is_not_ended_is_all_shown() -> None:
    assert lines("a\n```py\nx = 1\n# y") == ["a", "", "  py", "  x = 1", "  # y"]


def test_a_line_of_code_leaves_as_soon_as_it_is_whole() -> None:
    flow = Flow(DARK, 60)

    assert bare(flow.feed("```\none\ntwo")) == "  one\n"
    assert list(map(bare, flow.tail(6))) == ["  two"]
    assert bare(flow.feed("\n")) == "  two\n"
    assert flow.tail(6) == []


def test_a_comment_of_many_lines_is_one_in_every_line() -> None:
    code = "/*\n * return 1\n */\nreturn 1;\n"

    shown = printed([f"```js\n{code}```"]).splitlines()

    assert shown[2].startswith(f"  \x1b[{DARK.code('comment')}m * return 1")
    assert DARK.code("keyword") in shown[4]


def test_a_quote_is_marked_in_every_line() -> None:
    assert lines("> one two three four\n> > five\n\nsix", 17) == [
        *("▌ one two three", "▌ four", "▌ ▌ five", "", "six"),
    ]


def test_a_link_tells_where_it_leads() -> None:
    text = "[here](http://a.b/ü 'T') <http://c.d> [http://e.f](http://evil.test) ![p](q.png)"

    assert lines(text, 200) == [
        'here (http://a.b/ü "T") http://c.d http://e.f (http://evil.test) p (q.png)',
    ]
    assert "\x1b]" not in printed([text])


def test_brackets_without_end_begin_no_links() -> None:
    assert lines(f"{'[' * 100}a](b) *c*", 200) == [f"{'[' * 100}a](b) c"]


def test_a_table_fits_the_columns() -> None:
    text = "| name | text |\n|---|--:|\n| a | one two three four |\n| 工具 | x | more |\n\nafter"

    assert lines(text, 24) == [
        *("name │       text │", "─────┼────────────┼─────", "a    │    one two │"),
        *("     │ three four │", "工具 │          x │ more", "", "after"),
    ]


def test_a_table_without_room_is_a_list() -> None:
    assert lines("|a|b|c|\n|-|-|-|\n|one two|three|four five six|", 12) == [
        *("a: one two", "b: three", "c: four five", "six", "────────────"),
    ]


def test_a_long_table_leaves_in_parts_that_fit_together() -> None:
    flow = Flow(DARK, 40)
    flow.feed("| a | b |\n|---|---|\n")

    shown = "".join(flow.feed(f"| {n} | x |\n") for n in range(TABLE_ROWS + 1))

    assert bare(shown).splitlines()[1] == "────┼──"
    assert len(shown.splitlines()) == TABLE_ROWS + 3
    assert [bare(line) for line in flow.tail(3)] == ["| a | b |"]
    assert bare(flow.feed("| 7 | y |\n\n") + flow.flush()) == "7   │ y\n"


def test_a_long_paragraph_leaves_in_whole_lines() -> None:
    flow = Flow(DARK, 40)
    text = "some words that go on. " * 400

    shown = flow.feed(text)

    assert len(text) - len(shown) < PART_CHARACTERS + LINE_CHARACTERS
    whole = bare(shown + flow.flush()).splitlines()
    assert min(map(len, whole[:-1])) > 30
    assert " ".join(whole) == text.strip()


def test_a_line_without_an_end_does_not_stay() -> None:
    flow = Flow(DARK, 40)

    shown = "".join(flow.feed("x" * 100) for _ in range(100))

    assert bare(shown).count("x") > 10_000 - PART_CHARACTERS - LINE_CHARACTERS


@pytest.mark.parametrize("mark", ["- ", "# ", "> ", "```", "1. ", "| "])
def test_a_line_that_is_taken_in_pieces_begins_nothing_in_its_middle(mark: str) -> None:
    text = "word " * (LINE_CHARACTERS // 5) + f"{mark}no block"

    assert " ".join(lines(text, 40)) == text


def test_a_line_of_code_that_is_taken_in_pieces_does_not_end_it() -> None:
    text = f"~~~\n{'word ' * (LINE_CHARACTERS // 5)}~~~\n*in*\n"

    assert lines(text)[-1] == "  *in*"


def test_lines_ended_on_purpose_stay_apart() -> None:
    long = "a line that a model broke to some width since it was so long"

    assert lines(f"**one**\ntwo\n{long}\nthree", 100) == ["one", "two", f"{long} three"]


def test_without_colours_the_text_is_as_it_is_written() -> None:
    text = "\n\n# One\n\n\n- *two*\n```py\nx\n```\n[a](b)"
    flow = Flow(NONE, 40)

    assert flow.feed(text) == "# One\n\n\n- *two*\n```py\nx\n```\n"
    assert flow.tail(3) == ["[a](b)"]
    assert flow.flush() == "[a](b)\n"
    assert printed(text, theme=NONE) == f"{text.lstrip()}\n"


def test_the_tail_is_the_end_of_what_is_not_done() -> None:
    flow = Flow(DARK, 14)
    flow.feed("- one **two** three four five")

    assert [bare(line) for line in flow.tail(2)] == ["  three four", "  five"]
    assert flow.tail(0) == []
    flow.resize(40)
    assert [bare(line) for line in flow.tail(2)] == ["• one two three four five"]


def test_a_mark_that_has_only_begun_is_no_block_yet() -> None:
    flow = Flow(DARK, 40)
    flow.feed("text\n-")

    assert [bare(line) for line in flow.tail(3)] == ["text"]


def test_another_answer_begins_anew() -> None:
    flow = Flow(DARK, 40)
    flow.feed("```\ncode")
    flow.flush()

    assert bare(flow.feed("\n*text*\n\n")) == "text\n"


def test_the_work_for_the_tail_does_not_grow_with_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is held back is what the tail is made of."""
    flow = Flow(DARK, 80)
    for piece in (
        "```c\n/* " + "words \n" * 5000,
        "```\n\n" + "words " * 5000,
        "\n\n|a|\n|-|\n" + "|b|\n" * 5000,
    ):
        flow.feed(piece)
        leaf = flow._blocks.leaf
        assert leaf is not None
        assert len(repr(leaf)) < 40_000
