"""A copy of a session that goes on by itself; titles; going back to before a message."""

from __future__ import annotations

import errno
import json
import os
import resource
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from qcode import titles
from qcode.conversation import Conversation
from qcode.errors import QcodeError, UsageError
from qcode.fork import fork
from qcode.journal.listing import entries
from qcode.journal.loading import load
from qcode.journal.writing import Journal
from qcode.messages import (
    Asked,
    AssistantMessage,
    Message,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
    to_json,
)
from qcode.secrets import Masker
from qcode.session import JournalledHistory

HEADER = {"id": "20260101-000000-abcdef", "cwd": "/w", "model": "m", "system": "be good"}
OPENING = UserMessage("what was done", is_summary=True)


def step(number: int) -> list[Message]:
    call = ToolCall(f"c{number}", "read_file", "{}")
    return [AssistantMessage("", "", (call,)), ToolMessage(call.id, call.name, f"text {number}")]


def held(folder: Path) -> JournalledHistory:
    """Return a session of two messages, the first one and its answer put aside."""
    history = JournalledHistory(Journal.create(folder, HEADER))
    history.append(UserMessage("first"))
    for message in step(1):
        history.append(message)
    history.spent(Asked(Usage(100, 10, 0, 0.5)))
    history.append(UserMessage("second"))
    for message in step(2):
        history.append(message)
    history.compact(OPENING, 2, {"c2": "short"})
    history.append(AssistantMessage("done"))
    history.aside("a file changed")
    return history


def copied(path: Path, before: int | None = None) -> Path:
    return fork(path, path.parent, Masker(), before=before)


def test_a_copy_has_the_conversation_and_not_its_cost(tmp_path: Path) -> None:
    history = held(tmp_path)
    history.told_by("prompted")
    before = history.journal.path.read_bytes()

    path = copied(history.journal.path)

    loaded, origin = load(path), load(history.journal.path)
    assert loaded.conversation == origin.conversation
    assert loaded.conversation.archived
    assert (loaded.parent, loaded.cwd, loaded.model) == (HEADER["id"], "/w", "m")
    assert (loaded.system, loaded.protocol) == ("be good", "prompted")
    assert loaded.asides == ["a file changed"]
    assert (loaded.usage, loaded.damaged) == (Usage(), 0)
    assert loaded.id == path.stem != HEADER["id"]
    assert history.journal.path.read_bytes() == before
    assert [entry.parent for entry in entries(tmp_path)] == [HEADER["id"], ""]


def test_a_copy_can_end_before_an_earlier_message(tmp_path: Path) -> None:
    history = held(tmp_path)

    loaded = load(copied(history.journal.path, before=2))

    assert loaded.messages == [UserMessage("first"), *step(1)]
    assert loaded.conversation.archived == []


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_message_that_nobody_said_is_told(number: int, tmp_path: Path) -> None:
    history = held(tmp_path)

    with pytest.raises(UsageError, match=f"no message {number} of yours"):
        copied(history.journal.path, before=number)

    assert len(list(entries(tmp_path))) == 1


def test_a_copy_is_gone_on_with(tmp_path: Path) -> None:
    path = copied(held(tmp_path).journal.path)
    loaded = load(path)
    history = JournalledHistory(Journal.reopen(path), loaded.conversation)
    history.append(UserMessage("third"))

    assert load(path).conversation == history.conversation


def test_a_damaged_journal_is_copied_as_far_as_it_is_read(tmp_path: Path) -> None:
    journal = held(tmp_path).journal
    journal.close()
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(b"".join([lines[0], b"{not json\n", *lines[1:], b'{"type":"mess']))

    loaded = load(copied(journal.path))

    assert loaded.damaged == 0
    assert loaded.conversation == load(journal.path).conversation


def test_what_is_no_journal_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("nonsense\n")

    with pytest.raises(UsageError, match="not a session journal"):
        copied(tmp_path / "x.jsonl")


def test_secrets_of_an_old_journal_are_not_copied(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, HEADER)
    journal.close()
    token = "ghp_" + "A1b2" * 9
    with journal.path.open("a") as file:
        file.write(json.dumps({"type": "message", **to_json(UserMessage(token))}) + "\n")

    assert token not in copied(journal.path).read_text()


