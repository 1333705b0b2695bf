"""Taking a conversation back and forth, in memory and out of the journal."""

from __future__ import annotations

from pathlib import Path

from qcode.journal.loading import load
from qcode.journal.writing import Journal
from qcode.messages import AssistantMessage, ToolCall, ToolMessage, UserMessage
from qcode.rewind import before_call
from qcode.session import JournalledHistory


def _history(tmp_path: Path) -> JournalledHistory:
    journal = Journal.create(tmp_path, {"id": "s", "cwd": "/x"})
    history = JournalledHistory(journal)
    history.append(UserMessage("do it"))
    for name in ("c1", "c2"):
        history.append(AssistantMessage(tool_calls=(ToolCall(name, "edit", "{}"),)))
        history.append(ToolMessage(name, "edit", "done"))
    history.append(AssistantMessage("finished"))
    return history


def test_an_answer_goes_and_what_follows_it(tmp_path: Path) -> None:
    history = _history(tmp_path)
    assert history.rewind("c2") == ""
    assert [type(m).__name__ for m in history.items] == [
        "UserMessage", "AssistantMessage", "ToolMessage",
    ]  # fmt: skip
    assert load(history.journal.path).messages == history.items


def test_a_message_for_which_nothing_was_done_is_given_back(tmp_path: Path) -> None:
    history = _history(tmp_path)
    assert history.rewind("c1") == "do it"
    assert history.items == []
    assert load(history.journal.path).messages == []


def test_an_unknown_call_changes_nothing(tmp_path: Path) -> None:
    history = _history(tmp_path)
    before = list(history.items)
    assert history.rewind("c9") is None
    assert history.items == before
    assert before_call(before, "c9") is None


def test_what_was_dropped_comes_back_unless_something_was_said(tmp_path: Path) -> None:
    history = _history(tmp_path)
    before = list(history.items)
    history.rewind("c2")
    history.rewind("c1")
    assert history.go_on_again()
    assert history.items == before
    assert load(history.journal.path).messages == before
    history.rewind("c2")
    history.append(UserMessage("something else"))
    assert not history.go_on_again()
    loaded = load(history.journal.path)
    assert loaded.messages == history.items
    assert loaded.conversation.dropped == []


def test_an_aside_waits_for_the_next_message_of_the_person(tmp_path: Path) -> None:
    history = _history(tmp_path)
    history.aside("[undone]")
    assert load(history.journal.path).asides == ["[undone]"]
    history.append(UserMessage("[nudge]", is_nudge=True))
    assert history.asides == ["[undone]"]
    history.append(UserMessage("[undone]\n\nnow this"))
    assert history.asides == []
    assert load(history.journal.path).asides == []
