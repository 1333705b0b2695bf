"""Several candidates for one task, side by side; the best one that is verified is kept.

Each works in a session and a copy of the files of its own; whoever makes them knows how. They
all get the very same first request, so that a server that keeps what it has read reads it
once: the others wait until the first one is being answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from qcode.errors import QcodeError
from qcode.events import TurnEnd

if TYPE_CHECKING:
    from qcode.headless.order import Order
    from qcode.headless.work import Work

GRACE = 0.25
"""Once a candidate is verified, the others may go on for this share of the time it took: one
with a smaller change may be about to end, and a wait for all would last as long as the worst."""

LEAST_GRACE_S = 1.0
"""But no less than this and what a verification takes."""

HEAD_START_S = 15.0
"""Longest that the others wait for the first one's prompt to be read."""

Fate: TypeAlias = Literal["waiting", "working", "ended", "superseded", "failed"]


@dataclass(slots=True)
class Candidate:
    """One attempt."""

    number: int
    """From 1."""
    work: Work
    size: Callable[[], Awaitable[int]]
    """Returns the lines that it changed."""
    is_prepared: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once its baseline is known, or it could not begin."""
    is_answered: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the model begins to answer the first request."""
    fate: Fate = "waiting"
    code: int = 1
    lines: int = 0
    took_s: float = 0.0

    @property
    def is_verified(self) -> bool:
        """Whether everything asked holds."""
        return self.fate == "ended" and self.code == 0


Make: TypeAlias = "Callable[[int], Awaitable[Candidate]]"
Told: TypeAlias = "Callable[[Candidate], None]"


class Attempts:
    """Runs the candidates and judges them."""

    def __init__(self, count: int, at_once: int, make: Make, told: Told) -> None:
        """`told` is called with each candidate when its fate is settled."""
        self.count = count
        self.candidates: list[Candidate] = []
        self._at_once = asyncio.Semaphore(at_once)
        self._make = make
        self._making = asyncio.Lock()
        self._told = told
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.failures: dict[int, QcodeError] = {}
        """Why candidates could not even begin, by number."""

    async def run(self, order: Order) -> Candidate | None:
        """Return the candidate that is kept; None if none is verified.

        Why others could not even begin is in `failures` then.

        Raises:
            QcodeError: there is no first one.
        """
        started = time.monotonic()
        first = await self._made(1)
        for number in range(1, self.count + 1):
            self._tasks[number] = asyncio.ensure_future(self._one(number, order, first))
        try:
            await self._until_settled(started)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        return self._best()

    def interrupt(self) -> bool:
        """Interrupt all turns under way, and begin nothing more; whether there was any."""
        under_way = [one.work.session.interrupt() for one in self.candidates]
        for number, task in self._tasks.items():
            if not any(one.number == number and one.fate == "working" for one in self.candidates):
                task.cancel()
        return any(under_way)

    async def _until_settled(self, started: float) -> None:
        """Wait for all, or for a while longer than the first one that is verified."""
        deadline: float | None = None
        pending = set(self._tasks.values())
        while pending:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            done, pending = await asyncio.wait(
                pending, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error
            if any(one.is_verified for one in self.candidates):
                if deadline is None:
                    now = time.monotonic()
                    least = LEAST_GRACE_S + self._verifying_s()
                    deadline = now + max(least, GRACE * (now - started))
                    self._begin_no_more()
                if time.monotonic() >= deadline:
                    return

    def _verifying_s(self) -> float:
        baseline = self.candidates[0].work.baseline or ()
        return sum(outcome.duration_s for outcome in baseline)

    def _begin_no_more(self) -> None:
        working = {one.number for one in self.candidates if one.fate == "working"}
        for number, task in self._tasks.items():
            if number not in working:
                task.cancel()

    async def _one(self, number: int, order: Order, first: Candidate) -> None:
        async with self._at_once:
            if any(one.is_verified for one in self.candidates):
                return
            try:
                candidate = first if number == 1 else await self._made(number)
                if candidate is not first:
                    await first.is_prepared.wait()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(first.is_answered.wait(), HEAD_START_S)
                await self._work(candidate, order, first)
            except QcodeError as error:
                # One that cannot begin is no reason to lose the others.
                self.failures[number] = error

    async def _made(self, number: int) -> Candidate:
        async with self._making:
            candidate = await self._make(number)
        self.candidates.append(candidate)
        return candidate

    async def _work(self, candidate: Candidate, order: Order, first: Candidate) -> None:
        started = time.monotonic()
        candidate.fate = "working"
        try:
            if candidate is first:
                await first.work.prepare(order)
                first.is_prepared.set()
            else:
                candidate.work.adopt(first.work)
            candidate.code = await candidate.work.run(order)
            candidate.lines = await candidate.size()
            candidate.fate = "ended"  # only now: one that has ended is no longer waited for
        except asyncio.CancelledError:
            candidate.fate = "superseded"
            candidate.work.end = TurnEnd.INTERRUPTED
            raise
        except QcodeError as error:
            candidate.fate, candidate.code = "failed", error.exit_code
            candidate.work.error = str(error)
        finally:
            candidate.is_prepared.set()
            candidate.is_answered.set()
            candidate.took_s = time.monotonic() - started
            self._told(candidate)

    def _best(self) -> Candidate | None:
        verified = [one for one in self.candidates if one.is_verified]
        return min(verified, key=lambda one: (one.lines, one.number), default=None)

    def code(self) -> int:
        """Return the exit code of a run of which nothing is kept."""
        return common_code([one.code for one in self.candidates if one.fate in ("ended", "failed")])


def common_code(codes: Sequence[int]) -> int:
    """Return the exit code of several candidates of which none is verified.

    That of all, where they agree. Else what the work came to counts more than what kept
    others from it: one that was worked out and not verified says that the task is hard.
    """
    for code in (1, 6, 4, 3, 5, 2):
        if code in codes:
            return code
    return max(codes, default=1)
