"""Undo and redo for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcode.checkpoints.travel import Clash, Plan
from qcode.cli.travel import Prepared, aside
from qcode.errors import QcodeError

if TYPE_CHECKING:
    from qcode.checkpoints.in_session import SessionCheckpoints
    from qcode.checkpoints.keeper import Checkpoints
    from qcode.session import Session


async def travel(
    session: Session, kept: SessionCheckpoints, verb: str, step: int | None, clash: str
) -> tuple[str, ...]:
    """Go back or forth in the files' states; return the paths that it concerned.

    Raises:
        UsageError: there is no such step, or nothing to take back.
        QcodeError: others changed the files since, or they cannot be written.
    """
    how = Clash(clash)

    def go(its: Checkpoints) -> Plan:
        if title := its.look():
            raise QcodeError(
                f"`{title}` had been cut off and is finished now; nothing else was done"
            )
        plan = (its.undo_plan if verb == "undo" else its.redo_plan)(step, how)
        if plan.conflicts:
            paths = ", ".join(conflict.path for conflict in plan.conflicts[:5])
            raise QcodeError(
                f"others changed {paths} since, so nothing was done",
                hint='clash="merge" keeps both where lines allow, clash="overwrite" overwrites',
            )
        its.go(plan)
        return plan

    plan = await kept.use(go)
    session.history.aside(aside(Prepared(verb, plan, (), ())))
    return tuple(sorted(plan.changes))
