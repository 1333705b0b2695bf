from __future__ import annotations

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from qcode.mentions.complete import Candidate
from qcode.ui.complete import Completing, fitting, is_completable

COMMANDS = {"mode": "how much is asked", "model": "which model", "help": "this list"}


def arguments(command: str, part: str) -> list[tuple[str, str]]:
    known = {"mode": [("plan", "only reads"), ("auto-edit", "asks before commands")]}
    return known.get(command, [])


def mentions(fragment: str) -> list[Candidate]:
    return [Candidate("src/", "directory"), Candidate("a\x1b[2J.py", "file")]


def completed(before: str, after: str = "") -> list[tuple[str, int, str, str]]:
    completer = Completing(lambda: COMMANDS, arguments, mentions)
    document = Document(before + after, len(before))
    return [
        (one.text, one.start_position, one.display_text, one.display_meta_text)
        for one in completer.get_completions(document, CompleteEvent())
    ]


def test_commands_are_completed_with_what_they_do() -> None:
    assert completed("/mo") == [
        ("mode", -2, "/mode", "how much is asked"),
        ("model", -2, "/model", "which model"),
    ]
    assert [text for text, *_ in completed("/")] == ["mode", "model", "help"]
    assert [text for text, *_ in completed("/hp")] == ["help"]
    assert completed("/etc/ho") == completed("see /mo") == completed("") == []


def test_arguments_are_completed_as_the_command_has_them() -> None:
    assert completed("/mode pl") == [("plan", -2, "plan", "only reads")]
    assert [text for text, *_ in completed("/mode ")] == ["plan", "auto-edit"]
    assert [text for text, *_ in completed("/MODE edi")] == ["auto-edit"]
    assert completed("/help x") == []


def test_mentions_are_completed_anywhere_and_drive_no_terminal() -> None:
    (folder, file) = completed("/mode see @s", " and more")

    assert folder == ("src/", -1, "src/", "directory")
    assert "\x1b" not in file[2]


@pytest.mark.parametrize(
    "before, is_it",
    [("/", True), ("/mo", True), ("/mode x", True), ("a @b", True), ("a", False), ("", False),
     (" /mo", False), ("/etc/hosts", False), ("/mode a\nb", False)],
)  # fmt: skip
def test_what_is_completed_while_it_is_typed(before: str, is_it: bool) -> None:
    assert is_completable(before) is is_it


def test_beginnings_come_before_the_rest() -> None:
    assert fitting("e", ["redo", "edit", "e"]) == ["edit", "e", "redo"]
    assert fitting("x", ["redo"]) == []
