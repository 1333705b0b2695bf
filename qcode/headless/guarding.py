"""The protected files of a session: what is done to them is found and put back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from qcode.checkpoints.in_session import SessionCheckpoints
from qcode.headless.ended import Violation
from qcode.headless.order import Order
from qcode.protection.protection import Protection, describe

if TYPE_CHECKING:
    from qcode.checkpoints.keeper import Checkpoints
    from qcode.headless.work import Guard, Guarding
    from qcode.session import Session


def guard_of(session: Session) -> Guard:
    """Return what begins to protect files of a session."""

    async def begin(order: Order) -> Guarding:
        kept = session.agent.checkpoints
        guarded = Guarded(kept if isinstance(kept, SessionCheckpoints) else None)
        context = session.agent.context
        await asyncio.to_thread(guarded.begin, context.workspace.root, context.spill_dir, order)
        return guarded

    return begin


class Guarded:
    """What is protected; see `qcode.headless.work.Guarding`."""

    def __init__(self, kept: SessionCheckpoints | None) -> None:
        """Without checkpoints, nobody knows what sources were: only what is protected counts."""
        self._kept = kept
        self._protection: Protection | None = None

    def begin(self, root: Path, spill_dir: Path, order: Order) -> None:
        """Take down how the files are now.

        Raises:
            UsageError: a glob is none.
        """
        self._protection = Protection.begin(
            root,
            order.protect,
            order.verify if order.guard_tests else (),
            allowed=order.may_change,
            before=self._before if self._kept is not None else None,
            spill_dir=spill_dir,
        )

    def told(self) -> str:
        """Return what the model is told of it; empty: nothing."""
        return describe(self._protection) if self._protection is not None else ""

    async def put_back(self, *, thorough: bool) -> list[Violation]:
        """Put back what was done to it, and return what that was.

        With `thorough`, code that knows the tests' answers counts as well.
        """
        kept = self._kept
        if thorough and kept is not None and kept.used is not None:
            return await kept.use(self._put_back_all)
        return await asyncio.to_thread(self._put_back, None)

    def _put_back_all(self, its: Checkpoints) -> list[Violation]:
        from qcode.landing.own import own_changes

        return self._put_back(list(own_changes(its).changes))

    def _put_back(self, changed: list[str] | None) -> list[Violation]:
        assert self._protection is not None
        found = self._protection.look(changed)
        return self._protection.roll_back(found) if found else []

    def _before(self, path: str) -> bytes | None:
        """Return what was in a file when the session began; None: there was none.

        Raises:
            LookupError: it is not known.
        """
        from qcode.checkpoints.states import find

        its = self._kept.used if self._kept is not None else None
        if its is None or its.timeline.is_empty:
            raise LookupError(path)
        entry = find(its.store, its.timeline.points[0].state, path)
        if entry is None:
            return None
        if not entry.is_kept or not entry.is_file:
            raise LookupError(path)
        return its.content(entry)
