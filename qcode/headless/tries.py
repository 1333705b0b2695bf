"""Several tries of a small model at one task, each from the files as they were.

Shown its own mistake, a model of a few billion parameters makes it again. So the tests tell
which of several tries is right, and each goes at the task in another way (`Approach`).
"""

from __future__ import annotations

import contextlib
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

MOST_FURTHER = 4
"""Tries that got further than the files before them, and do not count: what is left may be
another line."""

_LINE_TOKENS = 1_024
"""Of an answer with a line in it, which often has the function around it, twice."""
_LEAST_TOKENS = 2_048
"""Of any other answer that tests judge, besides three times what it was shown: a model that
counts on and on (`text.replace("\\xDA", "")`, 8,000 tokens of it) says the same nowhere."""
_CHARS_A_TOKEN = 3

_MOST_LINES = 2
"""Files in which the wrong line is looked for, one after the other."""


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
        self._lines: tuple[str, ...] = ()
        """The files in which one line may be wrong; none: that is not clear."""
        self._temperature = session.agent.temperature
        self._tokens = session.agent.max_output_tokens
        self._passing = 0
        """Tests that pass with the files as they are put back to."""
        self._failing = ""
        """What fails with them, once a try got further and its files were kept."""
        self._over = 0
        """Tries that are over, but for those that got further."""
        self._further = 0
        """Tries that got further."""
        self._got_further = False
        self._before: Sequence[Outcome] = ()
        """How the tests went with the files as they are put back to."""
        self._at = 0
        """Which of `_kinds` this try is."""
        self._told_behind = False
        self._readable: dict[str, float] = {}
        """Lines up to which the files in question can be read as code."""
        self._first_step = 0
        """The first step of this try that changed files; 0: none did."""

    @property
    def may_start_over(self) -> bool:
        """Whether another try is left for one that came to nothing."""
        return self._over < MOST_OVER

    @property
    def counts(self) -> bool:
        """Whether the last try that was over is one of those that are left; else it got further."""
        return self._at > 0

    def changed(self, step: int) -> None:
        """Take that a step changed files."""
        self._first_step = self._first_step or step

    def begin(self, before: Sequence[Outcome]) -> None:
        """Take how the tests go before anything is done."""
        self._before, self._passing = before, passing(before)

    def first(self, task: str, failing: str, broke: str = "") -> str:
        """Return how the task is told.

        `failing` is what failed before anything was done, `broke` what the last try broke.
        """
        agent = self._session.agent
        failing = self._failing or failing
        if self._over == self._further == 0:
            self._plan(task, failing)
            agent.approach = self._approach(failing, task)
        is_measured = self._kinds[0] is not Kind.PLAIN
        agent.approach = replace(
            agent.approach, task=task, is_measured=is_measured,
            is_one_answer=is_measured or self._over > 0,
        )  # fmt: skip
        agent.max_output_tokens = min(self._tokens, self._longest())
        if agent.approach.kind is Kind.ANEW:
            return task  # what fails would show the lines that are left out
        if failing:
            return load("shown/failing", prompt=task, failing=failing)
        return load("shown/broke", prompt=task, failing=broke) if broke else task

    def behind(self, task: str) -> str:
        """Return what a new conversation is about, where something did not move; else nothing.

        That is said once.
        """
        from qcode.editing.lost import defined
        from qcode.showing.moving import moves

        if self._told_behind:
            return ""
        agent = self._session.agent
        root = agent.context.workspace.root

        def names(path: str) -> list[str]:
            try:
                return defined(path, beneath.read(root / path).decode("utf-8"))
            except (OSError, UnicodeDecodeError):
                return []

        for move in moves(task):
            if left := move.behind(names):
                self._told_behind = True
                told = load(
                    "shown/behind", names=" and ".join(left), source=move.source,
                    target=move.target,
                )  # fmt: skip
                self._session.history.begin_anew()
                # What tests judge stays so: they are not to be changed now either.
                is_measured = agent.approach.is_measured
                agent.approach = Approach(path=move.source, task=task, is_measured=is_measured)
                self._tell(events.Nudged("", f"{move.source} still has {', '.join(left)}"))
                return told
        return ""

    def _longest(self) -> int:
        """Return how many tokens the answer of this try may have."""
        agent = self._session.agent
        if agent.approach.kind is Kind.LINE:
            return _LINE_TOKENS
        if not agent.approach.is_measured or not agent.context.seen:
            return self._tokens
        chars = 0
        for real in agent.context.seen:
            with contextlib.suppress(OSError):
                chars += real.stat().st_size
        return _LEAST_TOKENS + 3 * chars // _CHARS_A_TOKEN

    async def start_over(self, task: str, failing: str, now: Sequence[Outcome] = ()) -> None:
        """Begin another try: no history, the files as they were, another approach.

        Where more tests pass `now` than before the try, or more of a file can be read, its files
        are kept: so a small model gets there in steps that it could not take at once.
        """
        session = self._session
        session.history.begin_anew()
        is_further = self._is_further(now)
        self._over += 1
        self._at += 1
        if is_further:
            self._passing, self._failing, self._first_step = passing(now), failing, 0
            self._before, self._got_further = now, True
            how = "from here, as this got further"
            if self._further < MOST_FURTHER and self._faulty(task, failing):
                # What is left may be one line again, for which it needs a few words.
                self._over -= 1
                self._further += 1
                self._at = 0
                self._plan(task, failing)
        else:
            how = await self._undo()
        session.agent.approach = self._approach(failing, task)
        others = self._at - self._kinds.count(Kind.LINE)
        session.agent.temperature = (
            TEMPERATURES[(others - 1) % len(TEMPERATURES)] if others > 0 else self._temperature
        )
        self._tell(events.Nudged("", f"it fails; trying anew, {how}"))

    async def settle(self, task: str, now: Sequence[Outcome]) -> bool:
        """Take back the last try, which fails, if the files before it are better; return whether.

        They are if it broke a test, or gained nothing over an earlier try: what it did for nothing
        is no part of that.
        """
        from qcode.verification.comparing import compare

        if not self._first_step or self._is_further(now):
            return False
        if any(each.exit_code is None for each in now):
            return False  # nothing is known of it
        is_worse = bool(compare(self._before, now).newly_failing)
        if passing(now) < self._passing and not is_worse:
            # Tests that are not there any more may be what was asked for; else nothing runs.
            wishes = read_wishes(task)
            is_worse = not (wishes.removes or wishes.changes_tests)
        if not is_worse and not (self._got_further and passing(now) == self._passing):
            return False
        self._tell(events.Nudged("", f"it fails; ending {await self._undo()}"))
        return True

    def _is_further(self, now: Sequence[Outcome]) -> bool:
        """Whether a try made something better, and nothing worse."""
        count = passing(now)
        readable = {path: self._read_up_to(path) for path in self._readable}
        if count != self._passing or not now:
            return count > self._passing
        return any(readable[path] > before for path, before in self._readable.items()) and not any(
            readable[path] < before for path, before in self._readable.items()
        )

    def _read_up_to(self, path: str) -> float:
        """Return the line up to which a file can be read; without a fault: infinity."""
        from qcode import syntax

        try:
            text = beneath.read(self._session.agent.context.workspace.root / path).decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return 0.0
        wrong = syntax.problem(path, text)
        return wrong.line if wrong is not None else float("inf")

    def _plan(self, task: str, failing: str) -> None:
        """Decide how tries from the files as they are go at it, one after the other."""
        if not failing:
            return
        self._lines = self._faulty(task, failing)
        self._readable = {path: self._read_up_to(path) for path in self._lines}
        lines = tuple(Kind.LINE for _ in self._lines)
        # Thinking helps where a test says what is wrong; else it is talk, or a rut. It takes
        # three times the words of a function written anew, and is right less often.
        self._kinds = (
            (*lines, Kind.ANEW, Kind.THINK, Kind.ANEW)
            if lines
            else (Kind.THINK, Kind.ANEW, Kind.THINK, Kind.ANEW)
        )

    def _approach(self, failing: str, task: str) -> Approach:
        """Return how the next try goes at it."""
        at = min(self._at, len(self._kinds) - 1)
        kind = self._kinds[at]
        if kind is Kind.LINE:
            return Approach(kind, self._lines[at])
        if kind is Kind.ANEW:
            return self._anew(f"{failing}\n{task}") or Approach(Kind.PLAIN)
        return Approach(kind)

    def _faulty(self, task: str, failing: str) -> tuple[str, ...]:
        """Return the files in which one line may be wrong; none: that is not clear."""
        from qcode.repomap.standing import is_test

        wishes = read_wishes(task)
        if wishes.makes or wishes.removes or wishes.is_question:
            return ()
        root = self._session.agent.context.workspace.root

        def found(text: str) -> list[str]:
            return [
                path
                for path in paths_in(text)
                if not is_test(path) and path not in wishes.keeps and (root / path).is_file()
            ]

        if len(all_of_them := found(f"{task}\n{failing}")) == 1:
            return tuple(all_of_them)
        # Of several, those at fault are the ones that what fails went through.
        through = found(failing)
        return tuple(through) if len(through) <= _MOST_LINES else ()

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
