"""A look at the project's own tests, for a model that seldom takes one itself.

Nobody asked for it, so it decides nothing: neither when a run is done nor its exit code. It
tells the model what fails, where the task is about that, and what it broke.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from qcode.verification.comparing import compare
from qcode.verification.outcome import Outcome
from qcode.verification.running import describe

TIMEOUT_S = 30.0
"""Of one look; a suite that takes longer is nothing to be run unasked."""

ROUNDS = 3
"""How often what fails at the end of a turn is told."""

_IS_ABOUT = re.compile(r"(?i)\b(?:tests?|fail\w*|bugs?|fix\w*|errors?|broken|crash\w*|hangs?)\b")
"""A task with one of these may mean what fails; another one does not."""


class Looking:
    """The tests before a task and while it is worked on."""

    def __init__(
        self, command: str, task: str, run: Callable[[str], Awaitable[list[Outcome]]]
    ) -> None:
        """`run` runs the command in the sandbox, for at most `TIMEOUT_S`."""
        self._command = command
        self._task = task
        self._run = run
        self._is_about = _IS_ABOUT.search(task) is not None
        self.before: Sequence[Outcome] = ()
        """How it went before anything was done."""
        self.now: Sequence[Outcome] = ()
        """How it went when it was last looked at."""
        self._rounds = 0
        self._tells = True

    async def begin(self) -> None:
        """Look at how it goes now."""
        self.before = self.now = await self._run(self._command)
        # What cannot be run here, or not soon, tells nothing of the task.
        self._tells = all(each.exit_code not in (None, 126, 127) for each in self.before)

    @property
    def failing(self) -> str:
        """What fails before anything is done, if the task may be about that."""
        return describe(self.before) if self._is_about and self._tells else ""

    async def again(self, *, acted: bool) -> str:
        """Return what fails at the end of a turn that is worth another try; empty: nothing.

        Where nothing was changed, that is worth a word only if the task was about what fails.
        """
        if self._rounds == ROUNDS or not self._tells or not (acted or self._is_about):
            return ""
        if acted:
            self.now = await self._run(self._command)
        failing = self._counted(self.now)
        if not failing:
            return ""
        self._rounds += 1
        return failing

    def _counted(self, now: Sequence[Outcome]) -> str:
        """Return what fails of that which counts: all, or what did not fail before."""
        if self._is_about:
            return describe(now)
        broke = compare(self.before, now).newly_failing
        worse = [
            each
            for before, each in zip(self.before, now, strict=False)
            if not each.passed and (before.passed or broke)
        ]
        return describe(worse)
