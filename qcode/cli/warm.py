"""From a session to what is read ahead of its first request, and kept for the next session."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from typing import TYPE_CHECKING

from qcode.composing import Composing
from qcode.providers import protocol_choice
from qcode.providers.llamacpp import LlamaServer
from qcode.warming import WarmUp, request_ahead

if TYPE_CHECKING:
    from qcode.cli.chosen import Chosen
    from qcode.local.slots import Slots
    from qcode.session import Session

log = logging.getLogger(__name__)

_MOVE_S = 30.0
"""For a file of some 20 MB, on a slow disk."""


def warm_up(session: Session, chosen: Chosen) -> None:
    """Begin to read ahead; nothing is said of it, whatever comes of it."""
    base_url = chosen.target.base_url
    assert base_url is not None
    server = LlamaServer(base_url)
    before = _before(session)
    slots = _slots(session, chosen, before)
    keeping = Kept(server, slots, saves=not session.history.messages) if slots else None
    request = request_ahead(session.agent, session.history.messages, before)
    session.warm_up = WarmUp(session.agent, request, server, keeping)
    session.warm_up.start()


async def restore(session: Session, chosen: Chosen) -> None:
    """Give a server that was just started what it once read, where the request goes out at once."""
    if not chosen.is_embedded or chosen.target.base_url is None:
        return
    slots = _slots(session, chosen, _before(session))
    if slots is None:
        return
    server = LlamaServer(chosen.target.base_url)
    try:
        await Kept(server, slots, saves=False).restore()
    except OSError as error:
        log.debug("nothing was restored: %s", error)
    finally:
        await server.close()


class Kept:
    """What the embedded model's server has read, as files."""

    def __init__(self, server: LlamaServer, slots: Slots, *, saves: bool) -> None:
        """`saves`: whether it is the beginning alone that will have been read."""
        self._server = server
        self._slots = slots
        self._saves = saves

    async def restore(self) -> None:
        """Give it back to a server that has read nothing yet."""
        name = self._slots.find()
        if name is None or not await self._server.is_fresh():
            return
        if await self._server.move("restore", name, _MOVE_S):
            self._slots.used(name)
        else:
            self._slots.drop(name)

    async def save(self) -> None:
        """Keep it, if it is not kept."""
        if not self._saves or self._slots.is_kept:
            return
        if await self._server.move("save", self._slots.unfinished, _MOVE_S):
            await asyncio.to_thread(self._slots.finish)


def _before(session: Session) -> str:
    """Return what goes before the first message; a reopened session has it in its history."""
    composer = session.composer
    if session.history.messages or not isinstance(composer, Composing):
        return ""
    return composer.ahead()


def _slots(session: Session, chosen: Chosen, before: str) -> Slots | None:
    """Return where states of the session's beginning are kept; None if the server keeps none."""
    if not chosen.is_embedded:
        return None
    from qcode import local
    from qcode.local.slots import Slots

    running = local.status()
    if running is None or running.slots is None or running.base_url != chosen.target.base_url:
        return None
    agent = session.agent
    choice = protocol_choice(agent.provider)
    tools = [[spec.name, spec.description, spec.parameters] for spec in agent.specs]
    begins = [agent.system, tools, choice.protocol if choice else ""]
    return Slots(running.slots, _digest(begins), _digest(before))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
