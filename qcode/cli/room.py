"""The room in the model's window, inside an interactive session: /context, /compact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcode.accounting import account, table
from qcode.agent import make_room
from qcode.context import estimate_tokens

if TYPE_CHECKING:
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
            last=compactor.last if compactor else None,
        )
    )
    ahead = session.warm_up.told if session.warm_up else ""
    return f"{shown}\n{ahead}" if ahead else shown


def compact(session: Session) -> str:
    """Put aside all but the last steps; return what came of it."""
    made = make_room(session.agent, session.history)
    if made is None:
        return "there is nothing to put aside yet"
    return f"history compacted: {made.before:,} to {made.after:,} tokens; `recall` finds the rest"
