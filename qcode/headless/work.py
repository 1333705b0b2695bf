"""One task in one session, taken to its evidence.

```
baseline ─▶ turn ─▶ protected files put back ─▶ verification ─▶ shape of the answer ─▶ done
              ▲                                       │                   │
              └───────── what fails, for the model ───┴───────────────────┘
```

Whoever runs it hands in who watches; nothing is printed here.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol, TypeVar

from qcode import events
from qcode.boundary import Unconfined
from qcode.checkpoints.in_session import SessionCheckpoints
from qcode.errors import QcodeError
from qcode.events import Event, TurnEnd
from qcode.headless.ended import Answered, Ended, Violation, answered
from qcode.headless.order import Order
from qcode.headless.witness import Witness
from qcode.prompts import load
from qcode.repeats import RUT_TEMPERATURE
from qcode.tools.base import Effect
from qcode.verification.outcome import Outcome, failing_in_words

if TYPE_CHECKING:
    from qcode.agent import Checked
    from qcode.headless.looking import Looking
    from qcode.headless.shaping import Shape
    from qcode.headless.tries import Tries
    from qcode.messages import AssistantMessage
    from qcode.session import Session

T = TypeVar("T")

ROUNDS = 3
"""How often failing output goes back to the model before the run has failed; an answer that
does not fit, as often. Where there is a budget, only turns in which nothing was done count:
the budget ends the others."""

VIOLATED = 6
"""The exit code of a run that changed what is protected (command-line contract)."""


class Watcher(Protocol):
    """Is told what happens; never raises."""

    def handle(self, event: Event) -> None:
        """Take what happened in a turn."""
        ...

    def verifying(self, commands: Sequence[str]) -> None:
        """Take that these commands are about to be run."""
        ...

    def verified(self, outcomes: Sequence[Outcome]) -> None:
        """Take how they went."""
        ...

    def violated(self, violations: Sequence[Violation]) -> None:
        """Take what was found done to protected files."""
        ...


class Guarding(Protocol):
    """What is protected in the session's files."""

    def told(self) -> str:
        """Return what the model is told of it; empty: nothing."""
        ...

    async def put_back(self, *, thorough: bool) -> list[Violation]:
        """Put back what was done to it since the last call, and return what that was.

        With `thorough`, what was done elsewhere to get past the verification counts as well.
        """
        ...


Guard = Callable[[Order], Awaitable[Guarding]]
"""Begins to protect what an order wants protected."""


def _tries(session: Session, watcher: Watcher) -> Tries | None:
    if not session.agent.in_answer:
        return None
    from qcode.headless.tries import Tries

    return Tries(session, watcher.handle)


