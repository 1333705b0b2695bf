from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tool_bench import Bench

from qcode.compaction.archive import Archive
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


def recall(bench: Bench, said: Sequence[Message], query: str) -> str:
    tool = Recall()
    context = replace(bench.context, put_aside=lambda: said)
    return asyncio.run(tool.run(Params(query), context)).text


def test_words_are_found_where_they_were_said(bench: Bench) -> None:
    found = recall(bench, SAID, "retry_limit")

    assert found.startswith("[4 of 4: shell pytest]\n")
    assert "assert retry_limit == 5" in found
    assert len(found) < 1000
    assert "port at 8443" in recall(bench, SAID, "which port was it?")


@pytest.mark.parametrize("query", ['"', "a AND", "NEAR(", "*", "port:*", "x'); DROP TABLE parts"])
def test_a_query_may_be_any_text(bench: Bench, query: str) -> None:
    assert recall(bench, SAID, query)


def test_it_says_when_there_is_nothing(bench: Bench) -> None:
    assert "Nothing was put aside" in recall(bench, (), "port")
    assert "No words of zebra" in recall(bench, SAID, "zebra")
    with pytest.raises(ToolError, match="query is empty"):
        recall(bench, SAID, " ")


def test_what_is_taken_back_is_not_found_any_more() -> None:
    archive = Archive()
    assert archive.search(SAID[:1], "port", 3)
    assert archive.search(SAID, "retry_limit", 3)

    assert not archive.search(SAID[:1], "retry_limit", 3)
    assert not archive.search([UserMessage("other")], "port", 3)
