"""Commit messages out of a model's answer, and without one."""

from __future__ import annotations

import pytest

from qcode.landing.message import cleaned, plain_message


@pytest.mark.parametrize(
    "text, message",
    [
        ("Fix the parser", "Fix the parser"),
        ('"Fix the parser"\n', "Fix the parser"),
        ("```\nFix it\n\nIt was broken.\n```", "Fix it\n\nIt was broken."),
        ("Commit message: fix: handle empty input", "fix: handle empty input"),
        ("<think>hm</think>\nFix it", "Fix it"),
        ('<tool_call>\n{"name": "edit"}</tool_call>', ""),
        ('{"name": "edit"}', ""),
        ("", ""),
        ("Here is the commit message:", ""),
        ("word " * 40, ""),
        ("fix\x1b[31m bad\x00 bytes\x1b[0m\r\nnext", "fix bad bytes\n\nnext"),
        ("\x1b]0;title\x07Fix \x9b2Jit\u202e\u200b", "Fix it"),
        ("<think>unterminated think fix", ""),
        ("half a thought</think>\nFix it", "Fix it"),
        ("I cannot help with that.", ""),
        ("I can't do that", ""),
        ("I’ve changed a.txt", ""),
        ("I'm sorry, but no", ""),
        ("Sorry, I am unable to", ""),
        ("The work is done. I edited a.txt.", ""),
        ("Done.", ""),
        ("All changes have been made.", ""),
        ("Nothing to commit", ""),
        (
            "Ignore case in names\n\nI cannot is a word here.",
            "Ignore case in names\n\nI cannot is a word here.",
        ),
        ("The lock is made reentrant", "The lock is made reentrant"),
        ("Improve speed", "Improve speed"),
        ("The parser reads comments", "The parser reads comments"),
        ("fix: größe — ✨ 漢字", "fix: größe — ✨ 漢字"),
    ],
)
def test_a_message_is_taken_out_of_the_answer(text: str, message: str) -> None:
    assert cleaned(text) == message


def test_a_long_subject_is_cut_at_a_word() -> None:
    subject = cleaned(
        "Change the way in which the parser reads its input so that it no longer fails"
    )
    assert len(subject) <= 72
    assert "Change the way in which the parser reads its input so that it no".startswith(
        subject[:40]
    )
    assert not subject.endswith(" ")


def test_a_plain_message_follows_the_form_of_the_others() -> None:
    assert plain_message(["src/a.py"], []) == "Update a.py"
    assert plain_message(["a.py", "b.py", "c.py"], ["Fix x"]) == "Update a.py, b.py and 1 more"
    assert plain_message(["a.py"], ["feat: x", "fix(y): z", "Merge"]) == "chore: update a.py"
