"""A command's text in its pieces, with what was written behind its name."""

from __future__ import annotations

import asyncio

import pytest

from qcode.commands.filling import Piece, fill, pieces
from qcode.commands.running import message
from qcode.errors import QcodeError
from qcode.mentions.parse import mentions


def sent(body: str, arguments: str = "", hint: str = "") -> tuple[str, str]:
    async def run(command: str) -> str:
        return f"<{command}>\n"

    return asyncio.run(message(body, arguments, run, hint=hint))


@pytest.mark.parametrize(
    "body, arguments, text",
    [
        ("Fix $ARGUMENTS now", "issue 42", "Fix issue 42 now"),
        ("Fix {{args}}.", "issue 42", "Fix issue 42."),
        ("$1 then $2, not $3.", "one 'two words'", "one then two words, not ."),
        ("$ARGUMENTS[1] $ARGUMENTS", "a b", "b a b"),
        ("Review it.", "the parser", "Review it.\n\nthe parser"),
        ("Review it.", "", "Review it."),
        ("price $10 and awk '{print $1}'", "", "price $10 and awk '{print $1}'"),
        ("$1", "it's", "it's"),
        ("$ARGUMENTS_OLD", "x", "$ARGUMENTS_OLD\n\nx"),
    ],
)
def test_arguments_stand_where_they_are_wanted(body: str, arguments: str, text: str) -> None:
    assert fill(body, arguments) == text
    assert sent(body, arguments)[0] == text


@pytest.mark.parametrize(
    "body, text",
    [
        ("Now: !`git status`\ndone", "Now: <git status>\ndone"),
        ("!{echo ${HOME} {a,b}} end", "<echo ${HOME} {a,b}> end"),
        ("- log: !`git log | head -1`", "- log: <git log | head -1>"),
        ("if (!`x`) and wow!`y`", "if (<x>) and wow!`y`"),
        ("```sh\n!`rm x`\n!{rm y}\n```\nafter", "```sh\n!`rm x`\n!{rm y}\n```\nafter"),
        ("!{git diff\n--stat}", "<git diff\n--stat>"),
        ("!{ } nothing", "nothing"),
    ],
)
def test_shell_commands_are_found_outside_of_fences(body: str, text: str) -> None:
    assert sent(body)[0] == text


@pytest.mark.parametrize(
    "body, command",
    [
        ("!{grep {{args}} .}", "grep 'a; rm -rf ~' ."),
        ("!`grep $ARGUMENTS .`", "grep 'a;' rm -rf '~' ."),
        ("!`grep $1 .`", "grep 'a;' ."),
    ],
)
def test_arguments_in_a_shell_command_are_words_and_no_commands(body: str, command: str) -> None:
    assert sent(body, "a; rm -rf ~")[0].startswith(f"<{command}>")


def test_arguments_begin_no_piece_and_what_commands_print_points_at_nothing() -> None:
    text, said = sent("!`cat list` $ARGUMENTS", "!`id` !{id} @a.py")
    assert text == "<cat list> !`id` !{id} @a.py"
    assert said == "!`id` !{id} @a.py"


def test_files_are_pointed_at_as_in_any_message() -> None:
    text, said = sent("Follow @{docs/a b.md}, @{$1} and @c.md.", "x.py")
    assert text == 'Follow @"docs/a b.md", @x.py and @c.md.'
    assert [one.value for one in mentions(said)] == ["docs/a b.md", "x.py", "c.md"]


@pytest.mark.parametrize("body", ["run !{git log", "see @{a", "now !`git log"])
def test_a_piece_without_an_end_is_an_error_before_anything_is_run(body: str) -> None:
    with pytest.raises(QcodeError, match="has no end"):
        sent(f"!`touch x` {body}")


def test_pieces_keep_every_other_sign() -> None:
    body = "a\n~~~\n!`x`\n~~~\n b !`y`\n\nc @{d} e"
    assert pieces(body) == [
        Piece("text", "a\n~~~\n!`x`\n~~~\n b "),
        Piece("shell", "y"),
        Piece("text", "\n\nc "),
        Piece("file", "d"),
        Piece("text", " e"),
    ]
