"""`qcode watch`: do what comments in the code say to qcode, whenever a file is saved."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import events, paths, transaction
from qcode.approvals import Nobody
from qcode.cli import fail
from qcode.cli.chosen import choose_model
from qcode.cli.noting import note_on_stderr
from qcode.cli.options import add_shared, added_directories, enter_directory, settings_from
from qcode.cli.process import require_stdout, run_to_end
from qcode.cli.start import newest_session, open_session
from qcode.cli.stopping import Stopping
from qcode.errors import QcodeError
from qcode.events import TurnEnd
from qcode.journal import listing
from qcode.permissions import Mode
from qcode.ui.terminal import Look, Terminal
from qcode.watching.by_git import ByGit
from qcode.watching.heard import Heard, Turn, left
from qcode.watching.remarks import without
from qcode.watching.saves import Saves, read

if TYPE_CHECKING:
    from collections.abc import Collection

    from qcode.cli.chosen import Chosen
    from qcode.config import Settings
    from qcode.session import Session
    from qcode.ui.approve import TerminalApprover
    from qcode.ui.prompt import Prompt

TICK_S = 0.1
QUIET_S = 0.3
"""After the last save: editors write more than one file, and one of them more than once."""
GIT_PATIENCE_S = 30.0
_CODES = {TurnEnd.ANSWERED: 0, TurnEnd.PROVIDER: 3, TurnEnd.BUDGET: 4, TurnEnd.INTERRUPTED: 130}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_shared(parser)
    add = parser.add_argument
    add("--present", action="store_true", help="take up the comments that are there already, too")
    add("--once", action="store_true", help="end after the first comments that were taken up")


def main(args: argparse.Namespace) -> int:
    """Watch until Ctrl-C; return the exit code."""
    require_stdout("what is done")
    cwd = enter_directory(args)
    settings = settings_from(args, cwd)
    for warning in settings.warnings:
        note_on_stderr(warning)
    entry = newest_session(cwd) if args.resume_last else None
    chosen = choose_model(settings, note_on_stderr, local=args.local)
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
        return run_to_end(lambda: Watching(args, settings, chosen, cwd, None).run(entry))
    from qcode.ui.prompt import keyboard

    with keyboard(paths.state_dir() / "history") as prompt:
        return run_to_end(lambda: Watching(args, settings, chosen, cwd, prompt).run(entry))


class Watching:
    """A session that takes up what is saved."""

    session: Session

    def __init__(
        self,
        args: argparse.Namespace,
        settings: Settings,
        chosen: Chosen,
        cwd: Path,
        prompt: Prompt | None,
    ) -> None:
        """`prompt` asks the person; None: nobody is there to be asked."""
        self._args = args
        self._settings = settings
        self._chosen = chosen
        self._cwd = cwd
        self._prompt = prompt
        self._terminal = _terminal(settings)
        self._heard = Heard()
        self._own: set[str] = set()
        """What the turn under way changed."""
        self._stopping = Stopping(self._interrupt)
        self._error_code = 1

    async def run(self, entry: listing.Entry | None) -> int:
        """Watch to the end; return the exit code."""
        say = self._terminal.say
        approver: TerminalApprover | Nobody = Nobody()
        if self._prompt is not None:
            from qcode.ui.approve import TerminalApprover

            approver = TerminalApprover(self._terminal, self._prompt.line, self._interrupt)
        self.session = session = open_session(
            self._settings,
            self._chosen,
            approver,
            cwd=self._cwd,
            added=added_directories(self._args),
            note=say,
            entry=entry,
        )
        self._approver = approver
        self._stopping.mind()
        code = 0
        try:
            if session.agent.boundary is not None:
                await session.agent.boundary.ready()
            code = await self._watch()
        except asyncio.CancelledError:
            if not self._stopping.has_come:
                raise
        except QcodeError as error:
            fail(str(error))
            code = error.exit_code
        finally:
            self._stopping.closing = asyncio.ensure_future(session.close())
            await asyncio.gather(self._stopping.closing, return_exceptions=True)
        if session.history.messages:
            say(f"session {session.id} is saved; `qcode resume {session.id}` goes on", "dim")
        else:
            session.history.journal.path.unlink(missing_ok=True)
        return 128 + self._stopping.signal if self._stopping.signal is not None else code

    def _interrupt(self) -> bool:
        return self.session.interrupt()

    async def _watch(self) -> int:
        say, root = self._terminal.say, self.session.agent.context.workspace.root
        saves = await asyncio.to_thread(lambda: Saves(root, self.session.agent.context.is_hidden))
        by_git = ByGit(root)
        try:
            for path in saves.present():
                self._heard.look(path, read(root, path), counts=self._args.present)
            say(f"watching {root} for `qcode: …!` and `qcode: …?` in comments; Ctrl-C ends", "dim")
            if not saves.is_told:
                say("the system does not tell of changes here: all files are looked at", "dim")
            code = await self._take_up(saves, by_git)
            while code is None:
                pending = await self._saved(saves, by_git)
                for path in pending:
                    self._heard.look(path, read(root, path))
                code = await self._take_up(saves, by_git)
        finally:
            saves.close()
        return code

    async def _saved(self, saves: Saves, by_git: ByGit) -> Collection[str]:
        """Wait until files were saved, and return them, but for what git wrote."""
        loop = asyncio.get_running_loop()
        pending: set[str] = set()
        quiet = began = loop.time()
        while True:
            if changed := await asyncio.to_thread(saves.changed):
                began = began if pending else loop.time()
                pending |= set(changed)
                quiet = loop.time()
            elif (
                pending
                and loop.time() - quiet >= QUIET_S
                and (not by_git.is_at_work or loop.time() - began > GIT_PATIENCE_S)
            ):
                break
            await asyncio.sleep(TICK_S)
        if by_gits := by_git.brought(pending):
            self._skip(by_gits)
        return sorted(pending - by_gits)

    def _skip(self, paths: Collection[str]) -> None:
        root = self.session.agent.context.workspace.root
        skipped = 0
        for path in sorted(paths):
            skipped += self._heard.look(path, read(root, path), counts=False)
        if skipped:
            self._terminal.say(
                f"git changed {len(paths)} file{'s' * (len(paths) != 1)}: comments in them are not "
                "taken up; save a file to have one taken up that you changed",
                "dim",
            )

    async def _take_up(self, saves: Saves, by_git: ByGit) -> int | None:
        """Do what is due; return an exit code to end with."""
        has_turned = False
        while turn := self._heard.turn():
            has_turned = True
            end = await self._turn(turn)
            # Where nothing was changed, what was asked for may not be done.
            if end is TurnEnd.ANSWERED and turn.kind == "act" and self._own:
                await self._remove(turn)
            self._look_behind(saves)
            by_git.brought(())
            code = _CODES.get(end, 1)
            if self._stopping.has_come or code == 4:
                return code
            if code and not self._args.once:
                self._terminal.say(
                    "what was not done is not tried again by itself: change the comment, or "
                    "take it out and put it in again",
                    "dim",
                )
            elif code:
                return code if code != 1 else self._error_code
        return 0 if has_turned and self._args.once else None

    def _look_behind(self, saves: Saves) -> None:
        """Take note of what changed meanwhile: qcode's own writing says nothing to it."""
        root = self.session.agent.context.workspace.root
        kept = self.session.agent.checkpoints
        for path in saves.changed():
            is_own = kept is None or path in self._own
            self._heard.look(path, read(root, path), counts=not is_own)
        self._own.clear()

    async def _turn(self, turn: Turn) -> TurnEnd:
        agent, end = self.session.agent, TurnEnd.ERROR
        for found in turn.found:
            self._terminal.said(f"{found.place}: {found.remark.words}")
        before = agent.mode
        if turn.kind == "ask":
            agent.mode = Mode.PLAN
        try:
            # What a file says is not what a person typed: nothing in it points at anything.
            async with aclosing(self.session.send(turn.message, said="")) as going_on:
                async for event in going_on:
                    if isinstance(event, events.CheckpointMade):
                        self._own |= await self._changed_in(event.step)
                    elif isinstance(event, events.ErrorRaised):
                        self._error_code = event.exit_code
                    elif isinstance(event, events.TurnFinished):
                        end = event.end
                    await self._show(event)
        finally:
            agent.mode = before
        return end

    async def _show(self, event: events.Event) -> None:
        if isinstance(self._approver, Nobody):
            self._terminal.handle(event)
        else:
            await self._approver.show(event)

    async def _changed_in(self, step: int) -> set[str]:
        from qcode.checkpoints.in_session import SessionCheckpoints

        kept = self.session.agent.checkpoints
        return await kept.changed_in(step) if isinstance(kept, SessionCheckpoints) else set()

    async def _remove(self, turn: Turn) -> None:
        """Take out what the model left of the remarks; it can be undone like what it did."""
        root, kept = self.session.agent.context.workspace.root, self.session.agent.checkpoints
        rest: dict[str, transaction.Write] = {}
        for path in sorted({one.path for one in turn.found}):
            found = _state(root / path)  # first: what is saved after it is not overwritten
            text = read(root, path)
            remarks = left(path, text, turn) if text is not None else []
            if text is not None and remarks:
                data = without(text, remarks).encode()
                rest[path] = transaction.Write(root / path, data, found)
        if not rest:
            return
        if kept is not None:
            await kept.before("takes out comments that were taken up", "", list(rest))
        try:
            transaction.commit(list(rest.values()))
        except (OSError, transaction.Conflict, transaction.Incomplete) as error:
            self._terminal.say(f"the comments are not taken out: {error}", "red")
            return
        finally:
            if kept is not None:
                await kept.after()
            self._own |= set(rest)
        self._terminal.say(f"took the comments out of {', '.join(rest)}", "dim")


def _state(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None


def _terminal(settings: Settings) -> Terminal:
    from qcode.cli.interactive import look_of
    from qcode.ui.theme import choose

    is_terminal = sys.stdout.isatty()
    look = look_of(sys.stdout) if is_terminal else Look(colour=False, live=False)
    theme = choose(os.environ, settings.theme, spoken=settings.plain)
    return Terminal(sys.stdout, look, theme=theme)
