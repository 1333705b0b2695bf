"""Several tries of a small model at one task, each from the files as they were.

Shown its own mistake, a model of a few billion parameters makes it again. So the tests tell
which of several tries is right, and each goes at the task in another way (`Approach`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from qcode import beneath, events
from qcode.checkpoints.in_session import SessionCheckpoints
from qcode.errors import QcodeError
from qcode.events import Event
from qcode.prompts import load
from qcode.record import replace
from qcode.session import Session
from qcode.showing.approach import MOST_ANEW, Approach, Kind, described
from qcode.showing.choosing import paths_in
from qcode.showing.wishes import read as read_wishes
from qcode.verification.outcome import Outcome

if TYPE_CHECKING:
    from qcode.checkpoints.keeper import Checkpoints
    from qcode.checkpoints.travel import Plan

TEMPERATURES = (0.8, 0.5, 1.0)
"""Of further tries; the first has the model's usual one, and so has one that is asked for
something else. A server that counts from the same seed gives another answer only at another
temperature."""

MOST_OVER = 3
"""Tries after the first one."""


def passing(outcomes: Sequence[Outcome]) -> int:
    """Return how many tests pass; commands, where no tests are named."""
    return sum(
        sum(case.status == "passed" for case in each.cases) if each.cases else each.passed
        for each in outcomes
    )


class Tries:
    """What a session's model with `Agent.in_answer` is told at the start of each try."""

    def __init__(self, session: Session, tell: Callable[[Event], None]) -> None:
        """`tell` hears of each new try."""
        self._session = session
        self._tell = tell
        self._kinds: tuple[Kind, ...] = (Kind.PLAIN, Kind.PLAN)
        """Of the tries; the last of them for all that are left."""
        self._line = ""
        """The file in which one line may be wrong; empty: that is not clear."""
        self._temperature = session.agent.temperature
        self._passing = 0
        """Tests that pass with the files as they are put back to."""
        self._failing = ""
        """What fails with them, once a try got further and its files were kept."""
        self._over = 0
        """Tries that are over."""
        self._first_step = 0
        """The first step of this try that changed files; 0: none did."""

    @property
    def may_start_over(self) -> bool:
        """Whether another try is left for one that came to nothing."""
        return self._over < MOST_OVER

    def changed(self, step: int) -> None:
        """Take that a step changed files."""
        self._first_step = self._first_step or step

    def begin(self, before: Sequence[Outcome]) -> None:
        """Take how the tests go before anything is done."""
        self._passing = passing(before)

    def first(self, task: str, failing: str, broke: str = "") -> str:
        """Return how the task is told.

        `failing` is what failed before anything was done, `broke` what the last try broke.
        """
        agent = self._session.agent
        failing = self._failing or failing
        if self._over == 0:
            if failing:
                self._line = self._faulty(task, failing)
                # Thinking helps where a test says what is wrong; else it is talk, or a rut.
                think = (Kind.THINK, Kind.ANEW, Kind.THINK, Kind.ANEW)
                self._kinds = (Kind.LINE, *think) if self._line else think
            agent.approach = self._approach(failing, task)
        is_measured = self._kinds[0] is not Kind.PLAIN
        agent.approach = replace(agent.approach, task=task, is_measured=is_measured)
        if agent.approach.kind is Kind.ANEW:
            return task  # what fails would show the lines that are left out
        if failing:
            return load("shown/failing", prompt=task, failing=failing)
        return load("shown/broke", prompt=task, failing=broke) if broke else task

    async def start_over(self, task: str, failing: str, now: Sequence[Outcome] = ()) -> None:
        """Begin another try: no history, the files as they were, another approach.

        Where more tests pass `now` than before the try, its files are kept: so a small model gets
        there in steps that it could not take at once.
        """
        session = self._session
        session.history.begin_anew()
        self._over += 1
        if (count := passing(now)) > self._passing:
            self._passing, self._failing, self._first_step = count, failing, 0
            how = "from here, as more passes than before"
        else:
            how = await self._undo()
        session.agent.approach = self._approach(failing, task)
        others = self._over - (self._kinds[0] is Kind.LINE)
        session.agent.temperature = (
            TEMPERATURES[(others - 1) % len(TEMPERATURES)] if others else self._temperature
        )
        self._tell(events.Nudged("", f"it fails; trying anew, {how}"))

    def _approach(self, failing: str, task: str) -> Approach:
        """Return how the next try goes at it."""
        kind = self._kinds[min(self._over, len(self._kinds) - 1)]
        if kind is Kind.LINE:
            return Approach(kind, self._line)
        if kind is Kind.ANEW:
            return self._anew(f"{failing}\n{task}") or Approach(Kind.PLAIN)
        return Approach(kind)

    def _faulty(self, task: str, failing: str) -> str:
        """Return the file in which one line may be wrong; empty: there may be several, or none."""
        from qcode.repomap.standing import is_test

        wishes = read_wishes(task)
        if wishes.makes or wishes.removes or wishes.is_question:
            return ""
        root = self._session.agent.context.workspace.root
        found = [
            path
            for path in paths_in(f"{task}\n{failing}")
            if not is_test(path) and path not in wishes.keeps and (root / path).is_file()
        ]
        return found[0] if len(found) == 1 else ""

    async def _undo(self) -> str:
        """Take back what the try did to files; return how they are now, in words."""
        kept, step = self._session.agent.checkpoints, self._first_step
        self._first_step = 0
        if not step:
            return "as no file was changed"
        if not isinstance(kept, SessionCheckpoints):
            return "with the files as they are"

        def back(points: Checkpoints) -> Plan:
            points.look()  # what others changed meanwhile is theirs, and stays
            plan = points.undo_plan(step)
            points.go(plan)
            return plan

        try:
            plan = await kept.use(back)
        except QcodeError as error:
            return f"with the files as they are ({error})"
        others = ", ".join(dict.fromkeys(conflict.path for conflict in plan.conflicts))
        return "with the files as they were" + (f", but {others}" if others else "")

    def _anew(self, about: str) -> Approach | None:
        """Return how the functions at fault are written anew, where it is clear which they are."""
        from qcode.repomap.standing import is_test
        from qcode.repomap.words import identifiers

        context = self._session.agent.context
        names = set(identifiers(about))
        found: list[tuple[str, tuple[str, ...]]] = []
        for real in context.seen:
            path = context.workspace.show(real)
            if not path.endswith(".py") or is_test(path):
                continue
            try:
                text = beneath.read(real).decode("utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            if its := described(text, names):
                found.append((path, its))
        if len(found) != 1 or len(found[0][1]) > MOST_ANEW:
            return None
        path, its = found[0]
        return Approach(Kind.ANEW, path, its)
