from __future__ import annotations

from qcode.cost.elsewhere import as_cached
from qcode.cost.entries import Entry
from qcode.messages import Asked, Usage


def entry(
    tokens: int, at: str, *, session: str = "s", purpose: str = "", cached: int = 0, took: float = 0
) -> Entry:
    asked = Asked(Usage(tokens, 10, cached), purpose, "", took, at)
    return Entry(asked, session, "/p", "m", 1, at)


def cached_of(*entries: Entry) -> list[int]:
    return [usage.cached_tokens for usage in as_cached(entries)]


def test_a_request_reads_what_the_one_before_it_had() -> None:
    first, second = entry(2_000, "2026-11-28T10:00:00Z"), entry(3_000, "2026-11-28T10:01:00Z")
    assert cached_of(first, second) == [0, 2_000]
    assert [usage.cache_write_tokens for usage in as_cached([first, second])] == [2_000, 1_000]


def test_a_cache_is_gone_after_five_minutes_of_silence() -> None:
    first, late = entry(2_000, "2026-11-28T10:00:00Z"), entry(3_000, "2026-11-28T10:05:01Z")
    assert cached_of(first, late) == [0, 0]


def test_the_time_that_a_request_takes_is_no_silence() -> None:
    first = entry(2_000, "2026-11-28T10:00:00Z")
    slow = entry(3_000, "2026-11-28T10:09:00Z", took=300.0)
    assert cached_of(first, slow) == [0, 2_000]


def test_after_room_was_made_it_reads_what_it_did_here() -> None:
    entries = [
        entry(9_000, "2026-11-28T10:00:00Z"),
        entry(4_000, "2026-11-28T10:01:00Z", cached=1_500),
        entry(4_200, "2026-11-28T10:02:00Z"),
    ]
    assert cached_of(*entries) == [0, 1_500, 4_000]


def test_little_is_not_kept_at_all() -> None:
    entries = [entry(900, "2026-11-28T10:00:00Z"), entry(1_000, "2026-11-28T10:00:01Z")]
    assert [(u.cached_tokens, u.cache_write_tokens) for u in as_cached(entries)] == [(0, 0)] * 2


def test_sessions_and_agents_do_not_share() -> None:
    entries = [
        entry(2_000, "2026-11-28T10:00:00Z"),
        entry(2_500, "2026-11-28T10:00:01Z", purpose="agent a-1"),
        entry(2_600, "2026-11-28T10:00:02Z", session="t"),
        entry(2_700, "2026-11-28T10:00:03Z", purpose="summary"),
        entry(2_800, "2026-11-28T10:00:04Z"),
    ]
    assert cached_of(*entries) == [0, 0, 0, 2_000, 2_000]
