"""One session of an editor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from acp import RequestError, update_agent_message_text
from acp.helpers import update_current_mode
from acp.schema import AvailableCommandsUpdate, PromptResponse, StopReason, UsageUpdate
from acp.schema import Usage as Spent

from qcode import events
from qcode.acp_agent import obeying
from qcode.acp_agent.said import read
from qcode.acp_agent.updates import Updates
from qcode.cli import slash
from qcode.errors import QcodeError
from qcode.events import TurnEnd
from qcode.messages import Usage
from qcode.vision import sees_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcode.facts.learning import Learner
    from qcode.session import Session

log = logging.getLogger(__name__)

_STOPS: dict[TurnEnd, StopReason] = {
    TurnEnd.ANSWERED: "end_turn",
    TurnEnd.INTERRUPTED: "cancelled",
    TurnEnd.BUDGET: "max_turn_requests",
    TurnEnd.GAVE_UP: "end_turn",
}


class Held:
    """A session, and the editor that it is shown in."""

    def __init__(
        self,
        session: Session,
        client: Callable[[], Any],
        updates: Updates,
        *,
        vision: bool | None,
        learner: Learner | None,
    ) -> None:
        """`vision`: whether the model takes pictures; None: as its name tells."""
        self.session = session
        self.updates = updates
        self.learner = learner
        self._client = client
        self._vision = vision
        self._busy = False
        self._is_cancelled = False

    async def send(self, update: Any) -> None:
        """Show something in the editor; one that is gone sees nothing."""
        try:
            await self._client().session_update(self.session.id, update)
        except (RequestError, ConnectionError, OSError) as error:
            log.debug("not shown: %s", error)

    async def offer(self) -> None:
        """Tell the editor which commands there are."""
        await self.send(
            AvailableCommandsUpdate(
                session_update="available_commands_update",
                available_commands=obeying.offered(self.session),
            )
        )

    async def replay(self) -> None:
        """Show what was said before."""
        for update in self.updates.replay(list(self.session.history.everything())):
            await self.send(update)

    def cancel(self) -> None:
        """End the turn under way."""
        self._is_cancelled = True
        self.session.interrupt()

    async def prompt(self, blocks: Sequence[Any]) -> PromptResponse:
        """Take what the person said to its answer.

        Raises:
            RequestError: a turn is under way, the prompt cannot be taken, or no model answers.
        """
        if self._busy:
            raise RequestError(-32600, "a turn of this session is under way; cancel it first")
        self._busy, self._is_cancelled = True, False
        try:
            return await self._prompt(blocks)
        except QcodeError as error:
            raise RequestError(-32602, str(error)) from error
        finally:
            self._busy = False

    async def _prompt(self, blocks: Sequence[Any]) -> PromptResponse:
        agent = self.session.agent
        sees = sees_images(agent.provider.model) if self._vision is None else self._vision
        sees = sees or agent.seeing is not None
        said = read(blocks, agent.context.workspace.root, sees=sees)
        known = {name for each in self.session.commands for name in each.known()}
        command = slash.parse(said.text, known)
        text, typed = said.text, None
        if command is not None and command.name == "init":
            text, typed = await obeying.message_of_init(self.session, command.rest), command.rest
        elif command is not None:
            mode = agent.mode
            await self.send(update_agent_message_text(await obeying.obey(self.session, command)))
            if agent.mode is not mode:
                await self.send(update_current_mode(agent.mode.value))
            return PromptResponse(stop_reason="end_turn")
        return await self._turn(text, typed, said.given, said.images)

    async def _turn(
        self, text: str, typed: str | None, given: str, images: tuple[Any, ...]
    ) -> PromptResponse:
        end, failure = TurnEnd.ERROR, ""
        usage = Usage()
        turn = self.session.send(text, said=typed, given=given, images=images)
        async with aclosing(turn) as stream:
            async for event in stream:
                if self._is_cancelled and isinstance(event, events.TurnStarted):
                    self.session.interrupt()
                if self.learner is not None:
                    self.learner.handle(event)
                match event:
                    case events.TurnFinished(end, _, usage):
                        pass
                    case events.ErrorRaised(failure):
                        pass
                    case _:
                        for update in self.updates.of(event):
                            await self.send(update)
                if isinstance(event, events.ToolFinished) and event.result.name == "todo_write":
                    await self.send(self.updates.plan(self.session.agent.context.todos))
                if isinstance(event, events.UsageReported) and not event.purpose:
                    await self._tell_room(event)
        await self.offer()
        if end in (TurnEnd.PROVIDER, TurnEnd.ERROR):
            raise RequestError(-32603, failure or "the turn ended by an error")
        if failure and end is not TurnEnd.INTERRUPTED:
            await self.send(update_agent_message_text(f"\n\n✗ {failure}"))
        spent = Spent(
            total_tokens=usage.input_tokens + usage.output_tokens,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
        )
        return PromptResponse(stop_reason=_STOPS.get(end, "end_turn"), usage=spent)

    async def _tell_room(self, event: events.UsageReported) -> None:
        """Tell how much of the model's window is used, where its size is known."""
        compactor = self.session.agent.compactor
        if compactor is not None and compactor.window:
            used = event.step.input_tokens + event.step.output_tokens
            await self.send(
                UsageUpdate(session_update="usage_update", used=used, size=compactor.window)
            )

    async def close(self) -> None:
        """End the session, whole."""
        from qcode.cli.composer import save

        self.cancel()
        save(self.learner, log.debug)
        closing = asyncio.ensure_future(self.session.close())
        await asyncio.shield(closing)
