"""`qcode run`: headless; the answer on stdout, all else on stderr, a code at the end."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Awaitable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from qcode import events, journal, paths
from qcode.approvals import Nobody
from qcode.boundary import Unconfined
from qcode.checkpoints.in_session import SessionCheckpoints
from qcode.cli.composer import learner_of, save
from qcode.cli.options import add_shared, added_directories, enter_directory, settings_from
from qcode.cli.process import require_stdout, run_to_end
from qcode.cli.start import (
    Chosen,
    NoModelError,
    Note,
    choose_model,
    newest_session,
    note_on_stderr,
    open_session,
)
from qcode.cli.task import read_prompt, typed
from qcode.context import estimate_tokens
from qcode.errors import QcodeError, UsageError
from qcode.events import Event, TurnEnd
from qcode.masked import masked
from qcode.prompts import load
from qcode.receipt import Receipt
from qcode.repeats import RUT_TEMPERATURE
from qcode.tools.base import Effect
from qcode.ui.printable import encodable, printable
from qcode.ui.progress import Progress

if TYPE_CHECKING:
    from qcode.agent import Checked
    from qcode.session import Session
    from qcode.verification.outcome import Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("prompt", nargs="?", metavar="PROMPT", help="the task; `-` or none reads stdin")
    add_shared(parser)
    add("-o", "--output", choices=["text", "json", "stream-json"], default="text")
    add("--verify", metavar="CMD", action="append", default=[],
        help="done only when this exits 0; its failing output goes back to the model")  # fmt: skip
    add("--commit", action="store_true", help="commit what was changed, if all went well")
    add("--patch", metavar="FILE", help="write what was changed as a patch; `-` for stdout")
    add("--resume", metavar="ID", help="go on with this session")
    add("--quiet", action="store_true", help="no progress and no notices on stderr")


def main(args: argparse.Namespace) -> int:
    """Run the task; return the exit code."""
    require_stdout("the answer")
    if not all(command.strip() for command in args.verify):
        raise UsageError("--verify needs a command", hint='for instance --verify "make test"')
    if args.patch == "-" and args.output != "text":
        raise UsageError(f"--patch - and -o {args.output} would share stdout", hint="name a file")
    cwd = enter_directory(args)
    if args.commit:
        from qcode.landing.commit import check_can_commit

        check_can_commit(cwd)
    added = added_directories(args)
    settings = settings_from(args, cwd)
    note = (lambda _text: None) if args.quiet else note_on_stderr
    for warning in settings.warnings:
        note_on_stderr(warning)
    prompt = read_prompt(args.prompt, note_on_stderr)
    entry = _entry(args, cwd)
    try:
        chosen = choose_model(settings, note, local=args.local)
    except NoModelError as nothing:
        # The one message of several lines; the dispatcher would make one of them.
        print(nothing, file=sys.stderr)
        return nothing.exit_code
    window = chosen.context_window
    if window and (size := estimate_tokens(prompt)) > window:
        model = chosen.target.model
        raise UsageError(
            f"the prompt is about {size:,} tokens, and {model} has room for {window:,}",
            hint="name files to read instead of pasting them",
        )
    session = open_session(settings, chosen, Nobody(), cwd=cwd, added=added, note=note, entry=entry)
    if args.commit or args.patch:
        from qcode.cli.land import kept_of

        kept_of(session)
    warm = chosen if settings.warm_up and chosen.is_embedded else None
    return run_to_end(lambda: _Run(args, session, note, warm).run(prompt))


def _entry(args: argparse.Namespace, cwd: Path) -> journal.Entry | None:
    if args.resume and args.resume_last:
        raise UsageError("--resume and --continue exclude each other")
    if args.resume:
        return journal.find(paths.state_dir() / "sessions", args.resume)
    return newest_session(cwd) if args.resume_last else None


def _on_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()  # None: the process was started with it closed


class _Run:
    """One headless run: turns until the verification passes or cannot."""

    def __init__(
        self, args: argparse.Namespace, session: Session, note: Note, warm: Chosen | None
    ) -> None:
        """`warm`: a server that may be given what it read in an earlier session."""
        self.args = args
        self.warm = warm
        self.session = session
        self.boundary = session.agent.boundary or Unconfined(session.agent.context.workspace)
        self.note = note
        self.typed = typed(args.prompt)
        self.learner = learner_of(session)
        self.started = time.monotonic()
        self.progress = Progress(sys.stderr, live=_on_terminal(sys.stderr) and not args.quiet)
        self.stream = args.output == "stream-json"
        self.answer = ""
        self.error = ""
        self.error_code = 1
        self.end = TurnEnd.ERROR
        self.signal: int | None = None
        self.closing: asyncio.Task[None] | None = None
        self.outcomes: list[Outcome] = []
        self.changed: list[str] = []
        """Paths that the session's calls changed, relative to the workspace."""
        self.commit = ""
        self.receipt = Receipt()
        self.acted = False
        """Whether this turn did anything that may have changed a file."""

    async def run(self, prompt: str) -> int:
        loop = asyncio.get_running_loop()
        main_task = asyncio.current_task()
        assert main_task is not None

        def stop(number: int) -> None:
            # The first signal interrupts the turn and lets it write its end; the
            # second, or one outside a turn, ends what is going on at once.
            again = self.signal is not None
            self.signal = number
            if self.closing is not None:
                if again:
                    self.closing.cancel()  # background jobs are no longer asked, but killed
            elif again or not self.session.interrupt():
                main_task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup it stays ignored
                loop.add_signal_handler(number, stop, number)
        try:
            code = await self._land(await self._work(prompt))
        except asyncio.CancelledError:
            if self.signal is None:
                raise
            self.end, code = TurnEnd.INTERRUPTED, 130
        finally:
            await self._close()
        if self.signal is not None:
            code = 128 + self.signal
        self._finish(code)
        return code

    async def _land(self, code: int) -> int:
        """Commit and write the patch as asked; return the exit code."""
        wanted = self.args.output != "text" or self.args.commit or self.args.patch
        if not wanted and (self.args.quiet or self.receipt.is_empty):
            return code
        from qcode.cli import land

        try:
            self.changed = await land.changed_files(self.session)
            if self.args.patch:
                await land.write_patch(self.session, self.args.patch, sys.stdout.buffer, self.note)
            if self.args.commit and code == 0:
                self.commit = await land.land_commit(self.session, self.note)
        except QcodeError as error:
            self.error = f"{self.error}; {error}" if self.error else str(error)
            return code or error.exit_code
        return code

    async def _close(self) -> None:
        save(self.learner, self.note)
        self.closing = asyncio.ensure_future(self.session.close())
        try:
            await self.closing
        except asyncio.CancelledError:
            if self.signal is None:
                raise

    async def _work(self, prompt: str) -> int:
        await self.boundary.ready()
        if self.warm is not None:
            from qcode.cli.warm import restore

            await restore(self.session, self.warm)
        if self.stream:
            self._emit_init()
        task = prompt
        if self.args.verify:
            from qcode.verification.running import QUICK_S

            # The baseline: what fails now is the best description of the task.
            await self._verify()
            if sum(outcome.duration_s for outcome in self.outcomes) <= QUICK_S:
                self.session.agent.after_edit = self._check_edit
            if failing := self._failing():
                prompt = load("verify_first", prompt=prompt, failing=failing)
        code = await self._turn(prompt, self.typed)
        if not self.args.verify or self.end in (TurnEnd.INTERRUPTED, TurnEnd.PROVIDER):
            return code
        if (left := self.session.budget.time_left_s()) is not None and left <= 0:
            return code
        from qcode.verification.running import ROUNDS

        for round_number in range(ROUNDS + 1):
            await self._verify()
            failing = self._failing()
            if not failing:
                return 0 if self.end in (TurnEnd.ANSWERED, TurnEnd.GAVE_UP) else code
            if self.end in (TurnEnd.BUDGET, TurnEnd.ERROR) or round_number == ROUNDS:
                break
            text = self._next_try(task, failing)
            code = await self._turn(text, "" if self.session.history.messages else self.typed)
            if self.end in (TurnEnd.INTERRUPTED, TurnEnd.PROVIDER):
                return code
        if self.end is TurnEnd.BUDGET:
            return code
        failed = ", ".join(f"`{o.command}`" for o in self.outcomes if not o.passed)
        self.error = f"verification failed: {failed}; {self._how_to_go_on()}"
        return 1

    def _next_try(self, task: str, failing: str) -> str:
        """Return the message of the next turn."""
        if self.end is TurnEnd.GAVE_UP:
            # A model that went in circles copies its own mistakes from the history. It gets
            # the task anew, on the files as they are, and picks its words with more chance.
            self.session.history.begin_anew()
            self.session.agent.temperature = RUT_TEMPERATURE
            return load("verify_first", prompt=task, failing=failing)
        return load("verify_again" if self.acted else "verify_unchanged", failing=failing)

    async def _turn(self, text: str, said: str) -> int:
        self.answer = ""
        self.error = ""
        self.acted = False
        async with aclosing(self.session.send(text, said=said)) as stream:
            async for event in stream:
                self._handle(event)
        if self.end is TurnEnd.ANSWERED:
            return 0
        return 130 if self.end is TurnEnd.INTERRUPTED else self.error_code

    def _handle(self, event: Event) -> None:
        self.receipt.handle(event)
        if self.learner is not None:
            self.learner.handle(event)
        if not self.args.quiet:
            self.progress.handle(event)
        match event:
            case events.AnswerFinished(message, _, usage):
                if message.text.strip():
                    self.answer = message.text.strip()
                if self.stream:
                    from qcode.ui import wire

                    model = self.session.agent.provider.model
                    self._line(wire.assistant(self.session.id, model, message, usage))
            case events.ToolFinished(result):
                tool = self.session.agent.tools.get(result.name)
                if tool and tool.effect in (Effect.EDIT, Effect.EXECUTE):
                    self.acted |= not result.is_error
                if self.stream:
                    from qcode.ui import wire

                    self._line(wire.tool_result(self.session.id, result))
            case events.Nudged(said, _) if self.stream:
                from qcode.ui import wire

                self._line(wire.user(self.session.id, said))
            case events.ErrorRaised(message_text, exit_code):
                self.error = message_text
                self.error_code = exit_code
            case events.TurnFinished(end):
                self.end = end
            case _:
                pass

    async def _outcomes(self) -> list[Outcome]:
        from qcode.verification.running import TIMEOUT_S, verify

        context = self.session.agent.context
        left = self.session.budget.time_left_s()
        return await verify(
            self.args.verify,
            cwd=context.workspace.root,
            launcher=context.launcher,
            spill_dir=context.spill_dir,
            timeout_s=TIMEOUT_S if left is None else min(TIMEOUT_S, max(0.0, left)),
        )

    async def _as_step(self, outcomes: Awaitable[list[Outcome]]) -> list[Outcome]:
        """Verify; what a command writes (a formatter, say) is a step like a call's changes."""
        kept = self.session.agent.checkpoints
        if not isinstance(kept, SessionCheckpoints) or kept.used is None:
            return await outcomes
        try:
            await kept.before(f"verify {', '.join(self.args.verify)}", "", ())
        except QcodeError:
            return await outcomes  # the person is told by then; verifying goes on
        try:
            return await outcomes
        finally:
            await kept.after()

    async def _check_edit(self) -> Checked:
        """Return how the verification goes after an edit."""
        from qcode.agent import Checked
        from qcode.verification.running import QUICK_CHARS, describe

        failing = describe(await self._outcomes(), QUICK_CHARS)
        if failing:
            return Checked(load("verify_still_fails", failing=failing), passed=False)
        commands = " and ".join(f"`{command}`" for command in self.args.verify)
        return Checked(load("verify_passes", commands=commands), passed=True)

    async def _verify(self) -> None:
        self.outcomes = await self._as_step(self._outcomes())
        if self.learner is not None:
            for outcome in self.outcomes:
                self.learner.verified(outcome.command, outcome.exit_code, outcome.duration_s)
        if not self.args.quiet and _on_terminal(sys.stderr):
            for outcome in self.outcomes:
                mark = "✓" if outcome.passed else "✗"
                self.progress.say(f"{mark} verify `{outcome.command}`")

    def _failing(self) -> str:
        """Return what fails and the code it points at, for the model; nothing if all passes."""
        from qcode.culprit import excerpt
        from qcode.tools.files import fingerprint
        from qcode.verification.running import describe

        failing = self.session.agent.masker.mask(describe(self.outcomes))
        context = self.session.agent.context
        found = excerpt(failing, context.workspace, context.is_hidden) if failing else None
        if found is None:
            return failing
        if found.whole:
            real = context.workspace.root / found.path
            context.seen[real] = fingerprint(real)
        lines = "" if found.whole else f" (from line {found.first})"
        text = self.session.agent.masker.mask(found.text)
        return f"{failing}\n\n{found.path}{lines}:\n```\n{text}\n```"

    def _emit_init(self) -> None:
        from qcode.ui import wire

        agent = self.session.agent
        self._line(
            wire.init(
                self.session.id,
                agent.provider.model,
                str(agent.context.workspace.root),
                [spec.name for spec in agent.specs],
                agent.mode,
            )
        )

    def _line(self, message: dict[str, object]) -> None:
        from qcode.ui import wire

        self._print(wire.dump(masked(message, self.session.agent.masker)))

    def _print(self, text: str) -> None:
        """Print on stdout.

        Raises:
            BrokenPipeError: nobody reads it any more.
            QcodeError: it cannot be written.
        """
        try:
            print(text, flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            what = "the answer" if self.args.output == "text" else "the output"
            name = self.session.id
            kept = (
                f"the session is saved: `qcode sessions show {name}` prints it, "
                f"`qcode run --resume {name}` goes on"
            )
            raise QcodeError(
                f"cannot write {what} to stdout: {error.strerror or error}",
                hint=kept if self.session.history.messages else "",
            ) from error

    def _finish(self, code: int) -> None:
        """Print the answer or the result, then the one line that says how it ended."""
        from qcode.cli import fail

        self.progress.clear()
        self._complete_receipt()
        if self.args.output == "text":
            answer = self.session.agent.masker.mask(self.answer)
            if answer and self.args.patch == "-":
                self.note(answer)
            elif answer:
                # A terminal obeys escape sequences, and a model can write them.
                shown = printable(answer) if _on_terminal(sys.stdout) else answer
                self._print(encodable(shown))
        else:
            self._line(self._result(code))
        if not self.args.quiet:
            for line in self.receipt.lines():
                self.note(printable(line))
        if self.signal is not None:
            fail(
                f"interrupted; the session is saved, `qcode run --resume {self.session.id}` goes on"
            )
        elif code != 0:
            why = self.error or "the run ended without an answer"
            known = self.session.id in why or not self.session.history.messages
            fail(why if known else f"{why}; {self._how_to_go_on()}")

    def _complete_receipt(self) -> None:
        self.receipt.files = self.changed
        self.receipt.hosts = self.boundary.contacts()
        if self.receipt.commands:
            self.receipt.tier, self.receipt.network = self.boundary.label, self.boundary.network

    def _how_to_go_on(self) -> str:
        return f"`qcode run --resume {self.session.id}` goes on from here"

    def _result(self, code: int) -> dict[str, object]:
        from qcode.headless.ended import Ended
        from qcode.ui import wire

        budget = self.session.budget
        out_of_steps = (
            self.end is TurnEnd.BUDGET
            and budget.max_steps is not None
            and budget.steps >= budget.max_steps
        )
        return wire.result(
            Ended(
                session_id=self.session.id,
                model=self.session.agent.provider.model,
                task=self.typed,
                end=self.end,
                exit_code=code,
                answer=self.answer,
                error=self.error if code else "",
                steps=budget.steps,
                duration_s=time.monotonic() - self.started,
                usage=budget.usage,
                out_of_steps=out_of_steps,
                files_changed=self.changed,
                verification=self.outcomes,
                calls_repaired=self.session.history.repairs,
                receipt=self.receipt.to_json(),
            )
        )
