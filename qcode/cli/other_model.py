"""Another model than the session's, as commands, skills and subagents name it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from qcode.tiers import tier_for

if TYPE_CHECKING:
    from qcode.cli.chosen import Chosen
    from qcode.cli.extending import Extensions
    from qcode.config import Settings
    from qcode.session import Session

SAME = frozenset({"", "inherit", "default", "sonnet", "opus", "haiku", "opusplan", "sonnet[1m]"})
"""Words that are no names of models: another vendor's sizes, which here are the session's model."""


async def chosen_for(extensions: Extensions, name: str) -> Chosen | None:
    """Return the model that a file names; None: it is the session's.

    Raises:
        QcodeError: it cannot be had.
    """
    if name.lower() in SAME or name == extensions.chosen.target.model:
        return None
    from qcode.cli.seconds import chosen_second

    settings, chosen = extensions.settings, extensions.chosen
    return await asyncio.to_thread(chosen_second, settings, chosen, name, extensions.note)


async def answer_by(session: Session, extensions: Extensions, name: str) -> None:
    """Have the next turn answered by another model; afterwards it is the one before.

    Raises:
        QcodeError: it cannot be had.
    """
    chosen = await chosen_for(extensions, name)
    if chosen is not None:
        answer_with(session, extensions.settings, chosen, extensions.chosen)


def answer_with(session: Session, settings: Settings, chosen: Chosen, first: Chosen) -> None:
    """Have the turn that begins answered by another model; afterwards it is the one before.

    `first` is the one that the session began with.
    """
    from qcode.cli.start import compactor_for, provider_for

    agent = session.agent
    before = agent.provider, agent.compactor, agent.max_output_tokens, agent.context.sizes

    async def take_back() -> None:
        other = agent.provider
        agent.provider, agent.compactor, agent.max_output_tokens, agent.context.sizes = before
        await other.close()

    agent.provider = provider_for(chosen, settings, session.id, first=first)
    agent.context.sizes = tier_for(chosen.context_window).sizes
    agent.compactor = compactor_for(settings, chosen, agent.context, agent.tools)
    agent.max_output_tokens = chosen.output_limit(settings)
    session.after_turn.append(take_back)
