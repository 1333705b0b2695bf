"""A person's own slash commands and skills as messages of a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from qcode.commands.command import Command
from qcode.commands.running import message
from qcode.commands.shell import runner
from qcode.events import Emit
from qcode.extensions.spoken import rules_from
from qcode.prompts import load
from qcode.record import Record
from qcode.skills.skill import Skill
from qcode.skills.using import body_of

if TYPE_CHECKING:
    from qcode.session import Session

Answering = Callable[["Session", str], Awaitable[None]]
"""Has a turn answered by the model of that name."""


class Around(Record):
    """What a command needs besides its file."""

    emit: Emit
    """Is told what its shell commands do."""
    answer_by: Answering


class Added:
    """One of them (`Dynamic`)."""

    def __init__(self, what: Command | Skill, around: Around) -> None:
        self._what = what
        self._around = around
        self.name = what.name
        self.about = what.about if isinstance(what, Command) else what.description
        self.hint = what.hint

    async def message(self, session: Session, rest: str) -> tuple[str, str]:
        """Return the message, and what of it may point at files.

        Raises:
            QcodeError: it is broken, or a command that it runs is not allowed.
        """
        what, agent = self._what, session.agent
        try:
            session.allow_in_turn(rules_from(what.allowed, agent.tools))
            if what.model:
                await self._around.answer_by(session, what.model)
            run = runner(agent, self._around.emit, self.name)
            if isinstance(what, Command):
                return await message(what.body, rest, run, hint=what.hint)
            show = agent.context.workspace.show
            text, said = await message(body_of(what, show), rest, run, hint=what.hint)
            used = load("skills/used", name=what.name, folder=show(what.folder), text=text)
            return used, said
        except BaseException:
            await session.take_back()
            raise
