"""Making room in the model's window: the ledger takes the place of what was said before.

A summary of the model comes to it where one is wanted and can be had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qcode.compaction.compactor import Compaction
from qcode.compaction.meter import CHARACTERS
from qcode.escapes import with_tags_seen
from qcode.events import Emit
from qcode.messages import Asked, Usage
from qcode.record import Record as Frozen

if TYPE_CHECKING:
    from qcode.agent import Agent, Record

Spend = Callable[[Asked], None]
"""Accounts for a request that was no step."""


class Made(Frozen):
    """What became of the history."""

    compaction: Compaction
    note: str = ""
    """What came of asking for a summary, for a person; empty: none was asked for."""


async def make_room(
    agent: Agent,
    record: Record,
    spend: Spend,
    tell: Emit,
    *,
    wish: str = "",
    may_ask: bool = True,
) -> Made | None:
    """Put aside what the model's window has no room for; None: there is nothing to put aside.

    Between two steps only: each call has its result. Cancelled, it leaves all as it was.

    Args:
        agent: What answers.
        record: The history.
        spend: Told what asking for a summary cost.
        tell: Hears how far the server is with it.
        wish: What a person wants kept; the model is asked then, too.
        may_ask: Whether the history as it is may be sent at all.
    """
    compactor = agent.compactor
    if compactor is None:
        return None
    fixed = compactor.fixed(agent.system, agent.specs)

    def compacted(kept: str) -> Compaction | None:
        return compactor.compact(record.everything(), record.messages, fixed, kept)

    found, kept, note = compacted(record.summary), record.summary, ""
    if found is not None and may_ask and (wish or compactor.summing.is_usual):
        from qcode.compaction.summary import sum_up, told

        summary = await sum_up(agent, compactor, record.messages, wish, tell)
        if summary.usage != Usage():
            spend(Asked(summary.usage, "summary", summary.model, summary.duration_s))
        note = f"no summary: {summary.why}"
        if summary.text:
            note = f"with a summary of {compactor.count(summary.text):,} tokens"
        wish = with_tags_seen(agent.masker.mask(wish))
        most = int(compactor.summing.tokens * CHARACTERS)
        # One that was made before is better than none: it was true of what it is about.
        kept = told(summary.text or record.summary, wish, most)
        found = compacted(kept)
    if found is None and kept != record.summary:
        # With few messages, what comes to them may be more than what goes.
        kept, note = record.summary, "no summary: it would take up the room"
        found = compacted(kept)
    if found is None and not may_ask:
        found, kept = compacted(""), ""  # the server has refused what there is
    if found is None:
        return None
    record.compact(found.opening, found.kept, found.shortened, kept)
    agent.tell_of_archive()
    return Made(found, note)
