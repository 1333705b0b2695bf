"""`run --attempts` and `--worktree`: work on copies of the files, and what is kept of it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import events, paths
from qcode.approvals import Nobody
from qcode.budget import Budget
from qcode.checkpoints.in_session import SessionCheckpoints
from qcode.cli.boundary import sandbox_from
from qcode.cli.chosen import Chosen
from qcode.cli.foreground import Plan, worse
from qcode.cli.land import kept_of, land_commit, land_on_branch, put_patch
from qcode.cli.reports import delivered
from qcode.cli.start import Apart, open_session
from qcode.cli.stopping import Stopping
from qcode.cli.telling import Teller, progress_for
from qcode.config import Settings
from qcode.errors import QcodeError
from qcode.events import Event, TurnEnd
from qcode.files_whole import write_whole
from qcode.headless.attempts import Attempts, Candidate
from qcode.headless.ended import Ended, together
from qcode.headless.order import Order
from qcode.headless.work import Work
from qcode.journal import writing
from qcode.messages import JsonObject
from qcode.record import Record, replace
from qcode.rules import Rules
from qcode.sandbox import house
from qcode.sandbox.repositories import enclosing
from qcode.workspace import Workspace
from qcode.worktrees.bringing import NOTHING, Made, bring_back, drop, forget, made, set_aside
from qcode.worktrees.lacking import variables
from qcode.worktrees.making import Worktree, make
from qcode.worktrees.owned import sweep

if TYPE_CHECKING:
    from qcode.session import Session
    from qcode.ui.progress import Progress

A_CORE = 2
"""Attempts that a core has room for: most of the time each waits for the model."""

_WARMER = (0.5, 0.7, 0.9, 1.0)
"""Temperatures of the attempts after the first one, which is as the endpoint has it: a server
at temperature 0 would give the same answer each time."""


KEPT_DAYS = 30
"""Reports and patches of attempts are kept for so long."""


class Wish(Record):
    """What is asked for."""

    settings: Settings
    chosen: Chosen
    home: Path
    """The person's directory."""
    added: tuple[Path, ...]
    count: int = 1
    at_once: int | None = None
    """None: as many as the server and this machine have room for."""
    stays: bool = False
    """Whether the person's files are left alone, whatever comes of it."""


@dataclass(slots=True)
class _Place:
    """What belongs to one candidate."""

    worktree: Worktree
    session: Session
    teller: _Watch
    work: Work
    made: Made = NOTHING
    entry: JsonObject = field(default_factory=dict)
    """What the result says of it."""


class _Watch(Teller):
    """Watches one candidate; where it is one of several, only its end is told."""

    def __init__(
        self, plan: Plan, session: Session, number: int, *, alone: bool, progress: Progress
    ) -> None:
        super().__init__(plan.args, session, plan.note, progress)
        self._number, self._is_one_of_several = number, not alone
        self.is_silent |= self._is_one_of_several
        self.begun: Callable[[], None] | None = None

    def handle(self, event: Event) -> None:
        """Take what happened in a turn."""
        answers = (events.TextDelta, events.ReasoningDelta, events.CallStarted)
        if self.begun is not None and isinstance(event, (*answers, events.AnswerFinished)):
            self.begun()
        super().handle(event)

    def line(self, message: JsonObject) -> None:
        """Print a message as a line of JSON; which attempt it is of stands in it."""
        if self._is_one_of_several and message.get("type") != "result":
            message = {**message, "attempt": self._number}
        super().line(message)


