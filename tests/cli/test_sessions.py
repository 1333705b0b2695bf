"""`qcode sessions`: past sessions listed, shown, exported and removed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from pathlib import Path

import pytest

from qcode import paths
from qcode.cli import run_command
from qcode.journal.writing import Journal
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


def test_an_export_replaces_nothing_unless_told_to(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hold("s1", here, TALK).close()
    talk = here / "talk.html"
    talk.write_text("mine")
    talk.chmod(0o640)
    link = here / "link.html"
    link.symlink_to("talk.html")
    arguments = ["sessions", "export", "s1", "--format", "html", "-o"]

    for path in (talk, link):
        assert run_command([*arguments, str(path)]) == 2
        assert "is there already; --force replaces it" in capsys.readouterr().err
    assert talk.read_text() == "mine"

    assert run_command([*arguments, str(link), "--force"]) == 0
    assert talk.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert link.is_symlink()
    assert talk.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in here.iterdir() if "talk" in path.name) == ["talk.html"]


def test_an_export_that_does_not_fit_leaves_what_was_there(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hold("s1", here, TALK).close()
    talk = here / "talk.html"
    talk.write_text("mine")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        for name in ("talk.html", "new.html"):
            arguments = ["sessions", "export", "s1", "--format", "html", "--force", "-o", name]
            assert run_command(arguments) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert "cannot write `new.html`: File too large" in capsys.readouterr().err
    assert talk.read_text() == "mine"
    assert [path.name for path in here.iterdir() if path.is_file()] == ["talk.html"]


@pytest.mark.parametrize("path", ["no/such/talk.md", "."])
def test_where_nothing_can_be_written_is_told(
    path: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hold("s1", here, TALK).close()

    assert run_command(["sessions", "export", "s1", "-o", path, "--force"]) == 2
    assert f"cannot write `{path}`" in capsys.readouterr().err


def test_an_export_goes_into_a_pipe(here: Path) -> None:
    hold("s1", here, TALK).close()
    os.mkfifo(here / "pipe")
    with subprocess.Popen(["cat", here / "pipe"], stdout=subprocess.PIPE) as cat:
        assert run_command(["sessions", "export", "s1", "-o", "pipe"]) == 0
        out, _ = cat.communicate(timeout=20)
    assert out.startswith(b"# Fix the bug\n")


def test_a_session_that_is_open_can_be_exported_and_copied(here: Path) -> None:
    journal = hold("s1", here, TALK)

    assert run_command(["sessions", "export", "s1", "-o", "talk.md"]) == 0
    assert run_command(["sessions", "fork", "s1"]) == 0
    assert run_command(["sessions", "rename", "s1", "x"]) == 2

    assert len(list(journal.path.parent.glob("*.jsonl"))) == 2


def test_json_has_what_the_journal_tells_of_each_message(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = hold("s1", here, [])
    journal.write({"type": "message", **to_json(UserMessage("first try"))})
    journal.write({"type": "fresh"})
    journal.write({"type": "message", "at": "2026-01-02T03:04:06Z", **to_json(UserMessage("a"))})
    journal.write({"type": "message", **to_json(AssistantMessage("b"))})
    journal.write({"type": "usage", "input": 5, "output": 6, "cached": 1, "cost_usd": 0.5})
    opening = to_json(UserMessage("ledger", is_summary=True))
    journal.write({"type": "compact", "opening": opening, "kept": 1})
    journal.write({"type": "title", "title": "Named"})
    journal.close()

    assert run_command(["sessions", "export", "s1", "--format", "json"]) == 0

    whole = json.loads(capsys.readouterr().out)
    usage = {"input_tokens": 5, "output_tokens": 6, "cached_tokens": 1, "cost_usd": 0.5}
    assert (whole["title"], whole["usage"]) == ("Named", usage)
    assert whole["messages"] == [
        {"role": "user", "text": "first try", "forgotten": True},
        {"role": "user", "text": "a", "at": "2026-01-02T03:04:06Z", "put_aside": True},
        {"role": "assistant", "text": "b", "model": "scripted", "usage": usage},
    ]


def test_a_copy_is_listed_with_what_it_is_a_copy_of(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hold("s1", here, [*TALK, UserMessage("And then?")]).close()

    assert run_command(["sessions", "fork", "s1", "--before", "2", "--title", "Other way"]) == 0
    out = capsys.readouterr()
    name = out.out.strip()
    assert out.err == f"`qcode resume {name}` goes on with it\n"

    assert run_command(["sessions"]) == 0
    listed = sorted(capsys.readouterr().out.splitlines())
    assert listed[0].startswith(name)
    assert listed[0].endswith("scripted Other way (copy of s1)")
    assert listed[1].endswith("scripted Fix the bug")
    assert run_command(["sessions", "show", name]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# Other way\n")
    assert "copy of: `s1`" in shown
    assert "And then?" not in shown
    assert run_command(["sessions", "fork", "s1", "--before", "3"]) == 2
    assert "no message 3 of yours; they are 1 to 2" in capsys.readouterr().err


def test_a_session_is_called_what_a_person_says(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = hold("s1", here, TALK, age=60)
    journal.close()
    hold("s2", here, TALK).close()

    assert run_command(["sessions", "rename", "s1", "The", "\x1b[2Jparser"]) == 0
    assert capsys.readouterr().out == "s1  The parser\n"
    assert run_command(["sessions"]) == 0
    assert [line.split(maxsplit=4)[4] for line in capsys.readouterr().out.splitlines()] == [
        "Fix the bug", "The parser",
    ]  # fmt: skip

    assert run_command(["sessions", "rename", "s1"]) == 0
    assert capsys.readouterr().out == "s1  (no title)\n"
    assert run_command(["sessions", "rename", "s1", "again"]) == 0
    assert run_command(["sessions", "rm", "s1"]) == 0
    assert sorted(path.name for path in journal.path.parent.iterdir()) == ["s2.jsonl"]


def test_sessions_are_found_by_words_said_in_them(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hold("s1", here, [UserMessage("x"), AssistantMessage("It is the Größe \x1b[2Jof A")]).close()
    call = ToolCall("c1", "run_shell_command", json.dumps({"command": 'make "all"'}))
    hold("s2", here, [UserMessage("zebra"), AssistantMessage("", "", (call,))], age=60).close()
    hold("s3", here / "elsewhere", TALK, age=90).close()

    def found(*arguments: str) -> list[str]:
        assert run_command(["sessions", "list", *arguments]) == 0
        return capsys.readouterr().out.splitlines()

    first = found("--search", "GRÖSSE a of")
    assert first[0].startswith("s1 ")
    assert first[1].strip() == "It is the Größe of A"
    assert found("--search", "größe make") == []
    assert found("--search", "make all")[0].startswith("s2 ")
    assert found("--search", "scripted zebra")[0].startswith("s2 ")
    assert found("--search", "assistant") == []
    assert found("--search", "bug") == []
    assert found("--all", "--search", "bug on it")[0].startswith("s3 ")
    (entry,) = json.loads("\n".join(found("--json", "--search", "größe")))
    assert (entry["id"], entry["found"]) == ("s1", "It is the Größe of A")


def test_a_damaged_journal_is_searched_as_far_as_it_is_read(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = hold("s1", here, [UserMessage("x")])
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b'{"needle": \n[1]\n{"type":"message","text":7,"tool_calls":["needle"]}\n')
        file.write(b'{"type":"message","role":"user","text":"\xff"}\n')
        file.write(b'{"type":"message","role":"user","text":"a needle"}\n{"type":"mess')

    assert run_command(["sessions", "--search", "needle"]) == 0
    assert "needle" in capsys.readouterr().out
    assert run_command(["sessions", "--search", "nothing"]) == 0
    assert "no session has all of these words" in capsys.readouterr().err


def test_what_was_found_shows_no_secret(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = "ghp_" + "A1b2" * 9
    journal = hold("s1", here, [UserMessage("x")])
    with journal.path.open("a") as file:
        said = UserMessage(f"{'word ' * 60}{token} needle")
        file.write(json.dumps({"type": "message", **to_json(said)}) + "\n")
    journal.close()

    for words in ("needle", token[5:20]):
        assert run_command(["sessions", "--search", words]) == 0
        assert token[8:16] not in capsys.readouterr().out
