"""Choosing one of the past sessions: in a list that narrows, or by number on a dumb terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator
from itertools import islice
from pathlib import Path

from qcode.cli.sessions import folder, here, remove, table
from qcode.cli.travel import ABORT
from qcode.errors import UsageError
from qcode.journal import listing
from qcode.journal.listing import Entry
from qcode.ui.terminal import Look

PICKED = 20
"""Sessions offered by number."""

LEAVE = "q"
_LEAVING = (LEAVE, "quit", ABORT)


async def choose(
    cwd: Path,
    look: Look,
    ask: Callable[[str], Awaitable[str]],
    say: Callable[[str], object],
    *,
    but: str = "",
) -> Entry | None:
    """Return the session that a person picks, not that of the id `but`; None if they pick none.

    Raises:
        UsageError: there is none to pick.
    """
    if look.live:
        return await from_list(cwd, look, but=but)
    asking = by_number(cwd, say, but=but)
    try:
        question = next(asking)
        while True:
            question = asking.send(await ask(question))
    except StopIteration as end:
        chosen: Entry | None = end.value
        return chosen


async def from_list(cwd: Path, look: Look, *, but: str = "") -> Entry | None:
    """Return the session that a person picks in a list that narrows as they type; see `choose`."""
    every = _every(but)
    first = [*islice(every, 1)]
    if not first:
        raise _nothing()
    from qcode.ui.picker import pick

    def all_of_them() -> Iterator[Entry]:
        yield from first
        yield from every

    try:
        return await pick(
            all_of_them(), cwd, remove=lambda entry: remove(entry.path), colour=look.colour
        )
    except EOFError:
        return None  # the terminal was closed


def by_number(
    cwd: Path, say: Callable[[str], object], *, but: str = ""
) -> Generator[str, str, Entry | None]:
    """Yield questions, take the answers, return the session picked; see `choose`."""
    every = [*_every(but)]
    offered = (here(every, cwd) or every)[:PICKED]
    if not offered:
        raise _nothing()
    say("\n".join(f"{number:>3}  {line}" for number, line in enumerate(table(offered, cwd), 1)))
    while True:
        answer = (yield "number (Enter: 1, q: none) ").strip() or "1"
        if answer.lower() in _LEAVING:
            return None
        if answer.isdecimal() and 1 <= int(answer) <= len(offered):
            return offered[int(answer) - 1]
        say(f"`{answer}` is not a number from 1 to {len(offered)}")


def _every(but: str) -> Iterator[Entry]:
    return (entry for entry in listing.entries(folder()) if entry.title and entry.id != but)


def _nothing() -> UsageError:
    return UsageError("there is no session yet", hint="`qcode` starts one")
