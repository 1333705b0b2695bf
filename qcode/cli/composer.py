"""From settings to a session's composer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import paths
from qcode.approvals import Nobody
from qcode.composing import (
    Budgets,
    Composing,
    Known,
    Memory,
    Note,
    Part,
    PointedAt,
    RepositoryMap,
    Surroundings,
)
from qcode.config import Settings
from qcode.errors import QcodeError
from qcode.escapes import with_tags_seen
from qcode.facts.learning import Learner
from qcode.families import Family
from qcode.memory.files import NAMES, Places
from qcode.sandbox.policy import Network

if TYPE_CHECKING:
    from qcode.agent import Agent
    from qcode.facts.store import Store
    from qcode.mentions.giving import Pointing, Reach
    from qcode.session import Session


def composer_for(
    settings: Settings,
    agent: Agent,
    note: Note,
    budgets: Budgets,
    family: Family,
    home: Path | None = None,
    more: Sequence[Part] = (),
) -> Composing:
    """Return what makes the messages of a session; what is not set suits the model's family.

    `home` is the directory that is told of where the session works on a copy of it, `more` what
    else is the same for any first message.
    """
    context = agent.context
    root = home or context.workspace.root
    told = told_here(settings, root, context.is_hidden, note, budgets, family, named=home is None)
    pointed = PointedAt(lambda: _pointing(settings, agent, note, budgets.mentions))
    lasting = sum(isinstance(part, Memory) for part in told)
    told[lasting:lasting] = more
    if family.shown and agent.in_answer:
        from qcode.showing.telling import Shown

        shown = Shown(context, agent.masker, budgets.mentions, lambda: agent.approach)
        agent.owner = shown.owner
        told.append(shown)
    # Masked as the results of tools are.
    return Composing([*told, pointed], note, lambda text: with_tags_seen(agent.masker.mask(text)))


def told_here(
    settings: Settings,
    root: Path,
    is_hidden: Callable[[Path], bool],
    note: Note,
    budgets: Budgets,
    family: Family,
    *,
    named: bool = True,
) -> list[Part]:
    """Return what a first message is told of a place, before it.

    `named`: whether that is where it lies, too.
    """
    before: list[Part] = []
    if settings.memory:
        names = NAMES if settings.memory_files is None else settings.memory_files
        places = Places(root, paths.config_dir(), Path.home(), names)
        before.append(Memory(places, is_hidden, note, budgets.memory))
    if budgets.map and (family.map if settings.map is None else settings.map):
        before.append(RepositoryMap(root, is_hidden, note, budgets.map))
    if family.surroundings if settings.surroundings is None else settings.surroundings:
        before.append(Surroundings(root, named=named))
    if settings.facts:
        before.append(Known(paths.state_dir() / "facts", root))
    return before


def _pointing(settings: Settings, agent: Agent, note: Note, tokens: int) -> Pointing:
    from qcode.mentions.giving import Pointing
    from qcode.mentions.symbols import Defined
    from qcode.vision import sees_images

    def sees() -> bool:
        known = settings.vision
        if agent.seeing is not None:
            return True  # another one puts pictures into words
        return sees_images(agent.provider.model) if known is None else known

    return Pointing(
        agent.context,
        note,
        home=Path.home(),
        tokens=tokens,
        reach=_reach(settings, agent),
        sees=sees,
        symbols=Defined(agent.context),
    )


def _reach(settings: Settings, agent: Agent) -> Reach:
    """Return how far mentions reach: where nobody is at the keyboard, as far as commands do."""
    from qcode.mentions.giving import Reach
    from qcode.sandbox.hosts import decide, parse

    if not isinstance(agent.approver, Nobody):
        return Reach()
    if settings.network is Network.ON:
        return Reach(outside=False)

    def refusal(host: str, port: int) -> str:
        if settings.offline:
            return "offline, so no page is fetched"
        why = decide(host, port, [parse(rule) for rule in settings.network_hosts]).refused
        return f"{why}; `--allow-host {host}` lets it be fetched" if why else ""

    return Reach(outside=False, refusal=refusal)


def store_of(root: Path) -> Store:
    """Return the facts that are kept of a workspace."""
    from qcode.facts.store import Store

    return Store(paths.state_dir() / "facts", root)


def learner_of(session: Session) -> Learner | None:
    """Return what learns facts from a session's events; None if that is turned off."""
    composer, agent = session.composer, session.agent
    parts = composer.parts if isinstance(composer, Composing) else ()
    known = next((part for part in parts if isinstance(part, Known)), None)
    if known is None:
        return None
    root = str(agent.context.workspace.root)

    def state_now() -> Hashable:
        from qcode.worktree import state

        return state(root)

    def mask(text: str) -> str:
        return agent.masker.mask(text)  # which it is changes with the model

    return Learner(known.store, session.id, state_now, mask)


def save(learner: Learner | None, note: Note) -> None:
    """Keep what was learned; where it cannot be kept, that is all that is lost."""
    if learner is None or not learner.runs:
        return
    from qcode.facts.store import today

    try:
        learner.save(today())
    except QcodeError as error:
        note(f"what was learned of this project is not kept: {error}")


def pointed_of(composer: object) -> PointedAt | None:
    """Return what tells what a session's messages point at."""
    parts = composer.parts if isinstance(composer, Composing) else ()
    return next((part for part in parts if isinstance(part, PointedAt)), None)


def memory_of(composer: object) -> Memory | None:
    """Return the instruction files of a session; None if they are turned off."""
    parts = composer.parts if isinstance(composer, Composing) else ()
    return next((part for part in parts if isinstance(part, Memory)), None)
