"""`qcode run`: headless; the answer on stdout, all else on stderr, a code at the end."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import journal, paths
from qcode.approvals import Nobody
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
from qcode.cli.telling import Teller
from qcode.context import estimate_tokens
from qcode.errors import QcodeError, UsageError
from qcode.events import TurnEnd
from qcode.headless.order import Order
from qcode.headless.work import Work
from qcode.record import replace

if TYPE_CHECKING:
    from qcode.headless.shaping import Shape
    from qcode.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("prompt", nargs="?", metavar="PROMPT", help="the task; `-` or none reads stdin")
    add_shared(parser)
    add("-o", "--output", choices=["text", "json", "stream-json"], default="text")
    add("--verify", metavar="CMD", action="append", default=[],
        help="done only when this exits 0; its failing output goes back to the model")  # fmt: skip
    add("--json-schema", metavar="SCHEMA",
        help="the answer has to be JSON that fits it: a file, or the schema itself")  # fmt: skip
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
    shape = None
    if args.json_schema:
        from qcode.headless.shaping import Shape

        shape = Shape.read(args.json_schema)
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
    order = Order(prompt, typed(args.prompt), verify=tuple(args.verify))
    return run_to_end(lambda: _Run(args, session, note, warm, shape).run(order))


def _entry(args: argparse.Namespace, cwd: Path) -> journal.Entry | None:
    if args.resume and args.resume_last:
        raise UsageError("--resume and --continue exclude each other")
    if args.resume:
        return journal.find(paths.state_dir() / "sessions", args.resume)
    return newest_session(cwd) if args.resume_last else None


class _Run:
    """One session in the foreground: its work, what lands of it, what is told."""

    def __init__(
        self,
        args: argparse.Namespace,
        session: Session,
        note: Note,
        warm: Chosen | None,
        shape: Shape | None,
    ) -> None:
        """`warm`: a server that may be given what it read in an earlier session."""
        self.args = args
        self.warm = warm
        self.session = session
        self.note = note
        self.teller = Teller(args, session, note)
        self.work = Work(session, self.teller, shape=shape)
        self.signal: int | None = None
        self.closing: asyncio.Task[None] | None = None
        self.changed: list[str] = []
        """Paths that the session's calls changed, relative to the workspace."""
        self.commit = ""

    async def run(self, order: Order) -> int:
        self._mind_signals()
        try:
            code = await self._land(await self._work(order))
        except asyncio.CancelledError:
            if self.signal is None:
                raise
            self.work.end, code = TurnEnd.INTERRUPTED, 130
        finally:
            await self._close()
        if self.signal is not None:
            code = 128 + self.signal
        ended = replace(
            self.work.ended(code), files_changed=tuple(self.changed), commit=self.commit
        )
        self.teller.complete_receipt(self.changed)
        ended = replace(ended, receipt=self.teller.receipt.to_json())
        self.teller.finish(
            ended,
            interrupted=self.signal is not None,
            patch_on_stdout=self.args.patch == "-",
        )
        return code

    def _mind_signals(self) -> None:
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

    async def _work(self, order: Order) -> int:
        await self.work.boundary.ready()
        if self.warm is not None:
            from qcode.cli.warm import restore

            await restore(self.session, self.warm)
        self.teller.begin()
        return await self.work.run(order)

    async def _land(self, code: int) -> int:
        """Commit and write the patch as asked; return the exit code."""
        wanted = self.args.output != "text" or self.args.commit or self.args.patch
        if not wanted and (self.args.quiet or self.teller.receipt.is_empty):
            return code
        from qcode.cli import land

        try:
            self.changed = await land.changed_files(self.session)
            if self.args.patch:
                await land.write_patch(self.session, self.args.patch, sys.stdout.buffer, self.note)
            if self.args.commit and code == 0:
                self.commit = await land.land_commit(self.session, self.note)
        except QcodeError as error:
            self.work.error = f"{self.work.error}; {error}" if self.work.error else str(error)
            return code or error.exit_code
        return code

    async def _close(self) -> None:
        self.teller.learn()
        self.closing = asyncio.ensure_future(self.session.close())
        try:
            await self.closing
        except asyncio.CancelledError:
            if self.signal is None:
                raise
