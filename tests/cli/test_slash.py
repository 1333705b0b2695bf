"""What is a slash command and what is a message."""

from __future__ import annotations

import pytest

from qcode.cli.slash import COMMANDS, Slash, help_text, parse
from qcode.errors import UsageError


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "/etc/hosts is wrong",
        "/etc/hosts",
        " /help",
        "/",
        "// comment",
        "/* comment */",
        "/2 of it",
        "look at /help",
    ],
)
def test_a_message_is_no_command(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    "text, command",
    [
        ("/help", Slash("help", "")),
        ("/HELP  ", Slash("help", "")),
        ("/exit", Slash("quit", "")),
        ("/clear", Slash("new", "")),
        ("/model  qwen/x ", Slash("model", "qwen/x")),
        ("/mode auto-edit", Slash("mode", "auto-edit")),
    ],
)
def test_commands_and_what_follows_them(text: str, command: Slash) -> None:
    assert parse(text) == command


@pytest.mark.parametrize(
    "text, hint",
    [("/modle x", "did you mean `/mode"), ("/xyzzy", "`/help` lists"), ("/exi", "`/exit`")],
)
def test_an_unknown_command_is_an_error_with_the_nearest(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match="unknown command") as caught:
        parse(text)

    assert hint in caught.value.hint


def test_help_has_every_command() -> None:
    assert all(f"/{name} " in help_text() for name in COMMANDS)
