from __future__ import annotations

import errno
import json
import os
import resource
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qcode.errors import QcodeError, UsageError
from qcode.journal.listing import entries, find
from qcode.journal.loading import load
from qcode.journal.missing import CUT_SHORT, NOT_RUN
from qcode.journal.writing import Journal, new_id
from qcode.messages import (
    AssistantMessage,
    Message,
    Native,
    ToolCall,
    ToolMessage,
    UserMessage,
    from_json,
    to_json,
)

HEADER = {"id": "20260101-000000-abcdef", "cwd": "/w", "model": "m", "system": "be good"}

texts = st.text()
calls = st.builds(ToolCall, texts, texts, texts)
messages = st.one_of(
    st.builds(UserMessage, texts),
    st.builds(
        AssistantMessage,
        texts,
        texts,
        st.lists(calls, max_size=3).map(tuple),
        st.none() | st.builds(Native, texts, st.lists(texts, max_size=2).map(tuple)),
        st.booleans(),
    ),
    st.builds(ToolMessage, texts, texts, texts, st.booleans()),
)


def add(journal: Journal, message: Message) -> None:
    journal.write({"type": "message", **to_json(message)})


def make(folder: Path, *history: Message) -> Path:
    journal = Journal.create(folder, HEADER)
    for message in history:
        add(journal, message)
    journal.close()
    return journal.path


@given(messages)
def test_message_survives_json(message: Message) -> None:
    assert from_json(json.loads(json.dumps(to_json(message)))) == message


def test_whole_session_is_read_back(tmp_path: Path) -> None:
    history: list[Message] = [
        UserMessage("fix it"),
        AssistantMessage("looking", "hm", (ToolCall("1", "read_file", "{}"),)),
        ToolMessage("1", "read_file", "text"),
        AssistantMessage("done"),
    ]

    loaded = load(make(tmp_path, *history))

    assert loaded.messages == history
    assert (loaded.id, loaded.cwd, loaded.model) == (HEADER["id"], "/w", "m")
    assert loaded.system == "be good"


def test_lone_surrogate_is_kept_out_of_the_way(tmp_path: Path) -> None:
    path = make(tmp_path, UserMessage("a\ud800b"))

    (message,) = load(path).messages

    assert isinstance(message, UserMessage)
    assert message.text.startswith("a")