class Apartness:
    """A run on copies."""

    def __init__(self, plan: Plan, wish: Wish) -> None:
        self.plan = plan
        self.wish = wish
        self.id = writing.new_id()
        self.started = time.monotonic()
        settings = wish.settings
        self.shared = Budget(
            max_tokens=settings.max_tokens,
            max_cost_usd=settings.max_cost,
            max_time_s=settings.max_time,
        )
        """Tokens, cost and time are for all attempts together, steps for each."""
        self.places: dict[int, _Place] = {}
        self.taken_over: _Place | None = None
        """Whose change is in the person's files."""
        self.attempts: Attempts | None = None
        self.progress = progress_for(plan.args)
        self.stopping = Stopping(self._interrupt)
        self.kept_in = paths.state_dir() / "attempts" / self.id

    async def run(self, order: Order) -> int:
        """Work on the task; return the exit code."""
        self.stopping.mind()
        code, error, winner = 1, "", None
        self.plan.reports.begin()
        try:
            await asyncio.to_thread(self._prepare)
            winner = await self._attempt(order)
            code = 0 if winner else self._code()
        except asyncio.CancelledError:
            if not self.stopping.has_come:
                raise
        except QcodeError as failure:
            code, error = failure.exit_code, str(failure)
        if self.stopping.signal is not None:
            code, winner = 128 + self.stopping.signal, None
        try:
            ended = await self._settled(order, code, error, winner)
        finally:
            await self._close()
        self._tell(ended)
        return ended.exit_code

    # The candidates.

    @property
    def _copies(self) -> Path:
        return paths.cache_dir() / "worktrees"

    def _prepare(self) -> None:
        """Have qcode's own git see the person's files and the copies, and remove old ones."""
        copies, settings = self._copies, self.wish.settings
        copies.mkdir(mode=0o700, parents=True, exist_ok=True)
        top = enclosing(str(self.wish.home)) or str(self.wish.home)
        places = Workspace.at(Path(top), (copies,))
        house.use(lambda: sandbox_from(settings, places, Rules()))
        sweep(copies)
        _drop_old(paths.state_dir() / "attempts", time.time() - KEPT_DAYS * 86_400)

    def _interrupt(self) -> bool:
        return self.attempts.interrupt() if self.attempts is not None else False

    async def _attempt(self, order: Order) -> Candidate | None:
        count = self.wish.count
        at_once = self.wish.at_once or min(count, await room_for(self.wish.chosen))
        if count > 1:
            self.plan.note(f"{count} attempts, {min(count, at_once)} at once")
        self.attempts = Attempts(count, at_once, self._candidate, self._candidate_ended)
        self.progress.doing(f"{count} attempts under way" if count > 1 else "starting")
        if self.plan.args.quiet:
            return await self.attempts.run(order)
        async with self.progress.beating():
            winner = await self.attempts.run(order)
        for number, failure in self.attempts.failures.items():
            self.plan.note(f"attempt {number} of {count} could not begin: {failure}")
        return winner

    async def _candidate(self, number: int) -> Candidate:
        wish, name = self.wish, f"{self.id}-{number}"
        worktree = await asyncio.to_thread(make, wish.home, self._copies, name)
        try:
            place = self._opened(worktree, number)
        except BaseException:
            await asyncio.to_thread(worktree.owned.remove)
            raise
        self.places[number] = place
        candidate = Candidate(number, place.work, lambda: self._size(place))
        place.teller.begun = candidate.is_answered.set
        place.teller.begin()
        return candidate

    def _opened(self, worktree: Worktree, number: int) -> _Place:
        wish = self.wish
        apart = Apart(
            worktree.home,
            self.id,
            worktree.lent,
            variables(worktree.home, worktree.root, worktree.origin, os.environ),
        )
        session = open_session(
            wish.settings, wish.chosen, Nobody(), cwd=worktree.workspace, added=wish.added,
            note=self.plan.note, apart=apart,
        )  # fmt: skip
        kept_of(session)
        session.budget = Budget(max_steps=wish.settings.max_steps, shared=self.shared)
        if number > 1:
            session.agent.temperature = _WARMER[min(number - 2, len(_WARMER) - 1)]
        teller = _Watch(self.plan, session, number, alone=wish.count == 1, progress=self.progress)
        guard = self.plan.guard(session) if self.plan.guard is not None else None
        work = Work(session, teller, guard=guard, shape=self.plan.shape)
        return _Place(worktree, session, teller, work)

    async def _size(self, place: _Place) -> int:
        place.made = await kept_of(place.session).use(made)
        return place.made.lines

    def _candidate_ended(self, candidate: Candidate) -> None:
        if self.wish.count == 1:
            return
        how: str = candidate.fate
        if candidate.fate == "ended":
            how = "verified" if candidate.code == 0 else f"not verified (exit {candidate.code})"
        elif candidate.fate == "superseded":
            how = "stopped, another one is verified"
        lines = f", {candidate.lines} lines changed" if candidate.fate == "ended" else ""
        text = f"attempt {candidate.number} of {self.wish.count}: {how}{lines}"
        self.plan.note(f"{text}, {candidate.took_s:.0f} s")

    def _code(self) -> int:
        return self.attempts.code() if self.attempts is not None else 1

    # What is kept.

    async def _settled(
        self, order: Order, code: int, error: str, winner: Candidate | None
    ) -> Ended:
        """Take over what the winner did, keep the reports of all, and say how it ended."""
        candidates = self.attempts.candidates if self.attempts is not None else []
        for candidate in candidates:
            await self._keep(candidate)
        shown = winner or min(candidates, key=lambda one: (one.code, one.number), default=None)
        entries = [self.places[one.number].entry for one in candidates]
        if shown is None:
            model = self.wish.chosen.target.model
            return Ended(
                "", model, order.prompt, TurnEnd.ERROR, code, "", error, 0,
                time.monotonic() - self.started, self.shared.usage,
            )  # fmt: skip
        place = self.places[shown.number]
        ended = place.work.ended(code)
        ended = replace(ended, error=self._why(ended, code, error))
        if winner is not None and not self.wish.stays:
            ended = await self._taken_over(place, shown, ended)
        elif place.made.changes:
            ended = await self._left_apart(place, ended, is_kept=winner is not None)
        place.teller.complete_receipt(ended.files_changed)
        return replace(
            ended,
            usage=self.shared.usage,
            answered=together(each.work.answered() for each in self.places.values()),
            duration_s=time.monotonic() - self.started,
            receipt=place.teller.receipt.to_json(),
            attempts=tuple(entries) if self.wish.count > 1 else (),
            attempt=shown.number if winner is not None and self.wish.count > 1 else 0,
        )

    def _why(self, ended: Ended, code: int, error: str) -> str:
        if error or code == 0 or self.wish.count == 1:
            return error or ended.error
        if self.stopping.has_come:
            return ended.error
        return (
            f"none of {self.wish.count} attempts is verified; what they did is in "
            f"`{self.kept_in}` ({ended.error or 'the run ended without an answer'})"
        )

    async def _keep(self, candidate: Candidate) -> None:
        """Write down what a candidate came to, and its change as a patch."""
        place = self.places[candidate.number]
        if candidate.fate != "ended":
            try:
                await self._size(place)
            except QcodeError:
                pass  # it is one that is not kept
        ended = place.work.ended(candidate.code)
        ended = replace(ended, files_changed=tuple(place.made.changes))
        place.entry = {
            "attempt": candidate.number,
            "session_id": place.session.id,
            "fate": candidate.fate,
            "verified": candidate.is_verified,
            "exit_code": candidate.code,
            "lines_changed": place.made.lines,
            "duration_ms": round(candidate.took_s * 1000),
            "num_turns": ended.steps,
            "total_cost_usd": ended.usage.cost_usd,
        }
        if self.wish.count > 1 or place.made.changes:
            await asyncio.to_thread(self._write_down, candidate.number, place, ended)

    def _write_down(self, number: int, place: _Place, ended: Ended) -> None:
        from qcode.ui.reports.machine import report_json
        from qcode.ui.reports.writing import without_secrets

        masker = place.session.agent.masker
        report, patch = self.kept_in / f"{number}.json", self.kept_in / f"{number}.patch"
        try:
            self.kept_in.mkdir(mode=0o700, parents=True, exist_ok=True)
            text = json.dumps(report_json(without_secrets(ended, masker)), indent=2)
            write_whole(report, f"{text}\n", force=True)
            if place.made.patch:
                patch.write_bytes(place.made.patch)
                place.entry["patch"] = str(patch)
            place.entry["report"] = str(report)
        except (OSError, QcodeError) as error:
            self.plan.note(f"the report of attempt {number} is not kept: {error}")

    async def _taken_over(self, place: _Place, winner: Candidate, ended: Ended) -> Ended:
        """Make the winner's change in the person's files, and land it as asked."""
        session, settings = place.session, self.wish.settings
        old = kept_of(session)
        title = f"attempt {winner.number} of {self.wish.count}"
        try:
            await old.use(set_aside)
            await old.close()
            kept = SessionCheckpoints(
                self.wish.home, session.id, paths.state_dir() / "checkpoints", self.plan.note,
                keep_ignored=settings.checkpoint_ignored,
            )  # fmt: skip
            session.agent.checkpoints = kept
            if place.made.changes:
                await kept.use(lambda its: bring_back(its, place.made, title))
            await kept.use(forget)
        except QcodeError as error:
            patch = place.entry.get("patch", "")
            why = f"the verified change does not go into your files: {error}"
            return worse(ended, f"{why}; it is kept as `{patch}`")
        self.taken_over = place
        ended = replace(ended, files_changed=tuple(sorted(place.made.changes)))
        return await self._landed(place, ended)

    async def _landed(self, place: _Place, ended: Ended) -> Ended:
        args = self.plan.args
        try:
            if args.patch:
                put_patch(place.made.patch, args.patch, sys.stdout.buffer)
            if args.commit and place.made.changes:
                ended = replace(ended, commit=await land_commit(place.session, self.plan.note))
        except QcodeError as error:
            return worse(ended, str(error))
        return ended

    async def _left_apart(self, place: _Place, ended: Ended, *, is_kept: bool) -> Ended:
        """Say where the change is: the person's files do not have it."""
        args = self.plan.args
        patch = place.entry.get("patch", "")
        ended = replace(ended, files_changed=tuple(sorted(place.made.changes)))
        try:
            if args.patch:
                put_patch(place.made.patch, args.patch, sys.stdout.buffer)
            if is_kept and args.commit:
                name, commit = await land_on_branch(place.session, self.plan.note)
                self.plan.note(f"your files are as they were; the work is on the branch {name}")
                return replace(ended, commit=commit)
        except QcodeError as error:
            return worse(ended, str(error))
        if is_kept and not args.patch:
            self.plan.note(f"your files are as they were; `git apply {patch}` takes the work over")
        return ended

    # The end.

    async def _close(self) -> None:
        async def close_all() -> None:
            for number, place in self.places.items():
                try:
                    if place is not self.taken_over:
                        await self._part_with(number, place)
                    await place.session.close()
                except QcodeError as error:
                    self.plan.note(f"attempt {number}: {error}")
                await asyncio.to_thread(place.worktree.owned.remove)
            if self.taken_over is not None:
                # It is the one that `-c` goes on with and `undo` takes back.
                os.utime(self.taken_over.session.history.journal.path)

        self.stopping.closing = asyncio.ensure_future(close_all())
        try:
            await self.stopping.closing
        except asyncio.CancelledError:
            if not self.stopping.has_come:
                raise

    async def _part_with(self, number: int, place: _Place) -> None:
        """Leave a session that can be read, but has nothing to be undone."""
        if self.wish.count > 1:
            place.session.history.call_it(f"attempt {number} of {self.wish.count}, not kept")
        await kept_of(place.session).use(drop)

    def _tell(self, ended: Ended) -> None:
        place = next(
            (each for each in self.places.values() if each.session.id == ended.session_id), None
        )
        if place is None:  # none could even begin
            failure = QcodeError(ended.error)
            failure.exit_code = ended.exit_code
            raise failure
        masker = place.session.agent.masker
        if wrong := delivered(self.plan.reports, ended, masker):
            ended = worse(ended, wrong)
        if ended.exit_code == 0:
            place.teller.learn()
        place.teller.finish(
            ended,
            interrupted=self.stopping.has_come,
            patch_on_stdout=self.plan.args.patch == "-",
        )
        self.plan.reports.end()


def _drop_old(folder: Path, before: float) -> None:
    """Remove what was made there before a moment, in seconds since 1970."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            is_old = entry.is_dir(follow_symlinks=False) and entry.stat().st_mtime < before
        except OSError:
            continue
        if is_old:
            shutil.rmtree(entry.path, ignore_errors=True)


async def room_for(chosen: Chosen) -> int:
    """Return how many attempts can go on at once.

    A server with slots has room for as many conversations; one that does not tell is taken to
    have room. The rest is this machine: it runs all their commands.
    """
    here = A_CORE * (os.cpu_count() or 1)
    if chosen.is_embedded:
        return 1
    base_url = chosen.target.base_url
    if base_url is None or chosen.target.kind != "chat":
        return here
    from qcode.providers.llamacpp import LlamaServer

    server = LlamaServer(base_url)
    try:
        slots = await server.slots() if server.is_loopback else 0
    except OSError:
        slots = 0
    finally:
        await server.close()
    return min(slots, here) if slots else here
