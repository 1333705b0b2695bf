"""`qcode sessions`: past sessions listed, shown, exported and removed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from qcode import paths
from qcode.cli import run_command
from qcode.journal import Journal
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage, to_json

TALK: list[Message] = [
    UserMessage("Fix the bug"),
    AssistantMessage("On it.", tool_calls=(ToolCall("c1", "read_file", "{}"),)),
    ToolMessage("c1", "read_file", "\n".join(str(n) for n in range(50))),
    AssistantMessage("Done \ud83d."),
]


def hold(name: str, cwd: Path, messages: list[Message], *, age: int = 0) -> Journal:
    folder = paths.state_dir() / "sessions"
    header = {"id": name, "cwd": str(cwd), "model": "scripted", "created": "2026-01-02T03:04:05Z"}
    journal = Journal.create(folder, header)
    for message in messages:
        journal.write({"type": "message", **to_json(message)})
    os.utime(journal.path, (1_800_000_000 - age, 1_800_000_000 - age))
    return journal


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_session_is_no_failure(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["sessions"]) == 0
    assert capsys.readouterr() == ("", "no session was held in this directory\n")


def test_the_newest_comes_first(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hold("old", here, [UserMessage("first\x1b[2J")], age=60).close()
    hold("new", here, []).close()
    hold("other", here / "elsewhere", TALK, age=120).close()

    assert run_command(["sessions"]) == 0
    listed = capsys.readouterr().out
    assert run_command(["sessions", "list", "--all"]) == 0
    everything = capsys.readouterr().out

    assert listed == (
        "new 2027-01-15 08:00 scripted (no message)\nold 2027-01-15 07:59 scripted first\n"
    )
    assert everything.splitlines()[2:] == [
        f"other 2027-01-15 07:58 scripted Fix the bug [{here}/elsewhere]"
    ]


def test_the_list_can_be_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = hold("s1", here, TALK)
    journal.close()

    for arguments in (["--json"], ["list", "--json"], ["--json", "list"]):
        assert run_command(["sessions", *arguments]) == 0
        assert json.loads(capsys.readouterr().out) == [
            {
                "id": "s1",
                "cwd": str(here),
                "model": "scripted",
                "created": "2026-01-02T03:04:05Z",
                "modified": "2027-01-15T08:00:00+00:00",
                "title": "Fix the bug",
                "path": str(journal.path),
            }
        ]


def test_show_prints_a_transcript(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hold("s1", here, TALK).close()

    assert run_command(["sessions", "show", "s1"]) == 0

    shown = capsys.readouterr().out
    assert shown.startswith("# Fix the bug\n")
    assert "… 30 more lines" in shown


def test_export_is_whole(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hold("s1", here, TALK).close()

    assert run_command(["sessions", "export", "s1", "-o", "talk.md"]) == 0
    assert run_command(["sessions", "export", "s1", "--format", "json"]) == 0

    whole = json.loads(capsys.readouterr().out)
    assert "\n49\n" in (here / "talk.md").read_text(encoding="utf-8")
    assert [message["role"] for message in whole["messages"]] == [
        "user", "assistant", "tool", "assistant",
    ]  # fmt: skip


def test_what_is_open_is_not_removed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = hold("s1", here, TALK)

    assert run_command(["sessions", "rm", "s1"]) == 2
    assert "open in another qcode" in capsys.readouterr().err
    assert journal.path.exists()

    journal.close()
    assert run_command(["sessions", "rm", "s1"]) == 0
    assert capsys.readouterr().out == "removed s1\n"
    assert not journal.path.exists()


def test_a_wrong_id_removes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = hold("s1", here, TALK)
    journal.close()

    assert run_command(["sessions", "rm", "s1", "s2"]) == 2
    assert "no session `s2`" in capsys.readouterr().err
    assert journal.path.exists()


def test_a_file_that_is_no_journal_can_be_removed(here: Path) -> None:
    folder = paths.state_dir() / "sessions"
    folder.mkdir(parents=True)
    outside = folder.parent / "outside.jsonl"
    for path in (folder / "broken.jsonl", outside):
        path.write_text("nonsense")

    assert run_command(["sessions", "rm", "../outside"]) == 2
    assert run_command(["sessions", "rm", "broken"]) == 0
    assert outside.exists()
    assert not (folder / "broken.jsonl").exists()


@pytest.mark.parametrize(
    "arguments",
    [["sessions", "show"], ["sessions", "rm"], ["sessions", "nonsense"], ["sessions", "show", "x"]],
)
def test_wrong_usage_is_told(arguments: list[str], here: Path) -> None:
    assert run_command(arguments) == 2


@pytest.mark.parametrize("arguments", [[], ["resume"], ["resume", "x"], ["-c"]])
def test_without_a_terminal_the_way_is_shown(
    arguments: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(arguments) == 2

    told = capsys.readouterr().err
    assert "qcode run" in told
    assert len(told.splitlines()) == 1


def test_exports_of_an_old_journal_have_no_secret(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "QSECRET-of-the-shop")
    token = "ghp_" + "A1b2" * 9
    said = f"use {token} and QSECRET-of-the-shop"
    call = ToolCall("c1", "run_shell_command", json.dumps({"command": said}))
    journal = hold("s1", here, [])
    with journal.path.open("a") as file:
        for message in (
            UserMessage(said),
            AssistantMessage(said, said, (call,)),
            ToolMessage("c1", "run_shell_command", said),
        ):
            file.write(json.dumps({"type": "message", **to_json(message)}) + "\n")
    journal.close()

    for arguments in (
        ["show", "s1"],
        *(["export", "s1", "--format", each] for each in ("md", "json", "html")),
    ):
        assert run_command(["sessions", *arguments]) == 0
        shown = capsys.readouterr().out
        assert "QSECRET" not in shown
        assert token not in shown
        assert shown.count("[masked: gh…]") >= 5
    assert run_command(["sessions"]) == 0
    assert token not in capsys.readouterr().out


def test_an_exported_page_says_what_was_said(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hold("s1", here, TALK).close()

    assert run_command(["sessions", "export", "s1", "--format", "html", "-o", "talk.html"]) == 0

    text = (here / "talk.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "<h1>Fix the bug</h1>" in text
    assert "\n49</pre>" in text
