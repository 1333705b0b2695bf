"""No secret is written down, told to the model out of a result, or shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qcode.journal.loading import load
from qcode.journal.writing import Journal
from qcode.masked import WrittenDown, masked_json, masked_message
from qcode.messages import (
    AssistantMessage,
    Message,
    Native,
    ToolCall,
    ToolMessage,
    UserMessage,
    to_json,
)
from qcode.secrets import Masker
from qcode.session import JournalledHistory

TOKEN = "ghp_" + "A1b2" * 9
KNOWN = 'pass"word\\of ours'
MASKER = Masker([KNOWN])


def journal_in(folder: Path) -> Journal:
    journal = Journal.create(folder, {"id": "s1", "cwd": "/w"})
    journal.mask_by(MASKER)
    return journal


@pytest.mark.parametrize("secret", [TOKEN, KNOWN])
@pytest.mark.parametrize(
    "make",
    [
        lambda it: UserMessage(f"use {it} now"),
        lambda it: AssistantMessage(f"I use {it}", f"so {it}"),
        lambda it: AssistantMessage(tool_calls=(ToolCall("c", "x", json.dumps({"a": [it]})),)),
        lambda it: AssistantMessage(tool_calls=(ToolCall("c", "x", f'{{"a": {it}'),)),
        lambda it: AssistantMessage("", native=Native("p", (json.dumps({"summary": it}),))),
        lambda it: ToolMessage("c", "x", f"KEY={it}"),
    ],
)
def test_no_message_is_written_with_a_secret(secret: str, make: Any, tmp_path: Path) -> None:
    history = JournalledHistory(journal_in(tmp_path))
    message: Message = make(secret)

    history.append(message)

    written = history.journal.path.read_text()
    assert secret not in written
    assert json.dumps(secret)[1:-1] not in written
    assert json.dumps(json.dumps(secret)[1:-1])[1:-1] not in written
    assert "[masked: " in written
    assert history.items == [message]


def test_arguments_stay_json_and_the_same_without_a_secret() -> None:
    plain = '{"a" :1, "b":"\\u00e9 \\n"}'
    double = json.dumps({"a": json.dumps({"key": f"\n{TOKEN}"}), "b": KNOWN})

    assert masked_json(plain, MASKER) == plain
    assert json.loads(masked_json(double, MASKER))["b"] == "[masked: secret]"
    assert TOKEN not in masked_json(double, MASKER)


def test_ids_and_names_are_never_masked() -> None:
    message = AssistantMessage("", tool_calls=(ToolCall(TOKEN, TOKEN, "{}"),))

    assert masked_message(to_json(message), MASKER) == to_json(message)


def test_a_piece_is_written_at_once_unless_it_may_become_a_secret(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    history = JournalledHistory(journal)

    history.piece(text="Shown befo")
    assert '"Shown befo"' in journal.path.read_text()
    history.piece(text="re: ")
    for at in range(0, len(TOKEN), 3):
        history.piece(text=TOKEN[at : at + 3])
        assert TOKEN[:3] not in journal.path.read_text()
    history.piece(text=" the end")

    (partial,) = load(journal.path).messages
    assert partial == AssistantMessage("Shown before: [masked: gh…] the end", interrupted=True)


def test_what_is_held_of_pieces_goes_with_them(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    history = JournalledHistory(journal)
    history.piece(text="it is ghp_")
    history.append(AssistantMessage("it is ghp_"))

    history.piece(text="Next.")

    assert load(journal.path).messages == [
        AssistantMessage("it is ghp_"),
        AssistantMessage("Next.", interrupted=True),
    ]


@given(st.lists(st.text()))
@example(["-----B"])
def test_pieces_without_a_secret_come_back_whole(texts: list[str]) -> None:
    written = WrittenDown(Masker())
    records = [written.record({"type": "delta", "text": text}) for text in [*texts, "\n"]]

    assert "".join(each["text"] for each in records if each) == "".join([*texts, "\n"])
