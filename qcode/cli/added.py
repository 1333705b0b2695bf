"""A person's own slash commands and skills as messages of a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from qcode.commands.command import Command
from qcode.commands.running import message
from qcode.commands.shell import runner
from qcode.extensions.spoken import rules_from
from qcode.prompts import load
from qcode.skills.skill import Skill
from qcode.skills.using import body_of
from qcode.spoken import Spoken

if TYPE_CHECKING:
    from qcode.session import Session

Answering = Callable[["Session", str], Awaitable[None]]
"""Has a turn answered by the model of that name."""


class Added:
    """One of them."""

    def __init__(self, what: Command | Skill, session: Session, answer_by: Answering) -> None:
        self._what = what
        self._session = session
        self._answer_by = answer_by
        self.about = what.about if isinstance(what, Command) else what.description
        self.hint = what.hint

    async def speak(self, rest: str) -> Spoken:
        """Return the message; what it allows holds for the turn.

        Raises:
            QcodeError: it is broken, or a command that it runs is not allowed.
        """
        what, session = self._what, self._session
        agent = session.agent
        session.allow_in_turn(rules_from(what.allowed, agent.tools))
        if what.model:
            await self._answer_by(session, what.model)
        run = runner(agent, session.emit, what.name)
        if isinstance(what, Command):
            return Spoken(*await message(what.body, rest, run, hint=what.hint))
        show = agent.context.workspace.show
        text, said = await message(body_of(what, show), rest, run, hint=what.hint)
        used = load("skills/used", name=what.name, folder=show(what.folder), text=text)
        return Spoken(used, said)
