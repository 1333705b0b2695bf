"""The room in the model's window, inside an interactive session: /context, /compact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcode.accounting import account, table
from qcode.context import estimate_tokens

if TYPE_CHECKING:
    from qcode.events import Emit
    from qcode.session import Session


def context(session: Session) -> str:
    """Return where the tokens of the next request go."""
    agent, compactor = session.agent, session.agent.compactor
    shown = table(
        account(
            agent.system,
            agent.specs,
            session.history.messages,
            compactor.count if compactor else estimate_tokens,
            window=compactor.window if compactor else None,
            reserve=agent.max_output_tokens,
            asked=session.history.asked,
        )
    )
    ahead = session.warm_up.told if session.warm_up else ""
    return f"{shown}\n{ahead}" if ahead else shown


async def compact(session: Session, wish: str, tell: Emit) -> str:
    """Put aside all but the last steps; return what came of it.

    With a `wish` of what to keep the model is asked to sum up; `tell` hears how far it is.
    """
    made = await session.make_room(wish, tell)
    if made is None:
        return "there is nothing to put aside yet"
    its, note = made.compaction, f", {made.note}" if made.note else ""
    return (
        f"history compacted: {its.before:,} to {its.after:,} tokens{note}; `recall` finds the rest"
    )
