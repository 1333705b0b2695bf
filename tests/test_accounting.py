from __future__ import annotations

from qcode.accounting import Share, account, table
from qcode.messages import AssistantMessage, ToolCall, ToolMessage, Usage, UserMessage
from qcode.providers import ToolSpec

MESSAGES = (
    UserMessage("fix it", before="be brief", after="a.py"),
    AssistantMessage("Now.", tool_calls=(ToolCall("c1", "glob", "{}"),)),
    ToolMessage("c1", "glob", "a.py\nb.py"),
    UserMessage("more", before="what was", is_summary=True),
)


def test_all_that_the_model_reads_is_counted_once() -> None:
    found = account(
        "be good",
        (ToolSpec("glob", "Find.", {}),),
        MESSAGES,
        len,
        window=200,
        reserve=50,
        last=Usage(100, 10, 60),
    )

    assert found.shares == (
        Share("instructions", 7),
        Share("tool glob", 11),
        Share("project", 8),
        Share("put aside (ledger)", 8),
        Share("requests", 10),
        Share("pointed at", 4),
        Share("answers", 4),
        Share("calls", 6),
        Share("results of glob", 9),
    )
    assert found.total == 67
    shown = table(found)
    assert "tools (1)                          11    5.5 %" in shown
    assert "free                               83" in shown
    assert "100 tokens by the server's count, 60 reused, 40 read anew" in shown


def test_a_window_that_is_not_known_is_not_made_up() -> None:
    shown = table(account("be good", (), (), len, window=None, reserve=50))

    assert "the window is not known" in shown
    assert "free" not in shown
