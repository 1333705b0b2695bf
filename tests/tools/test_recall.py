from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tool_bench import Bench

from qcode.compaction.archive import Archive
from qcode.compaction.searching import AROUND
from qcode.errors import ToolError
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from qcode.tools.recall import Params, Recall

SAID: Sequence[Message] = (
    UserMessage("Keep the port at 8443, whatever happens."),
    UserMessage("Call a tool.", is_nudge=True),
    AssistantMessage(
        "Now the tests.", tool_calls=(ToolCall("c1", "shell", '{"command":"pytest"}'),)
    ),
    ToolMessage("c1", "shell", "x\n" * 3000 + "assert retry_limit == 5\n" + "y\n" * 3000),
)


@pytest.fixture(params=["fts5", "a_module_that_no_sqlite_has"])
def archive(request: pytest.FixtureRequest) -> Archive:
    """An archive with SQLite's full-text index, and one of a SQLite that has none."""
    return Archive(request.param)


def recall(bench: Bench, archive: Archive, said: Sequence[Message], query: str) -> str:
    tool = Recall(archive)
    context = replace(bench.context, put_aside=lambda: said)
    return asyncio.run(tool.run(Params(query), context)).text


def test_words_are_found_where_they_were_said(bench: Bench, archive: Archive) -> None:
    found = recall(bench, archive, SAID, "retry_limit")

    assert found.startswith("[4 of 4: shell pytest]\n")
    assert "assert retry_limit == 5" in found
    assert len(found) < 1000
    assert "port at 8443" in recall(bench, archive, SAID, "which port was it?")


@pytest.mark.parametrize("query", ['"', "a AND", "NEAR(", "*", "port:*", "x'); DROP TABLE parts"])
def test_a_query_may_be_any_text(bench: Bench, archive: Archive, query: str) -> None:
    assert recall(bench, archive, SAID, query)


def test_it_says_when_there_is_nothing(bench: Bench, archive: Archive) -> None:
    assert "Nothing was put aside" in recall(bench, archive, (), "port")
    assert "No words of zebra" in recall(bench, archive, SAID, "zebra")
    with pytest.raises(ToolError, match="query is empty"):
        recall(bench, archive, SAID, " ")


def test_what_is_taken_back_is_not_found_any_more(archive: Archive) -> None:
    assert archive.search(SAID[:1], "port", 3)
    assert archive.search(SAID, "retry_limit", 3)

    assert not archive.search(SAID[:1], "retry_limit", 3)
    assert not archive.search([UserMessage("other")], "port", 3)


def test_without_an_index_the_rare_and_the_whole_word_come_first() -> None:
    said = [
        *(UserMessage(f"the retry limit of job {number}") for number in range(9)),
        UserMessage("Zephyr is where the limit is kept"),
        UserMessage("zephyrs blow " + "over the hills and far away, " * 40 + "at last"),
    ]
    hits = Archive("none").search(said, "zephyr limit", 3)

    assert [hit.number for hit in hits] == [10, 11, 9]
    assert hits[0].text == "Zephyr is where the limit is kept"
    assert hits[1].text.startswith("zephyrs blow over")
    assert hits[1].text.endswith("…")
    assert len(hits[1].text.split()) == AROUND
    assert not Archive("none").search(said, "nowhere", 3)
    assert not Archive("none").search(said, "…", 3)


def test_python_without_sqlite_finds_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlite3", None)

    (hit,) = Archive().search(SAID, "retry_limit", 3)

    assert hit.what == "shell pytest"


@given(
    st.lists(st.text(alphabet="abAB _\n", max_size=60), max_size=8),
    st.text(alphabet="abAB _", min_size=1, max_size=8),
)
def test_both_ways_find_what_has_a_whole_word(texts: list[str], query: str) -> None:
    said = [UserMessage(text) for text in texts]
    words = set(query.lower().split())

    found = {hit.number for hit in Archive("none").search(said, query, 100)}

    for number, text in enumerate(texts, 1):
        if words & set(text.lower().split()):
            assert number in found
    assert {hit.number for hit in Archive().search(said, query, 100)} <= found