def test_a_full_disk_leaves_no_half_copy(tmp_path: Path) -> None:
    history = held(tmp_path)
    history.append(UserMessage("x" * 100_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    try:
        with pytest.raises(QcodeError, match="cannot write the session journal"):
            copied(history.journal.path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [entry.id for entry in entries(tmp_path)] == [HEADER["id"]]
    assert list((tmp_path / ".forks").iterdir()) == []


def test_a_disk_that_fails_at_the_end_leaves_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = held(tmp_path)

    def refuse(*_paths: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(QcodeError, match="Input/output error"):
        copied(history.journal.path)

    assert [entry.id for entry in entries(tmp_path)] == [HEADER["id"]]
    assert list((tmp_path / ".forks").iterdir()) == []


def test_what_was_killed_in_the_making_is_cleared_away(tmp_path: Path) -> None:
    history = held(tmp_path)
    (tmp_path / ".forks").mkdir()
    old, new = tmp_path / ".forks/old.jsonl", tmp_path / ".forks/new.jsonl"
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (time.time() - 7200,) * 2)

    copied(history.journal.path)

    assert (old.exists(), new.exists()) == (False, True)


def test_a_title_is_listed_and_read_back(tmp_path: Path) -> None:
    history = held(tmp_path)
    history.call_it("The \x1b[2Jparser,\n  again")
    titles.write(history.journal.path, titles.clean("The \x1b[2Jparser,\n  again"))

    (entry,) = entries(tmp_path)
    assert (entry.title, entry.first) == ("The parser, again", "first")
    assert load(history.journal.path).title == "The parser, again"
    assert load(copied(history.journal.path)).title == "The parser, again (fork)"

    history.call_it("")
    titles.write(history.journal.path, "")
    assert "first" in [entry.title for entry in entries(tmp_path)]
    assert load(history.journal.path).title == ""


def test_a_title_file_that_is_no_text_is_no_failure(tmp_path: Path) -> None:
    history = held(tmp_path)
    place = titles.beside(history.journal.path)
    place.write_bytes(b"\xff\xfe" * 4000)
    assert len(next(entries(tmp_path)).title) <= titles.LONGEST
    place.unlink()
    place.mkdir()
    assert next(entries(tmp_path)).title == "first"


def test_the_conversation_goes_back_to_before_a_message(tmp_path: Path) -> None:
    history = held(tmp_path)
    path = history.journal.path
    whole = list(history.everything())

    assert history.rewind_said(3) is None
    assert history.rewind_said(2) == UserMessage("second")
    assert history.items == [UserMessage("first"), *step(1)]
    assert load(path).conversation == history.conversation

    assert history.go_on_again()
    assert history.items == whole
    assert load(path).conversation == history.conversation

    assert history.rewind_said(1) == UserMessage("first")
    history.append(UserMessage("other"))
    assert load(path).messages == history.items == [UserMessage("other")]


turns = st.lists(
    st.one_of(
        st.builds(UserMessage, st.text(max_size=3)),
        st.builds(UserMessage, st.text(max_size=3), st.just(True)),
        st.builds(AssistantMessage, st.text(max_size=3)),
        st.integers(-1, 6),
        st.tuples(st.integers(0, 3)),
    ),
    max_size=20,
)


@settings(deadline=None, max_examples=examples(60))
@given(turns)
def test_whatever_happened_a_copy_is_the_same_conversation(
    tmp_path_factory: pytest.TempPathFactory, happened: list[Message | int | tuple[int]]
) -> None:
    folder = tmp_path_factory.mktemp("sessions")
    history = JournalledHistory(Journal.create(folder, HEADER))
    for each in happened:
        if isinstance(each, int):
            history.rewind_said(each)
        elif isinstance(each, tuple):
            history.compact(OPENING, min(each[0], len(history.items)), {})
        else:
            history.append(each)
    history.journal.close()

    loaded = load(history.journal.path)
    assert loaded.conversation == history.conversation
    again = load(copied(history.journal.path)).conversation
    assert again.everything() == loaded.conversation.everything()
    assert Conversation(again.items).said() == Conversation(loaded.conversation.items).said()


def test_notes_tell_when_by_whom_and_for_how_much(tmp_path: Path) -> None:
    history = held(tmp_path)
    history.journal.write({"type": "model", "model": "other"})
    history.append(AssistantMessage("more"))
    history.spent(Asked(Usage(7, 8)))

    loaded = load(history.journal.path)

    notes = [loaded.notes.of(message) for message in loaded.conversation.everything()]
    assert [note.model for note in notes][-2:] == ["m", "other"]
    assert [note.usage for note in notes if note.usage] == [Usage(7, 8)]
    assert all(len(note.at) == 20 for note in notes[:3])
