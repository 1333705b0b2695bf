"""What a headless run prints: the answer on stdout, all else on stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TextIO

from qcode import events
from qcode.boundary import Unconfined
from qcode.cli.composer import learner_of, save
from qcode.cli.noting import Note
from qcode.errors import QcodeError
from qcode.events import Event
from qcode.masked import masked
from qcode.receipt import Receipt
from qcode.ui.printable import encodable, printable
from qcode.ui.progress import Progress

if TYPE_CHECKING:
    from qcode.headless.ended import Ended, Violation
    from qcode.messages import JsonObject
    from qcode.session import Session
    from qcode.verification.outcome import Outcome


def on_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is there and a terminal."""
    return stream is not None and stream.isatty()  # None: the process was started with it closed


def progress_for(args: argparse.Namespace) -> Progress:
    """Return what shows on stderr how a run goes."""
    return Progress(sys.stderr, live=on_terminal(sys.stderr) and not args.quiet)


class Teller:
    """The `Watcher` of a session in the foreground."""

    def __init__(
        self,
        args: argparse.Namespace,
        session: Session,
        note: Note,
        progress: Progress | None = None,
    ) -> None:
        """`progress`: what shows it on stderr; by default one of its own."""
        self.args = args
        self.session = session
        self.boundary = session.agent.boundary or Unconfined(session.agent.context.workspace)
        self.note = note
        self.learner = learner_of(session)
        self.progress = progress or progress_for(args)
        self.is_silent = bool(args.quiet)
        """Whether nothing is told on stderr while it goes on."""
        self.stream = args.output == "stream-json"
        self.receipt = Receipt()

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Give signs of life meanwhile, where nobody watches."""
        if self.args.quiet:
            yield
            return
        async with self.progress.beating():
            yield

    # What happens.

    def begin(self) -> None:
        """Print the first message of a stream."""
        if not self.stream:
            return
        from qcode.cli.tool_servers import hub_of
        from qcode.ui import wire

        agent = self.session.agent
        root = str(agent.context.workspace.root)
        names = [spec.name for spec in agent.specs]
        hub = hub_of(self.session)
        servers = hub.states() if hub is not None else []
        self.line(
            wire.init(self.session.id, agent.provider.model, root, names, agent.mode, servers)
        )

    def handle(self, event: Event) -> None:
        """Take what happened in a turn."""
        self.receipt.handle(event)
        if self.learner is not None:
            self.learner.handle(event)
        if not self.is_silent:
            self.progress.handle(event)
        if self.stream:
            self._put(event)

    def _put(self, event: Event) -> None:
        from qcode.ui import wire

        match event:
            case events.AnswerFinished(message, _, usage, model):
                self.line(wire.assistant(self.session.id, model, message, usage))
            case events.ToolFinished(result):
                self.line(wire.tool_result(self.session.id, result))
            case events.Nudged(said, _):
                self.line(wire.user(self.session.id, said))
            case _:
                pass

    def verifying(self, commands: Sequence[str]) -> None:
        """Take that these commands are about to be run."""
        if not self.is_silent:
            self.progress.doing(f"verifying: {', '.join(commands)}")

    def verified(self, outcomes: Sequence[Outcome]) -> None:
        """Take how they went."""
        for outcome in outcomes:
            if self.learner is not None:
                self.learner.verified(outcome.command, outcome.exit_code, outcome.duration_s)
            if not self.is_silent and on_terminal(sys.stderr):
                mark = "✓" if outcome.passed else "✗"
                self.progress.say(f"{mark} verify `{outcome.command}`")

    def violated(self, violations: Sequence[Violation]) -> None:
        """Take what was found done to protected files."""
        for each in violations if not self.is_silent else ():
            place = f"{each.path}:{each.line}" if each.line else each.path
            done = "put back" if each.rolled_back else "it could not be put back"
            self.note(f"protected: {place}: {each.why} ({done})")

    # The end.

    def finish(self, ended: Ended, *, interrupted: bool, patch_on_stdout: bool) -> None:
        """Print the answer or the result, then the one line that says how it ended."""
        self.progress.clear()
        if self.args.output == "text":
            self._answer(ended.answer, elsewhere=patch_on_stdout)
        else:
            from qcode.ui import wire

            self.line(wire.result(ended))
        if not self.args.quiet:
            for line in self.receipt.lines():
                self.note(printable(line))
        self.last_line(ended, interrupted=interrupted)

    def last_line(self, ended: Ended, *, interrupted: bool) -> None:
        """Print the line that says how it ended, where that was not well."""
        from qcode.cli import fail

        on = f"`qcode run --resume {ended.session_id}` goes on"
        if interrupted:
            fail(f"interrupted; the session is saved, {on}")
        elif ended.exit_code != 0:
            why = ended.error or "the run ended without an answer"
            known = ended.session_id in why or not self.session.history.messages
            fail(why if known else f"{why}; {on} from here")

    def _answer(self, text: str, *, elsewhere: bool) -> None:
        answer = self.session.agent.masker.mask(text)
        if not answer:
            return
        if elsewhere:
            self.note(answer)
            return
        # A terminal obeys escape sequences, and a model can write them.
        shown = printable(answer) if on_terminal(sys.stdout) else answer
        self._print(encodable(shown))

    def complete_receipt(self, changed: Sequence[str]) -> None:
        """Add to the receipt what events do not tell."""
        self.receipt.files = changed
        self.receipt.hosts = self.boundary.contacts()
        if self.receipt.commands:
            self.receipt.tier, self.receipt.network = self.boundary.label, self.boundary.network

    def learn(self) -> None:
        """Keep what was learned of the project."""
        save(self.learner, self.note)

    def line(self, message: JsonObject) -> None:
        """Print a message as a line of JSON, without what is secret."""
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
            lost = QcodeError(
                f"cannot write {what} to stdout: {error.strerror or error}",
                hint=kept if self.session.history.messages else "",
            )
            lost.is_told = True  # as far as it can be
            raise lost from error
