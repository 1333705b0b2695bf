from __future__ import annotations

from tool_bench import Bench


def test_the_list_is_kept_and_told_shortly(bench: Bench) -> None:
    kept = bench.context.todos

    result = bench.call(
        "todo_write",
        todos=[
            {"content": "read", "status": "completed", "id": "a"},
            {"content": "write", "status": "in_progress"},
            {"content": "test", "status": "pending", "priority": "high"},
        ],
    )

    assert result.text == "Saved: 1 of 3 done; now: write."
    assert bench.context.todos is kept
    assert kept == [
        {"id": "a", "content": "read", "status": "completed"},
        {"id": "2", "content": "write", "status": "in_progress"},
        {"id": "3", "content": "test", "status": "pending"},
    ]


def test_a_new_list_replaces_the_old_one(bench: Bench) -> None:
    bench.call("todo_write", todos=[{"content": "a", "status": "pending"}])
    bench.call("todo_write", todos=[])

    assert bench.context.todos == []


def test_an_unknown_status_or_empty_content_is_refused(bench: Bench) -> None:
    unknown = bench.error("todo_write", todos=[{"content": "a", "status": "soon"}])
    empty = bench.error("todo_write", todos=[{"content": " ", "status": "pending"}])

    assert "`todos[0].status` must be one of pending, in_progress, completed" in unknown
    assert "no content" in empty
    assert bench.context.todos == []