def test_session_ids_of_one_second_sort_by_time() -> None:
    # Three random bytes behind whole seconds sorted two quick sessions by chance.
    ids = [new_id()]
    while len({each[:19] for each in ids}) < 3:
        ids.append(new_id())

    stamps = [each[:19] for each in ids]
    assert stamps == sorted(stamps)
    assert len({each[:15] for each in ids}) <= 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_journal_cut_at_any_byte_loads_and_goes_on(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / new_id()
    call = ToolCall("1", "edit", "{}")
    history: list[Message] = [
        UserMessage("grüße"),
        AssistantMessage("", "", (call, ToolCall("2", "edit", "{}"))),
        ToolMessage("1", "edit", "ok"),
        ToolMessage("2", "edit", "ok"),
        AssistantMessage("fertig"),
    ]
    path = make(folder, *history)
    whole = path.read_bytes()
    first_line = whole.index(b"\n") + 1
    path.write_bytes(whole[: data.draw(st.integers(first_line, len(whole)))])

    journal = Journal.reopen(path)
    loaded = load(path)
    add(journal, UserMessage("weiter"))
    journal.close()

    assert loaded.damaged == 0
    for number, message in enumerate(loaded.messages):
        if isinstance(message, AssistantMessage):
            answers = loaded.messages[number + 1 : number + 1 + len(message.tool_calls)]
            assert [a.call_id for a in answers if isinstance(a, ToolMessage)] == [
                c.id for c in message.tool_calls
            ]
    assert load(path).messages[-1] == UserMessage("weiter")


def test_missing_answers_say_whether_the_call_was_begun(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, HEADER)
    add(journal, UserMessage("x"))
    add(journal, AssistantMessage("", "", (ToolCall("1", "a", ""), ToolCall("2", "b", ""))))
    journal.write({"type": "run", "call_id": "1"})
    journal.close()

    assert load(journal.path).messages[2:] == [
        ToolMessage("1", "a", CUT_SHORT, is_error=True),
        ToolMessage("2", "b", NOT_RUN, is_error=True),
    ]


def test_pieces_without_their_message_are_an_interrupted_answer(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, HEADER)
    add(journal, UserMessage("x"))
    journal.write({"type": "delta", "text": "void"})
    journal.write({"type": "void"})
    journal.write({"type": "delta", "reasoning": "hm"})
    journal.write({"type": "delta", "text": "I was "})
    journal.write({"type": "delta", "text": "saying"})
    journal.close()

    assert load(journal.path).messages[-1] == AssistantMessage(
        "I was saying", "hm", interrupted=True
    )


def test_a_history_begun_anew_is_read_from_there(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, HEADER)
    add(journal, UserMessage("first try"))
    journal.write({"type": "delta", "text": "hm"})
    journal.write({"type": "fresh"})
    add(journal, UserMessage("second try"))
    journal.close()

    assert load(journal.path).messages == [UserMessage("second try")]


def test_answer_out_of_order_or_to_no_call_is_mended(tmp_path: Path) -> None:
    call = ToolCall("1", "a", "")
    stray = ToolMessage("9", "b", "stray")
    history: list[Message] = [
        stray,
        AssistantMessage("", "", (call,)),
        stray,
        ToolMessage("1", "a", "ok"),
    ]

    loaded = load(make(tmp_path, *history))

    assert loaded.messages == [history[1], history[3]]


def test_damaged_line_in_the_middle_is_counted_and_passed_over(tmp_path: Path) -> None:
    path = make(tmp_path, UserMessage("a"))
    with path.open("ab") as file:
        file.write(b'{"type":"message","role":\n\xff\xfe\n{"type":"message","role":"king"}\n')
    journal = Journal.reopen(path)
    add(journal, UserMessage("b"))
    journal.close()

    loaded = load(path)

    assert loaded.messages == [UserMessage("a"), UserMessage("b")]
    assert loaded.damaged == 3


def test_a_session_is_open_once(tmp_path: Path) -> None:
    first = Journal.create(tmp_path, HEADER)

    with pytest.raises(UsageError, match="open in another"):
        Journal.reopen(first.path)

    first.close()
    Journal.reopen(first.path).close()


def test_full_disk_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    # The limit of a file's size stands for a full disk: the write is cut in its middle.
    journal = Journal.create(tmp_path, HEADER)
    add(journal, UserMessage("kept"))
    size = journal.path.stat().st_size
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, old[1]))
    try:
        with pytest.raises(QcodeError, match="cannot write the session journal"):
            add(journal, UserMessage("x" * 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)

    assert journal.path.stat().st_size == size
    add(journal, UserMessage("after"))
    journal.close()
    assert load(journal.path).messages == [UserMessage("kept"), UserMessage("after")]


def test_half_a_record_that_cannot_be_cut_off_now_is_before_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.create(tmp_path, HEADER)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 50, old[1]))

    def refused(fd: int, length: int) -> None:
        raise OSError(errno.EIO, "no")

    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "ftruncate", refused)
            for _ in range(2):
                with pytest.raises(QcodeError, match="cannot write the session journal"):
                    add(journal, UserMessage("x" * 1000))
            assert load(journal.path).messages == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)

    add(journal, UserMessage("after"))
    journal.close()
    assert load(journal.path).messages == [UserMessage("after")]
    assert load(journal.path).damaged == 0


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"hello\n", b"[1]\n", b'{"type":"x"}\n', b"\xff\n"]
)
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)

    with pytest.raises(UsageError, match="not a session journal"):
        load(path)


def test_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"type":"session","version":2,"id":"x"}\n')

    with pytest.raises(UsageError, match="another version"):
        load(path)


def test_sessions_are_listed_newest_first_and_found_by_part_of_the_id(tmp_path: Path) -> None:
    for number in (1, 2):
        journal = Journal.create(tmp_path, {**HEADER, "id": f"2026010{number}-000000-a{number}"})
        add(journal, UserMessage(f"task\n{number}"))
        journal.close()
        os.utime(journal.path, (number, number))
    (tmp_path / "junk.jsonl").write_text("junk")

    listed = list(entries(tmp_path))

    assert [e.title for e in listed] == ["task 2", "task 1"]
    assert find(tmp_path, "a1").id == "20260101-000000-a1"
    assert find(tmp_path, "20260102").id == "20260102-000000-a2"
    with pytest.raises(UsageError, match="fits 2 sessions"):
        find(tmp_path, "2026")
    with pytest.raises(UsageError, match="no session"):
        find(tmp_path, "zzz")


def test_no_sessions_yet(tmp_path: Path) -> None:
    assert list(entries(tmp_path / "none")) == []
