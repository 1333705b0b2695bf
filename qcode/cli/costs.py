"""`/cost`: what a session has used, its turn, its day and its project; and on what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from qcode import paths
from qcode.cost import tables
from qcode.cost.causes import of_session
from qcode.cost.entries import Entry, of_folder, of_journal
from qcode.cost.reading import COMPARED, compared, prices_by_name
from qcode.cost.sums import by, day_of, total
from qcode.errors import UsageError
from qcode.record import replace

if TYPE_CHECKING:
    from qcode.session import Session

NOTHING = "no request was made yet"

STEPS = 200
"""The last ones, shown at most."""


def cost(session: Session, text: str) -> str:
    """Return tokens and cost; `steps`: of each step, `turns`: of each turn, `on MODEL …`: what
    the session would have cost there.

    Raises:
        UsageError: it is not understood.
    """
    own = list(of_journal(session.history.journal.path))
    match text.split():
        case []:
            return _whole(session, own)
        case ["steps"]:
            return _listed(own, "step")
        case ["turns"]:
            return _listed(own, "turn")
        case ["on", *names] if names:
            return "\n".join(tables.others(compared(own, names))) or NOTHING
        case _:
            raise UsageError(
                f"`/cost` does not know `{text.strip()}`",
                hint="`/cost`, `/cost turns`, `/cost steps` or `/cost on MODEL`",
            )


def _whole(session: Session, own: Sequence[Entry]) -> str:
    if not own:
        return NOTHING
    turn = own[-1].turn
    now = datetime.now().astimezone()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    folder, today = paths.state_dir() / "sessions", now.strftime("%Y-%m-%d")
    recent = of_folder(folder, since=midnight.timestamp())
    project = of_folder(folder, project=own[0].project)
    rows = [
        total((e for e in own if e.turn == turn), "this turn"),
        total(own, "this session"),
        total((e for e in recent if day_of(e) == today), "today, everywhere"),
        total(project, "this directory"),
    ]
    shares = of_session(session.history.journal.path, prices_by_name)
    parts = [
        tables.sums(rows, ""),
        tables.estimated(own),
        tables.causes(shares),
        tables.by_model(own),
        tables.others(compared(own, COMPARED)),
        tables.local(own),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _listed(own: Sequence[Entry], kind: Literal["step", "turn"]) -> str:
    if not own:
        return NOTHING
    found = by(own, kind)
    rows = [replace(row, key=row.key.rpartition("#")[2]) for row in found]
    return "\n".join(tables.sums(rows[-STEPS:], kind))
