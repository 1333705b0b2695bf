"""A look at the project's own tests, for a model that seldom takes one itself.

Nobody asked for it, so it decides nothing: neither when a run is done nor its exit code. It
tells the model what fails, where the task is about that, and what it broke.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from qcode.showing.wishes import read
from qcode.verification.comparing import compare
from qcode.verification.outcome import Outcome
from qcode.verification.running import describe

TIMEOUT_S = 30.0
"""Of one look, all its commands; a suite that takes longer is nothing to be run unasked."""

ROUNDS = 3
"""How often what fails at the end of a turn is told."""

_IS_ABOUT = re.compile(
    r"(?i)\b(?:tests?|fail\w*|bugs?|errors?|exceptions?|broken|crash\w*|hangs?)\b"
)
"""A task with one of these may mean what fails; another one does not."""

_TESTS = re.compile(r"(?i)\btests?\b")
_MAY_HANG = re.compile(
    r"(?i)\b(?:hang|hung|stuck|endless|infinite|time(?:s|d)? ?out|deadlock)\w*"
    r"|\b(?:not|never|n't) (?:end|finish|stop|return|terminat)\w*"
)


class Looking:
    """The tests before a task and while it is worked on."""

    def __init__(
        self,
        commands: Sequence[str],
        task: str,
        run: Callable[[Sequence[str]], Awaitable[list[Outcome]]],
        find: Callable[[], str],
    ) -> None:
        """`run` runs commands in the sandbox; `find` returns what tests the project by then."""
        self._commands = tuple(commands)
        self._run = run
        self._find = find
        self._is_about = _IS_ABOUT.search(task) is not None
        self._quoted = () if _TESTS.search(task) else read(task).commands
        """Commands that the task is about; empty: all of them, if any."""
        self._may_hang = _MAY_HANG.search(task) is not None
        self.before: Sequence[Outcome] = ()
        """How it went before anything was done."""
        self.now: Sequence[Outcome] = ()
        """How it went when it was last looked at."""
        self._rounds = 0
        self._tells = True

    async def begin(self) -> None:
        """Look at how it goes now."""
        self.before = self.now = await self._run(self._commands)
        # What cannot be run here, or not soon, tells nothing of the task, unless that is the fault.
        mute = (126, 127) if self._may_hang else (126, 127, None)
        self._tells = all(each.exit_code not in mute for each in self.before)

    @property
    def failing(self) -> str:
        """What fails before anything is done, if the task may be about that."""
        return describe(self._meant(self.before)) if self._is_about and self._tells else ""

    async def again(self, *, acted: bool) -> str:
        """Return what fails at the end of a turn that is worth another try; empty: nothing.

        Where nothing was changed, that is worth a word only if the task was about what fails.
        """
        if self._rounds == ROUNDS or not self._tells or not (acted or self._is_about):
            return ""
        if acted:
            if not self._commands and (found := self._find()):
                self._commands = (found,)  # tests that came with the work
            self.now = await self._run(self._commands)
        failing = describe(self._counted(self.now))
        if not failing:
            return ""
        self._rounds += 1
        return failing

    async def at_end(self, *, acted: bool, is_changed: bool = False) -> list[Outcome]:
        """Return what fails, of that which counts, once the model is done.

        `acted`: whether its last turn changed something, so that the last look may be outdated;
        `is_changed`: whether it surely is.
        """
        if not self._tells or not (acted or self._is_about):
            return []
        if is_changed or (acted and self._rounds == ROUNDS):
            self.now = await self._run(self._commands)
        return self._counted(self.now)

    def uncount(self) -> None:
        """Let the last look at what fails be none of those that are left."""
        self._rounds -= 1

    def _counted(self, now: Sequence[Outcome]) -> list[Outcome]:
        """Return what fails of that which counts: all, or what did not fail before."""
        if not self.before:
            return [each for each in now if not each.passed]
        broke = compare(self.before, now).newly_failing
        counted = self._meant(now) if self._is_about else []
        counted += [
            each
            for before, each in zip(self.before, now, strict=False)
            if not each.passed and (before.passed or broke) and each not in counted
        ]
        return [each for each in counted if not each.passed]

    def _meant(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return those that the task may be about."""
        return [each for each in outcomes if not self._quoted or each.command in self._quoted]
