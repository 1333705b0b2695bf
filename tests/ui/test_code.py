"""Code highlighted line by line, as it comes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

import qcode.loop
from qcode.ui.code import (
    WINDOW_CHARACTERS,
    Highlighter,
    highlighted,
    lexer_for,
    lexer_for_path,
)

LANGUAGES = [
    "python",
    "js",
    "tsx",
    "c",
    "go",
    "rust",
    "bash",
    "html",
    "php",
    "json",
    "yaml",
    "toml",
]
BITS = st.sampled_from([
    *("x", " ", "\n", "/*", "*/", '"', "'", '"""', "`", "${", "}", "<!--", "-->", "<<EOF\n"),
    *("EOF\n", "def f():", "if", "1.5", "#", "//", "<?php", "<script>", "</script>"),
    *("\\", "工具", "{", "["),
])  # fmt: skip


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(LANGUAGES), st.lists(BITS, max_size=60).map("".join))
def test_no_character_is_lost(language: str, text: str) -> None:
    lines = text.split("\n")

    shown = highlighted(lines, lexer_for(language))

    assert ["".join(piece for piece, _ in line) for line in shown] == lines


@pytest.mark.parametrize(
    "language, code, style",
    [
        ("python", 'x = """one\n\nreturn 1\n"""', "string"),
        ("js", "/*\n\n * return 1\n */", "comment"),
        ("c", "/*\n\nreturn 1;\n*/", "comment"),
        ("go", "x := `\n\nreturn 1\n`", "string"),
        ("css", "/*\n\na { }\n*/", "comment"),
        ("html", "<!--\n\n<b>\n-->", "comment"),
        ("js", "x = `\n\nreturn\n`", "string"),
    ],
)
def test_what_spans_lines_does_so_while_it_grows(language: str, code: str, style: str) -> None:
    third = highlighted(code.split("\n"), lexer_for(language))[2]

    assert {used for _, used in third} == {style}


def test_after_a_comment_there_is_code_again() -> None:
    assert highlighted(["/* a", "*/ return 1"], lexer_for("js"))[1] == [
        *(("*/", "comment"), (" ", ""), ("return", "keyword"), (" ", ""), ("1", "number")),
    ]


def test_a_file_is_highlighted_as_it_would_be_at_once() -> None:
    code = Path(qcode.loop.__file__).read_text(encoding="utf-8")
    lexer = lexer_for("python")
    assert lexer is not None

    styled = "".join(
        f"[{s}]" * len(t) for line in highlighted(code.split("\n"), lexer) for t, s in line
    )

    from qcode.ui.code import _lexed, _styled

    spans, _ = _lexed(lexer, code, ("root",))
    at_once = "".join(f"[{s}]" * len(t) for t, s in _styled(code.replace("\n", " "), 0, spans))
    assert abs(len(styled) - len(at_once)) < len(at_once) / 50


@pytest.mark.parametrize("opened", ["/* never ended", '"""', "x = `", "a */ /* b", "<!-- -->"])
@pytest.mark.parametrize("language", ["js", "c", "python"])
def test_what_is_kept_is_bounded(language: str, opened: str) -> None:
    highlighter = Highlighter(lexer_for(language))
    highlighter.line(opened)

    for _ in range(500):
        highlighter.line("some text that goes on and on")
        highlighter.line(opened)

    assert len(highlighter._window) <= WINDOW_CHARACTERS + 100


def test_unknown_languages_are_plain() -> None:
    assert lexer_for("no such language") is lexer_for("") is lexer_for("text") is None
    assert lexer_for_path("a/README") is lexer_for_path("a.txt") is None
    assert highlighted(["if x"], None) == [[("if x", "")]]


@pytest.mark.parametrize("name", ["Python", "py", "{.python}", "PY"])
def test_languages_go_by_many_names(name: str) -> None:
    assert lexer_for(name) is lexer_for("python") is lexer_for_path("src/a.PY") is not None
