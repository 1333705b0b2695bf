"""Sessions as Markdown."""

from __future__ import annotations

from qcode.journal import Loaded
from qcode.messages import AssistantMessage, ToolCall, ToolMessage, Usage, UserMessage
from qcode.ui.transcript import fenced, markdown, shortened

SESSION = Loaded(
    "s1",
    "/work",
    "scripted",
    "2026-01-02T03:04:05Z",
    "system",
    [
        UserMessage("Fix  the\nbug\x1b[2J"),
        AssistantMessage("On it.", "Hm.\nWell.", (ToolCall("c1", "read_file", '{"a":1}'),)),
        ToolMessage("c1", "read_file", "1\n2\n3\n"),
        AssistantMessage("It was", interrupted=True),
    ],
    Usage(1000, 20),
)


def test_a_transcript_has_all_that_was_said() -> None:
    assert markdown(SESSION) == (
        "# Fix the bug\n\n"
        "- session: `s1`\n- directory: `/work`\n- model: scripted\n"
        "- created: 2026-01-02T03:04:05Z\n- tokens: 1,000 in, 20 out\n\n"
        "## Person\n\nFix  the\nbug\n\n"
        "## Model\n\n> Hm.\n> Well.\n\nOn it.\n\n"
        '**read_file**\n\n```json\n{\n  "a": 1\n}\n```\n\n'
        "**result of read_file**\n\n```\n1\n2\n3\n```\n\n"
        "## Model\n\nIt was\n\n*(interrupted)*\n"
    )


def test_results_can_be_shortened() -> None:
    assert "1\n… 2 more lines\n" in markdown(SESSION, result_lines=1)
    assert shortened("a\nb", 2) == "a\nb"


def test_a_code_block_cannot_be_ended_by_its_text() -> None:
    assert fenced("a\n````\nb") == "`````\na\n````\nb\n`````"
