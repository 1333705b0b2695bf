"""One session that works on a task, or on what a driver says: what lands of it, what is told."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from qcode.cli.chosen import Chosen
from qcode.cli.noting import Note
from qcode.cli.reports import Reports, delivered
from qcode.cli.stopping import Stopping
from qcode.cli.telling import Teller
from qcode.errors import QcodeError, UsageError
from qcode.events import TurnEnd
from qcode.headless.ended import Ended
from qcode.headless.order import Order
from qcode.headless.work import Guard, Work
from qcode.record import Record, replace
from qcode.spoken import called

if TYPE_CHECKING:
    from qcode.headless.driving import Control, Interrupt, Malformed
    from qcode.headless.shaping import Shape
    from qcode.session import Session


class Plan(Record):
    """How a run is to go, besides what it is to do."""

    args: argparse.Namespace
    note: Note
    reports: Reports
    guard: Callable[[Session], Guard] | None = None
    """Returns what protects the files of a session; None: nothing is to be protected."""
    shape: Shape | None = None
    warm: Chosen | None = None
    """A server that may be given what it read in an earlier session."""


def worse(ended: Ended, wrong: str) -> Ended:
    """Return how a run ended with something that went wrong behind it."""
    error = f"{ended.error}; {wrong}" if ended.error else wrong
    return replace(ended, error=error, exit_code=ended.exit_code or 1)


class Foreground:
    """The session of a run that has one."""

    def __init__(self, plan: Plan, session: Session) -> None:
        self.plan = plan
        self.args = plan.args
        self.session = session
        self.teller = Teller(plan.args, session, plan.note)
        self.work = Work(
            session,
            self.teller,
            guard=plan.guard(session) if plan.guard is not None else None,
            shape=plan.shape,
        )
        self.stopping = Stopping(session.interrupt)
        self.changed: tuple[str, ...] = ()
        """Paths that the session's calls changed, relative to the workspace."""
        self.commit = ""

    async def run(self, order: Order) -> int:
        """Work on one task; return the exit code."""
        self.stopping.mind()
        code = await self._to_its_end(self._one(order))
        ended = self._ended(code)
        if wrong := delivered(self.plan.reports, ended, self.session.agent.masker):
            ended = worse(ended, wrong)
        self.teller.finish(
            ended,
            interrupted=self.stopping.has_come,
            patch_on_stdout=self.args.patch == "-",
        )
        self.plan.reports.end()
        return ended.exit_code

    async def drive(self, order: Order, descriptor: int) -> int:
        """Work on what comes by a descriptor, a result each; return the last one's exit code."""
        self.stopping.mind()
        self.session.is_driven = True
        code = await self._to_its_end(self._driven(order, descriptor))
        ended = self._ended(code)
        if wrong := delivered(self.plan.reports, ended, self.session.agent.masker):
            ended = worse(ended, wrong)
        self.teller.last_line(ended, interrupted=self.stopping.has_come)
        self.plan.reports.end()
        return ended.exit_code

    async def _to_its_end(self, doing: Awaitable[int]) -> int:
        try:
            async with self.teller.beating():
                code = await doing
        except asyncio.CancelledError:
            if not self.stopping.has_come:
                raise
            self.work.end, code = TurnEnd.INTERRUPTED, 130
        except QcodeError as error:
            self.work.error, code = str(error), error.exit_code
        finally:
            await self._close()
        return 128 + self.stopping.signal if self.stopping.signal is not None else code

    async def _one(self, order: Order) -> int:
        found = called(order.typed)
        if found and self.session.commands and await self.session.command(found[0]) is None:
            self.plan.note(f"there is no command `/{found[0]}` here, so the text is sent as it is")
        return await self._land(await self._begun(order))

    async def _begun(self, order: Order) -> int:
        await self.work.boundary.ready()
        if self.plan.warm is not None:
            from qcode.cli.warm import restore

            await restore(self.session, self.plan.warm)
        self.plan.reports.begin()
        self.teller.begin()
        return await self.work.run(order)

    async def _driven(self, order: Order, descriptor: int) -> int:
        from qcode.headless.driving import Driver
        from qcode.ui import wire

        await self.work.boundary.ready()
        self.plan.reports.begin()
        code, is_first = 0, True
        async for said in Driver(descriptor, self._hear).turns():
            if is_first:
                self.teller.begin()
            is_first = False
            code = await self._land(await self.work.run(replace(order, prompt=said.text)))
            if self.stopping.has_come:
                break
            self.teller.line(wire.result(self._ended(code)))
        if is_first:
            raise UsageError("no message came on stdin", hint="write one JSON object a line")
        return code

    def _hear(self, message: Control | Interrupt | Malformed) -> None:
        from qcode.headless.controls import follow
        from qcode.headless.driving import Malformed
        from qcode.permissions import Mode
        from qcode.ui import wire

        if isinstance(message, Malformed):
            self.teller.line(wire.input_error(self.session.id, message.line, message.why))
            return

        def set_mode(mode: Mode) -> None:
            self.session.agent.mode = mode

        try:
            answer = follow(message, interrupt=self.session.interrupt, set_mode=set_mode)
        except QcodeError as error:
            self.teller.line(wire.control_refusal(message.request_id, str(error)))
        else:
            self.teller.line(wire.control_answer(message.request_id, answer))

    async def _land(self, code: int) -> int:
        """Commit and write the patch as asked; return the exit code."""
        wanted = self.args.output != "text" or self.args.commit or self.args.patch
        wanted = wanted or self.plan.reports.are_wanted
        if not wanted and (self.args.quiet or self.teller.receipt.is_empty):
            return code
        from qcode.cli import land

        try:
            self.changed = tuple(await land.changed_files(self.session))
            if self.args.patch:
                await land.write_patch(
                    self.session, self.args.patch, sys.stdout.buffer, self.plan.note
                )
            if self.args.commit and code == 0:
                self.commit = await land.land_commit(self.session, self.plan.note)
        except QcodeError as error:
            self.work.error = f"{self.work.error}; {error}" if self.work.error else str(error)
            return code or error.exit_code
        return code

    def _ended(self, code: int) -> Ended:
        self.teller.complete_receipt(self.changed)
        return replace(
            self.work.ended(code),
            files_changed=self.changed,
            commit=self.commit,
            receipt=self.teller.receipt.to_json(),
        )

    async def _close(self) -> None:
        self.teller.learn()
        self.stopping.closing = asyncio.ensure_future(self.session.close())
        try:
            await self.stopping.closing
        except asyncio.CancelledError:
            if not self.stopping.has_come:
                raise
