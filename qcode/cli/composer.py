"""From settings to a session's composer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qcode import paths
from qcode.approvals import Nobody
from qcode.composing import Composing, Memory, Note, Part, PointedAt, Surroundings
from qcode.config import Settings
from qcode.escapes import with_tags_seen
from qcode.memory.files import NAMES, Places
from qcode.sandbox.policy import Network

if TYPE_CHECKING:
    from qcode.agent import Agent
    from qcode.mentions.giving import Pointing, Reach


def composer_for(settings: Settings, agent: Agent, note: Note) -> Composing:
    """Return what makes the messages of a session."""
    context = agent.context
    root = context.workspace.root
    parts: list[Part] = []
    if settings.memory:
        names = NAMES if settings.memory_files is None else settings.memory_files
        places = Places(root, paths.config_dir(), Path.home(), names)
        parts.append(Memory(places, context.is_hidden, note))
    parts.append(PointedAt(lambda: _pointing(settings, agent, note)))
    if settings.surroundings:
        parts.append(Surroundings(root))
    # Masked as the results of tools are.
    return Composing(parts, note, lambda text: with_tags_seen(agent.masker.mask(text)))


def _pointing(settings: Settings, agent: Agent, note: Note) -> Pointing:
    from qcode.mentions.giving import Pointing
    from qcode.vision import sees_images

    def sees() -> bool:
        known = settings.vision
        return sees_images(agent.provider.model) if known is None else known

    return Pointing(agent.context, note, home=Path.home(), reach=_reach(settings, agent), sees=sees)


def _reach(settings: Settings, agent: Agent) -> Reach:
    """Return how far mentions reach: where nobody is at the keyboard, as far as commands do."""
    from qcode.mentions.giving import Reach
    from qcode.sandbox.hosts import decide, parse

    if not isinstance(agent.approver, Nobody):
        return Reach()
    if settings.network is Network.ON:
        return Reach(outside=False)

    def refusal(host: str, port: int) -> str:
        why = decide(host, port, [parse(rule) for rule in settings.network_hosts]).refused
        return f"{why}; `--allow-host {host}` lets it be fetched" if why else ""

    return Reach(outside=False, refusal=refusal)


def memory_of(composer: object) -> Memory | None:
    """Return the instruction files of a session; None if they are turned off."""
    parts = composer.parts if isinstance(composer, Composing) else ()
    return next((part for part in parts if isinstance(part, Memory)), None)