class Work:
    """Turns until what is asked holds or cannot."""

    def __init__(
        self,
        session: Session,
        watcher: Watcher,
        *,
        guard: Guard | None = None,
        shape: Shape | None = None,
    ) -> None:
        """`guard`: None protects nothing. `shape`: what the final answer has to fit."""
        self.session = session
        self.watcher = watcher
        self.guard = guard
        self.shape = shape
        self.boundary = session.agent.boundary or Unconfined(session.agent.context.workspace)
        self.witness = Witness()
        self.started = time.monotonic()
        self.asked_before = len(session.history.asked)
        """Requests of earlier runs of the session."""
        self.order = Order("")
        self.answer = ""
        self.done: list[str] = []
        """What became of the files that the turn's answers wrote."""
        self.structured: object = None
        self.error = ""
        self.error_code = 1
        self.end = TurnEnd.ERROR
        self.baseline: list[Outcome] | None = None
        self.outcomes: list[Outcome] = []
        self.violations: list[Violation] = []
        self.guarding: Guarding | None = None
        self.looking: Looking | None = None
        self.tries = _tries(session, watcher)
        self.acted = False
        """Whether this turn did anything that may have changed a file."""
        self.wrote = False
        """Whether this turn wrote a file, perhaps as it was."""

    async def prepare(self, order: Order) -> None:
        """Get ready for a task: the sandbox, what is protected, how the verification goes now.

        Done once; a later order of the same session is measured against the same start.

        Raises:
            SandboxError: the sandbox asked for cannot be had.
        """
        self.order = order
        await self.boundary.ready()
        guards = order.protect or (order.verify and order.guard_tests)
        if self.guard is not None and self.guarding is None and guards:
            self.guarding = await self.guard(order)
            self.session.agent.guard = self._guard_call
        if order.verify and self.baseline is None:
            # What fails now is the best description of the task.
            await self._verify()
            self.baseline = self.outcomes
            self._check_edits_if_quick()
        elif order.look is not None and self.looking is None:
            self.looking = self._look_at(order.look)
            await self.looking.begin()
        if self.tries is not None:
            self.tries.begin(self.looking.before if self.looking else self.baseline or ())

    def adopt(self, other: Work) -> None:
        """Take over the baseline of another one that begins from the same files."""
        self.baseline = other.baseline
        self.outcomes = list(other.baseline or ())
        self._check_edits_if_quick()

    def _check_edits_if_quick(self) -> None:
        from qcode.verification.running import QUICK_S

        if self.session.agent.in_answer:
            return  # an answer with files ends the turn, and all is checked then
        if self.baseline and sum(each.duration_s for each in self.baseline) <= QUICK_S:
            self.session.agent.after_edit = self._check_edit

    async def run(self, order: Order) -> int:
        """Do what is asked; return the exit code.

        Raises:
            QcodeError: it could not even begin.
        """
        self.violations = []
        await self.prepare(order)
        code = await self._turn(self._first(), order.typed)
        verify_rounds = shape_rounds = 0
        while True:
            if self.end in (TurnEnd.INTERRUPTED, TurnEnd.PROVIDER):
                await self._guard()
                return VIOLATED if self.violations and self.end is TurnEnd.PROVIDER else code
            is_over = self.end in (TurnEnd.BUDGET, TurnEnd.ERROR)
            await self._guard()
            if order.verify and not self._is_out_of_time():
                await self._verify()
            self._look_for_vanished()
            if self.violations:
                return self._violated()
            if self._is_out_of_time():
                return code
            if failing := self._failing():
                if is_over or verify_rounds == ROUNDS:
                    return code if self.end is TurnEnd.BUDGET else await self._unverified()
                is_at_it = self.acted and self.session.budget.is_limited
                is_at_it = is_at_it and not self.session.agent.in_answer
                verify_rounds = 0 if is_at_it else verify_rounds + 1
                text = await self._next_try(failing)
                if self.tries is not None and not self.tries.counts:
                    verify_rounds -= 1
            elif not is_over and (seen := await self._look()):
                text = seen
            elif (
                self.tries is not None and self.acted and (left := self.tries.behind(order.prompt))
            ):
                text = left
            elif self._came_to_nothing():
                assert self.tries is not None
                await self.tries.start_over(order.prompt, "")
                text = self._first()
            elif self.end is not TurnEnd.ANSWERED and not (
                order.verify and self.end is TurnEnd.GAVE_UP
            ):
                return code
            elif misfit := self._misfit():
                if shape_rounds == ROUNDS:
                    return self._misfitting(misfit)
                shape_rounds += 1
                text = misfit
            else:
                await self._say_what_fails()
                return 0
            said = "" if self.session.history.messages else order.typed
            code = await self._turn(text, said)

    def ended(self, code: int) -> Ended:
        """Return all that this came to."""
        session = self.session
        budget = session.budget
        out_of_steps = (
            self.end is TurnEnd.BUDGET
            and budget.max_steps is not None
            and budget.steps >= budget.max_steps
        )
        return Ended(
            session_id=session.id,
            model=session.agent.provider.model,
            task=self.order.prompt,
            end=self.end,
            exit_code=code,
            answer=self.answer,
            error=self.error if code else "",
            steps=budget.steps,
            duration_s=time.monotonic() - self.started,
            usage=budget.usage,
            out_of_steps=out_of_steps,
            baseline=tuple(self.baseline or ()),
            verification=tuple(self.outcomes),
            violations=tuple(self.violations),
            calls_repaired=session.history.repairs,
            structured=self.structured,
            asking_s=self.witness.asking_s,
            denied=tuple(self.witness.denied),
            answered=self.answered(),
        )

    def answered(self) -> tuple[Answered, ...]:
        """Return who answered in this run."""
        agent = self.session.agent
        usual = agent.target.model if agent.target is not None else agent.provider.model
        return answered(self.session.history.asked[self.asked_before :], usual)

    def how_to_go_on(self) -> str:
        """Return what to do to go on from here."""
        return f"`qcode run --resume {self.session.id}` goes on from here"

    # What is said to the model.

    def _task(self) -> str:
        """Return the task with what has to hold besides the verification."""
        prompt = self.order.prompt
        if self.guarding is not None and (kept := self.guarding.told()):
            prompt = f"{prompt}\n\n{kept}"
        return self.shape.ask(prompt) if self.shape is not None else prompt

    def _first(self, broke: str = "") -> str:
        if self.tries is not None:
            mask = self.session.agent.masker.mask
            before = mask(self.looking.failing) if self.looking else self._failing(self.baseline)
            return self.tries.first(self._task(), before, broke)
        failing = self._failing()
        if not failing:
            return self._task()
        return load("verify_first", prompt=self._task(), failing=failing)

    async def _next_try(self, failing: str) -> str:
        if self.tries is not None:
            await self.tries.start_over(self.order.prompt, failing, self.outcomes)
            return self._first(failing)
        if self.end is TurnEnd.GAVE_UP:
            self._begin_anew()
            return load("verify_first", prompt=self._task(), failing=failing)
        return load("verify_again" if self.acted else "verify_unchanged", failing=failing)

    def _begin_anew(self) -> None:
        """Forget what was said.

        A model that went in circles copies its own mistakes from the history. It gets the
        task anew, on the files as they are, and picks its words with more chance.
        """
        self.session.history.begin_anew()
        self.session.agent.temperature = RUT_TEMPERATURE

    def _look_at(self, commands: Sequence[str]) -> Looking:
        from qcode.headless.looking import TIMEOUT_S, Looking
        from qcode.verification.detecting import detect

        root = self.session.agent.context.workspace.root

        async def run(commands: Sequence[str]) -> list[Outcome]:
            if not commands:
                return []
            looked = self._run_commands(commands, TIMEOUT_S)
            return await self.as_step(f"look at {', '.join(commands)}", looked)

        def find() -> str:
            try:
                return detect(root).command
            except QcodeError:
                return ""

        return Looking(commands, self.order.prompt, run, find)

    def _came_to_nothing(self) -> bool:
        """Whether a small model gave up, or wrote files as they were, and may try again."""
        if self.tries is None or self.acted or not self.tries.may_start_over:
            return False
        from qcode.showing.wishes import read

        if self.wrote and read(self.order.prompt).may_be_done:
            return False  # as it was is how it may stay
        return self.end is TurnEnd.GAVE_UP or (self.end is TurnEnd.ANSWERED and self.wrote)

    async def _look(self) -> str:
        """Return what another try is told, where tests that nobody asked for fail; else nothing."""
        if self.looking is None or self.tries is None:
            return ""
        failing = self.session.agent.masker.mask(await self.looking.again(acted=self.acted))
        if not failing:
            return ""
        await self.tries.start_over(self.order.prompt, failing, self.looking.now)
        if not self.tries.counts:
            self.looking.uncount()
        return self._first(failing)

    async def _turn(self, text: str, said: str) -> int:
        self.answer = ""
        self.error = ""
        self.acted = self.wrote = False
        self.done = []
        async with aclosing(self.session.send(text, said=said)) as stream:
            async for event in stream:
                self._take(event)
        # Files without a word: what became of them is the answer.
        self.answer = self.answer or " ".join(self.done)
        if self.end is TurnEnd.ANSWERED:
            return 0
        return 130 if self.end is TurnEnd.INTERRUPTED else self.error_code

    def _take(self, event: Event) -> None:
        self.witness.handle(event)
        match event:
            case events.AnswerFinished(message):
                if said := self._said(message):
                    self.answer = said
            case events.ToolFinished(result, _, diff):
                tool = self.session.agent.tools.get(result.name)
                if tool and tool.effect is Effect.EDIT and self.session.agent.in_answer:
                    self.done.append(result.text.partition("\n")[0])
                if tool and tool.effect in (Effect.EDIT, Effect.EXECUTE, Effect.EXTERNAL):
                    did = not result.is_error
                    if self.tries is not None and tool.effect is Effect.EDIT:
                        # It writes files as they were, too; what was refused is no such file.
                        self.wrote, did = self.wrote or did, bool(diff)
                    self.acted |= did
            case events.CheckpointMade(_, step):
                if self.tries is not None:
                    self.tries.changed(step)
            case events.ErrorRaised(message_text, exit_code):
                self.error = message_text
                self.error_code = exit_code
            case events.TurnFinished(end):
                self.end = end
            case _:
                pass
        self.watcher.handle(event)

    def _said(self, message: AssistantMessage) -> str:
        """Return an answer's words, without the files that were written in it."""
        if not self.session.agent.in_answer or not message.tool_calls:
            return message.text.strip()
        from qcode.calls.written import prose

        return prose(message.text, self.session.agent.owner)

    # What has to hold.

    def _is_out_of_time(self) -> bool:
        left = self.session.budget.time_left_s()
        return left is not None and left <= 0

    async def _run_commands(
        self, commands: Sequence[str] = (), longest_s: float | None = None
    ) -> list[Outcome]:
        from qcode.verification.running import TIMEOUT_S, verify

        context = self.session.agent.context
        left = self.session.budget.time_left_s()
        most = TIMEOUT_S if longest_s is None else longest_s
        return await verify(
            commands or self.order.verify,
            cwd=context.workspace.root,
            launcher=context.launcher,
            spill_dir=context.spill_dir,
            timeout_s=most if left is None else min(most, max(0.0, left)),
        )

    async def _verify(self) -> None:
        commands = self.order.verify
        self.watcher.verifying(commands)
        # What a command writes (a formatter, say) is a step like a call's changes.
        self.outcomes = await self.as_step(f"verify {', '.join(commands)}", self._settled())
        agent = self.session.agent
        # An edit that was checked at once is counted already.
        counts = self.baseline is not None and (agent.after_edit is None or not self.acted)
        if agent.ladder is not None and counts:
            agent.ladder.stuck.checked(passed=all(each.passed for each in self.outcomes))
        self.watcher.verified(self.outcomes)

    async def _settled(self) -> list[Outcome]:
        """Run the commands, and again where that tells flaky results from others."""
        outcomes = await self._run_commands()
        if self.baseline is None:
            return outcomes
        from qcode.verification.settling import settle

        async def again(command: str) -> Outcome:
            return (await self._run_commands((command,)))[0]

        return await settle(self.baseline, outcomes, again)

    async def as_step(self, title: str, doing: Awaitable[T]) -> T:
        """Do something that may change files, as a step that can be undone like a call's."""
        kept = self.session.agent.checkpoints
        if not isinstance(kept, SessionCheckpoints) or kept.used is None:
            return await doing
        try:
            await kept.before(title, "", ())
        except QcodeError:
            return await doing  # the person is told by then
        try:
            return await doing
        finally:
            await kept.after()

    async def _check_edit(self) -> Checked:
        """Return how the verification goes after an edit."""
        from qcode.agent import Checked
        from qcode.verification.running import QUICK_CHARS, describe

        failing = describe(await self._run_commands(), QUICK_CHARS)
        if failing:
            return Checked(load("verify_still_fails", failing=failing), passed=False)
        commands = " and ".join(f"`{command}`" for command in self.order.verify)
        return Checked(load("verify_passes", commands=commands), passed=True)

    def _failing(self, outcomes: Sequence[Outcome] | None = None) -> str:
        """Return what fails and the code it points at, for the model; nothing if all passes.

        `outcomes` are the last ones by default.
        """
        if not self.order.verify:
            return ""
        from qcode.culprit import excerpt
        from qcode.tools.files import fingerprint
        from qcode.verification.running import describe

        failing = self.session.agent.masker.mask(describe(outcomes or self.outcomes))
        context = self.session.agent.context
        found = excerpt(failing, context.workspace, context.is_hidden) if failing else None
        if found is None or self.session.agent.in_answer:  # such a model is shown files anyway
            return failing
        if found.whole:
            real = context.workspace.root / found.path
            context.seen[real] = fingerprint(real)
        lines = "" if found.whole else f" (from line {found.first})"
        text = self.session.agent.masker.mask(found.text)
        return f"{failing}\n\n{found.path}{lines}:\n```\n{text}\n```"

    async def _say_what_fails(self) -> None:
        """Leave the best of a small model's tries, and say in its answer what still fails.

        It does not know that itself, or claims otherwise.
        """
        if self.tries is None:
            return
        found, now = await self._left()
        said = []
        if found and await self.tries.settle(self.order.prompt, now):
            said = [f"The last try was taken back, as it failed: {failing_in_words(found)}."]
            if self.order.verify:
                await self._verify()
            found, _ = await self._left(is_changed=True)
        if failing := failing_in_words(found):
            said.append(f"Still failing: {failing}.")
        if said and self.shape is None:
            told = self.session.agent.masker.mask("\n".join(said))
            self.answer = f"{self.answer}\n\n{told}".strip()

    async def _left(self, *, is_changed: bool = False) -> tuple[Sequence[Outcome], list[Outcome]]:
        """Return what fails in the end, of that which counts, and how all commands went.

        `is_changed`: whether the files are others than when that was last looked at.
        """
        if self.order.verify:
            return self.outcomes, self.outcomes
        if self.looking is None:
            return [], []
        found = await self.looking.at_end(acted=self.acted, is_changed=is_changed)
        return found, [*self.looking.now]

    async def _unverified(self) -> int:
        failed = ", ".join(f"`{o.command}`" for o in self.outcomes if not o.passed)
        self.error = f"verification failed: {failed}; {self.how_to_go_on()}"
        await self._say_what_fails()
        return 1

    async def _guard(self) -> list[Violation]:
        """Put back what was done to protected files; return it."""
        if self.guarding is None:
            return []
        found = await self.as_step(
            "put protected files back", self.guarding.put_back(thorough=True)
        )
        self._note(found)
        return found

    def _look_for_vanished(self) -> None:
        """Find tests that a verification which passes does not run any more."""
        order = self.order
        if self.guarding is None or not order.guard_tests or order.may_change:
            return
        from qcode.verification.comparing import compare

        gone = compare(self.baseline or (), self.outcomes).vanished
        if gone and not self.violations:
            shown = ", ".join(gone[:3])
            more = f" and {len(gone) - 3} more" if len(gone) > 3 else ""
            commands = ", ".join(f"`{command}`" for command in order.verify)
            why = f"{commands} passes, but does not run what it ran before: {shown}{more}"
            self._note([Violation("", "vanished", why)])

    async def _guard_call(self) -> str:
        """Put back what a call did to protected files; return what the model is told."""
        assert self.guarding is not None
        found = await self.guarding.put_back(thorough=False)  # within the step of the call
        self._note(found)
        if not found:
            return ""
        return load("protected_again", found="\n".join(f"- {v.path}: {v.why}" for v in found))

    def _note(self, found: Sequence[Violation]) -> None:
        if found:
            self.violations += [
                violation for violation in found if violation not in self.violations
            ]
            self.watcher.violated(found)

    def _violated(self) -> int:
        paths = ", ".join(dict.fromkeys(violation.path for violation in self.violations))
        first = self.violations[0]
        where = f"{first.path}:{first.line}" if first.line else first.path
        if first.kind == "vanished":
            self.error = f"{first.why}; {self.how_to_go_on()}"
            return VIOLATED
        kept = all(violation.rolled_back for violation in self.violations)
        done = "put back as it was" if kept else "not all of it could be put back"
        self.error = (
            f"protected files were changed, {done}: {paths} ({where}: {first.why}); "
            f"{self.how_to_go_on()}"
        )
        return VIOLATED

    def _misfit(self) -> str:
        """Return what does not fit in the answer, for the model; nothing if it fits."""
        if self.shape is None:
            return ""
        from qcode.headless.shaping import Misfit

        judged = self.shape.judge(self.answer)
        if isinstance(judged, Misfit):
            return judged.text
        self.structured = judged
        return ""

    def _misfitting(self, misfit: str) -> int:
        why = " ".join(misfit.split())[:200]
        self.error = f"the answer does not fit the schema: {why}; {self.how_to_go_on()}"
        return 1
