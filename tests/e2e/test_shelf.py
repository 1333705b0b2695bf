"""Past sessions from inside one, and going back in it, as a person does it in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pty_program import PtyProgram
from scripted_server import Json, Reply, ScriptedServer, call, text

from qcode import paths
from qcode.journal.listing import Entry, entries
from qcode.journal.loading import load
from qcode.messages import UserMessage

ENTER, CTRL_D, CTRL_U = "\r", "\x04", "\x15"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@contextmanager
def talk(work: Path, *replies: Reply, term: str = "xterm") -> Iterator[PtyProgram]:
    """Hold a session in which `one` was said, and answered by the first reply."""
    with ScriptedServer([*replies]) as server:
        options = ("--base-url", server.base_url, "-m", "scripted", "-y")
        with PtyProgram(work, *options, "one", rows=50, columns=160, TERM=term) as program:
            program.requests = server.requests  # type: ignore[attr-defined]
            yield program


def said(program: PtyProgram, at: int) -> list[str]:
    """Return what people and qcode said in a request."""
    request: Json = program.requests[at].json  # type: ignore[attr-defined]
    return [m["content"] for m in request["messages"] if m["role"] == "user"]


def kept() -> list[Entry]:
    return list(entries(paths.state_dir() / "sessions"))


def test_a_session_is_named_exported_and_copied_from_inside(work: Path) -> None:
    with talk(work, text("First **answer**."), text("Second.")) as program:
        program.see("First **answer**.", "tokens in")
        program.type("/rename The \x1b[A first" + ENTER)
        program.see("this session is called “The first”")
        program.type("/export html" + ENTER)
        program.see("exported to")
        program.type("/export talk.json" + ENTER)
        program.see("talk.json")
        program.type("/export json talk.json" + ENTER)
        program.see("is there already; --force replaces it")
        program.type("/export a b c" + ENTER)
        program.see("writes one file")
        program.type("/fork 'Other way'" + ENTER)
        program.see("copied to session")
        program.type("/fork --before 7" + ENTER)
        program.see("has no message 7 of yours")
        program.type("/sessions" + ENTER)
        program.see("Other way", "* 20")
        program.type("two" + ENTER)
        program.see("Second.")
        program.type(CTRL_D)
        assert program.wait() == 0

    (own,) = [entry for entry in kept() if not entry.parent]
    (copy,) = [entry for entry in kept() if entry.parent]
    assert (own.title, copy.title, copy.parent) == ("The first", "Other way", own.id)
    assert len(load(own.path).messages) == 4
    assert len(load(copy.path).messages) == 2
    assert "<strong>answer</strong>" in (work / f"qcode-{own.id}.html").read_text()
    assert json.loads((work / "talk.json").read_text())["title"] == "The first"


def test_before_anything_was_said_there_is_nothing_to_keep(work: Path) -> None:
    with ScriptedServer([]) as server:
        options = ("--base-url", server.base_url, "-m", "scripted")
        with PtyProgram(work, *options) as program:
            program.see("Enter sends")
            for command in ("/rename x", "/fork", "/export"):
                program.type(command + ENTER)
                program.see(f"> {command}", "nothing was said in this session yet")
            program.type("/resume" + ENTER)
            program.see("there is no session yet")
            program.type("/rewind" + ENTER)
            program.see("✗ nothing was said yet")
            program.type(CTRL_D)
            assert program.wait() == 0
    assert kept() == []


def test_another_session_is_gone_on_with(work: Path) -> None:
    with talk(work, text("About cats.")) as program:
        program.see("About cats.", "tokens in")
        program.type(CTRL_D)
        program.wait()
    (cats,) = kept()

    with talk(work, text("About dogs."), text("More of cats.")) as program:
        program.see("About dogs.", "tokens in")
        program.type("/resume" + ENTER)
        program.see("1 session of this directory", "About cats.")
        program.type(ENTER)
        program.see(f"session {cats.id}", "> one", without="Enter opens")
        program.type("more" + ENTER)
        program.see("More of cats.")
        program.type(f"/resume {cats.id}" + ENTER)
        program.see("this is that session")
        program.type("/resume nonsense" + ENTER)
        program.see("no session `nonsense`")
        program.type("/resume" + ENTER)
        program.see("1 session of this directory", "About dogs.")
        program.type("\x03")
        program.see("resume", without="Enter opens")
        program.type(CTRL_D)
        assert program.wait() == 0

    assert [m.text for m in load(cats.path).messages] == [
        "one", "About cats.", "more", "More of cats.",
    ]  # fmt: skip


def test_a_dumb_terminal_chooses_by_number(work: Path) -> None:
    with talk(work, text("About cats.")) as program:
        program.see("About cats.", "tokens in")
        program.type(CTRL_D)
        program.wait()
    with talk(work, text("About dogs."), term="dumb") as program:
        program.see("About dogs.", "tokens in")
        program.type("/resume" + ENTER)
        program.see("number (Enter: 1, q: none)")
        program.type(CTRL_D)
        program.until(lambda shown: shown.rstrip().endswith(">"), "the next prompt")
        program.type("/session" + ENTER)
        program.see("comes back to it")


def write(content: str) -> Reply:
    return call("write_file", file_path="a.txt", content=content)


@pytest.mark.parametrize("files", [True, False])
def test_the_conversation_goes_back_with_or_without_the_files(work: Path, files: bool) -> None:
    replies = [write("1\n"), text("Wrote."), write("2\n"), text("Again."), text("Otherwise.")]
    with talk(work, *replies) as program:
        program.see("Wrote.", "tokens in")
        program.type("two" + ENTER)
        program.see("Again.")
        program.type("/rewind" + ENTER)
        program.see("1  one  (files", "2  two  (files", "back to before which")
        program.type("2" + ENTER)
        program.see("what was changed in files since, too?")
        program.type(("y" if files else "n") + ENTER)
        program.see("the conversation is back at that point", "> two")
        assert (work / "a.txt").read_text() == ("1\n" if files else "2\n")
        program.type(CTRL_U + "three" + ENTER)
        program.see("Otherwise.")
        program.type(CTRL_D)
        assert program.wait() == 0
        sent = said(program, 4)

    assert sent[0].endswith("one")
    assert sent[1:] == [sent[-1]]
    assert sent[-1].endswith("three")
    assert ("The files were not" in sent[-1]) is not files
    (entry,) = kept()
    assert [m.text for m in load(entry.path).messages if isinstance(m, UserMessage)] == [
        "one", "three",
    ]  # fmt: skip


def test_files_that_somebody_else_changed_keep_all_as_it_is(work: Path) -> None:
    with talk(work, write("1\n"), text("Wrote.")) as program:
        program.see("Wrote.", "tokens in")
        (work / "a.txt").write_text("mine\n")
        program.type("/rewind 1 --files" + ENTER)
        program.see("changed by somebody else since", "/undo 1 --conversation` with")
        program.type("/rewind 5" + ENTER)
        program.see("there is no message 5 of yours; they are 1 to 1")
        program.type("/rewind x" + ENTER)
        program.see("takes the number of a message")
        program.type("/rewind" + ENTER)
        program.see("back to before which")
        program.type(ENTER + CTRL_D)
        assert program.wait() == 0
    assert (work / "a.txt").read_text() == "mine\n"
    (entry,) = kept()
    assert len(load(entry.path).messages) == 4


def test_a_session_gone_back_to_its_beginning_is_kept(work: Path) -> None:
    with talk(work, text("First.")) as program:
        program.see("First.", "tokens in")
        program.type("/rewind 1" + ENTER)
        program.see("back at that point")
        program.type(CTRL_U + CTRL_D)
        program.see("is saved")
        assert program.wait() == 0
    (entry,) = kept()
    assert [m.text for m in load(entry.path).conversation.dropped] == ["one", "First."]
