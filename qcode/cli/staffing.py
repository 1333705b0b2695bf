"""From settings to the subagents of a session."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import paths
from qcode.composing import Note
from qcode.extensions.places import Place, places
from qcode.record import replace as modified

if TYPE_CHECKING:
    from qcode.cli.chosen import Chosen
    from qcode.compaction.compactor import Compactor
    from qcode.config import Settings
    from qcode.events import Event
    from qcode.messages import Asked
    from qcode.providers import Provider
    from qcode.session import Session


def places_of(settings: Settings, cwd: Path) -> tuple[Place, ...]:
    """Return where extensions of a session are looked for."""
    return places(cwd, paths.config_dir(), Path.home(), is_trusted=settings.extensions_trusted)


def join(session: Session, settings: Settings, chosen: Chosen, note: Note) -> None:
    """Let a session's model hand over tasks; where nobody defined an agent it is as before."""
    agent = session.agent
    cwd = agent.context.workspace.root
    found_in = [one for one in places_of(settings, cwd) if os.path.isdir(one.folder / "agents")]
    if not found_in and not settings.subagents:
        return
    from qcode.subagents.definitions import built_in, find

    found = find(found_in, built_in() if settings.subagents else ())
    for problem in found.problems:
        note(problem)
    if not found.subagents:
        return
    from qcode.cli.copies_for_agents import Copies
    from qcode.subagents.tool import AgentTool
    from qcode.subagents.working import Staff

    async def answering(model: str, key: str) -> tuple[Provider, Compactor | None]:
        from qcode.cli.chosen import choose_model
        from qcode.cli.seconds import chosen_second
        from qcode.cli.start import compactor_for, provider_for

        own, other, first = settings, chosen, chosen
        if model:
            own = replace(settings, model=model)
            other = await asyncio.to_thread(chosen_second, settings, chosen, model, note)
        elif agent.provider.model != chosen.target.model:  # the person took another meanwhile
            own = replace(settings, model=agent.provider.model)
            other = first = await asyncio.to_thread(choose_model, own, note, local=False)
        provider = provider_for(other, own, key, first=first)
        return provider, compactor_for(own, other, agent.context, agent.tools)

    def spend(asked: Asked) -> None:
        session.history.spent(modified(asked, model=agent.substitute(asked.model)))

    def emit(event: Event) -> None:
        session.emit(event)  # it is another in each turn

    staff = Staff(
        agent,
        answering,
        folder=paths.state_dir() / "sessions" / f"{session.id}.agents",
        session_id=session.id,
        emit=emit,
        copying=Copies(agent, settings, session.id, note),
        spend=spend,
        budget=lambda: session.budget,
        observers=session.observers,
    )
    tool = AgentTool(found.subagents, staff)
    agent.add_tools([tool])


def listed(session: Session, _rest: str) -> str:
    """Return the agents that there are and what they did, for `/agents`."""
    from qcode.subagents.tool import AgentTool

    tool = session.agent.tools.get("agent")
    if not isinstance(tool, AgentTool):
        return "there are none; `agents/*.md` in `~/.config/qcode` defines some"
    rows = [f"{one.name:<16} {one.description} ({one.source})" for one in tool.subagents]
    return "\n".join([*rows, *tool.staff.log])
