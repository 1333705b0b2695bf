"""A conversation at the keyboard: messages and commands in, events shown, things left whole."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qcode import __version__, paths
from qcode.cli import finding_model as finding
from qcode.cli import first_paint, marks, slash
from qcode.cli.boundary import SandboxBoundary, none_works
from qcode.cli.composer import learner_of, save
from qcode.cli.obeying import obey
from qcode.cli.start import (
    open_session,
)
from qcode.errors import QcodeError, UsageError
from qcode.events import ApprovalNeeded, Event, Heard, TurnEnd, TurnFinished, TurnStarted
from qcode.mentions.complete import Mentionable
from qcode.permissions import Mode
from qcode.receipt import Receipt
from qcode.spoken import called
from qcode.ui.approve import TerminalApprover
from qcode.ui.printable import encodable
from qcode.ui.standing import Standing
from qcode.ui.terminal import Look, Terminal
from qcode.ui.theme import Theme, choose

if TYPE_CHECKING:
    from qcode.cli.in_editor import InEditor
    from qcode.config import Settings
    from qcode.facts.learning import Learner
    from qcode.journal.listing import Entry
    from qcode.session import Session
    from qcode.ui.links import Linker
    from qcode.ui.prompt import Prompt
    from qcode.ui.screen import Screen


T = TypeVar("T")
MODES = {
    Mode.PLAN: "nothing is changed",
    Mode.DEFAULT: "edits and commands are asked about",
    Mode.AUTO_EDIT: "commands are asked about",
    Mode.YOLO: "nothing is asked about",
}


class Conversation:
    """Reads messages and commands, sends them, and leaves things whole at the end."""

    session: Session
    mentionable: Mentionable
    learner: Learner | None

    def __init__(
        self,
        settings: Settings,
        look: Look,
        *,
        cwd: Path,
        added: tuple[Path, ...],
        local: bool,
        may_set_up: bool,
        reload: Callable[[], Settings],
    ) -> None:
        """Prepare it; `reload` reads the settings anew, once the folder is trusted."""
        self.reload = reload
        self.settings = settings
        # What a screen reader reads out is not drawn over.
        self.look = replace(look, live=look.live and not settings.plain)
        self.cwd = cwd
        self.added = added
        self.local = local
        self.may_set_up = may_set_up
        self.receipt = Receipt()
        self.signal: int | None = None
        self.sending = self.interrupted = self.is_open = False
        self.in_editor = False
        """Whether the terminal is an editor's for now."""
        self.editors: InEditor | None = None
        """What editors hand over, and are told; None: they are not listened to."""
        self.standing = Standing(cwd)
        self.aside: asyncio.Future[Any] | None = None
        """What is under way and is no turn."""

    async def run(self, entry: Entry | None, first: str | None) -> int:
        """Hold the conversation; return the exit code."""
        history = paths.state_dir() / "history"
        if not self.look.live:
            from qcode.ui.prompt import keyboard

            first_paint.clear()
            self.terminal = Terminal(sys.stdout, self.look, theme=self.theme())
            with keyboard(history) as prompt:
                self.screen: Screen | None = None
                self.prompt: Prompt | Screen = prompt
                return await self._hold(entry, first)
        from qcode.ui.prompt import quiet_keys
        from qcode.ui.screen import Screen, session_of

        with quiet_keys(), session_of():
            self.prompt = self.screen = screen = Screen(
                history,
                colour=self.look.colour,
                interrupt=self._interrupt,
                cycle=self._cycle,
                earlier=self._earlier,
                expand=self._unfold,
                picture=_picture,
                status=self.standing.line,
                vi=self.settings.vi,
                # Others do, too; where that is not certain finished text is left alone.
                breaks_anew="TMUX" in os.environ and "STY" not in os.environ,
            )
            self.terminal = Terminal(
                screen,
                self.look,
                columns=screen.columns,
                theme=self.theme(),
                reveal="Ctrl-O shows",
                live=screen,
                linker=self._linker(),
            )
            first_paint.clear()
            screen.typed_ahead(first_paint.early_keys())
            async with screen.shown():
                return await self._hold(entry, first)

    def theme(self) -> Theme:
        """Return how things look by the settings."""
        return choose(os.environ, self.settings.theme, spoken=self.settings.plain)

    def _linker(self) -> Linker | None:
        """Return what makes links of file names; None where the terminal takes none."""
        from qcode.hyperlinks import Hyperlinks, takes_links, target_of

        wish = self.settings.hyperlinks
        if wish is Hyperlinks.OFF or (wish is Hyperlinks.AUTO and not takes_links(os.environ)):
            return None
        from qcode.ui.links import Linker

        form = self.settings.hyperlink_format
        return Linker(self.cwd, target_of(os.environ, form, os.uname().nodename))

    async def _hold(self, entry: Entry | None, first: str | None) -> int:
        self.approver = TerminalApprover(
            self.terminal,
            self.prompt.line,
            self._interrupt,
            edit=self._edit,
            **({"pause_s": 0.0} if self.screen is not None else {}),
        )
        for warning in self.settings.warnings:
            self.terminal.say(warning)
        self.chosen = await finding.choose(self)
        await self._ask_for_trust()
        self.session = self._open(entry)
        self._handle_signals()
        try:
            self.is_open = True
            await self._listen_to_editors()
            self._greet(resumed=entry is not None)
            await self.settle_sandbox()
            await self._warm_up(has_message=first is not None and bool(first.strip()))
            await self._talk(first)
        except (asyncio.CancelledError, OSError):
            # After a hangup the prompt finds no terminal to take its line back from.
            if self.signal is None:
                raise
        finally:
            if self.editors is not None:
                await self.editors.close()
            await self._leave(self.session)
        return 0 if self.signal is None else 128 + self.signal

    async def _listen_to_editors(self) -> None:
        if self.settings.bridge and self.screen is not None:
            from qcode.cli.in_editor import InEditor

            self.editors = InEditor(self)
            await self.editors.start(self.session)
            self.standing.editor = self.editors.hint

    async def _ask_for_trust(self) -> None:
        """Ask about what the folder's own settings would loosen, if it is not trusted with it."""
        if not self.settings.wishes:
            return
        from qcode.cli.options import trust_file
        from qcode.cli.trust import described

        self.terminal.say("the settings in this folder ask for:")
        self.terminal.say("\n".join(described(self.settings.wishes)))
        if await self.ask("trust it with that? [y/N] ") in ("y", "yes"):
            trust_file().add(self.cwd, self.settings.wishes)
            self.settings = self.reload()

    async def settle_sandbox(self) -> None:
        """Say what confines commands; where nothing does, ask once whether to go without."""
        boundary = self.session.agent.boundary
        if not isinstance(boundary, SandboxBoundary):
            return
        await boundary.ready()
        if boundary.asks_each:
            error = none_works(boundary.sandbox.choice)
            self.terminal.say(f"✗ {error.message}", "red")
            self.terminal.say(error.hint, "dim")
            question = "run commands without a sandbox, asking about each one? [y/N] "
            boundary.is_declined = await self.ask(question) not in ("y", "yes")
            if boundary.is_declined:
                self.terminal.say("no command will be run in this session")
                return
        self.terminal.say(f"sandbox: {boundary.label}", "dim" if boundary.confines else "red")

    def _open(self, entry: Entry | None) -> Session:
        session = open_session(
            self.settings,
            self.chosen,
            self.approver,
            cwd=self.cwd,
            added=self.added,
            note=self.terminal.say,
            entry=entry,
        )
        self.learner = learner_of(session)
        context = session.agent.context
        self.standing.of(session)
        self.mentionable = Mentionable(
            context.workspace.root,
            context.is_hidden,
            resources=lambda: self._of_servers("resources"),
        )
        self._complete()
        if self.editors is not None:
            self.editors.of(session)
        return session

    def _complete(self) -> None:
        """Have commands, their arguments and mentions completed in what is typed."""
        from qcode.cli.arguments import usual
        from qcode.ui.complete import Completing

        arguments = usual(
            self.cwd,
            lambda: (self.chosen.target.model, self.settings.model or ""),
            {"mcp": lambda: self._of_servers("arguments")},
        )
        if self.screen is not None:
            self.screen.complete_by(
                Completing(
                    lambda: {**slash.COMMANDS, **self.spoken()},
                    arguments,
                    self.mentionable.candidates,
                )
            )

    def _of_servers(self, what: str) -> list[tuple[str, str]]:
        from qcode.cli.tool_servers import arguments_of, resources_of

        known = {"resources": resources_of, "arguments": arguments_of}
        return known[what](self.session)

    def spoken(self) -> dict[str, str]:
        """Return the commands that extensions bring, each with what it is about."""
        return {
            name: f"{command.hint}: {command.about}" if command.hint else command.about
            for commands in reversed(self.session.commands)
            for name, command in commands.known().items()
            if name not in slash.COMMANDS
        }

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        main_task = asyncio.current_task()
        assert main_task is not None

        def stop(number: int) -> None:
            again = self.signal is not None
            self.signal = number
            if number == signal.SIGHUP:
                self.terminal.mute()
            if again or not self.session.interrupt():
                main_task.cancel()

        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop, number)

    async def _edit(self, text: str, name: str) -> str:
        """Return a text as the person leaves it in their editor, which has the terminal."""
        from qcode.cli.editor import edited

        self.in_editor = True
        try:
            async with self.prompt.aside():
                return await edited(text, name)
        finally:
            self.in_editor = False

    def _interrupt(self) -> bool:
        if self.in_editor:
            return True  # Ctrl-C is for the editor
        if self.aside is not None:
            self.aside.cancel()
            return True
        # A second time it also ends what the first one waits for.
        if not self.session.interrupt() and not self.sending:
            return False
        self.interrupted = True  # before its turn began, it ends with its first event
        self.terminal.status("interrupting …")
        return True

    def _ring(self, began: float, text: str) -> None:
        """Call a person back who was made to wait."""
        waited, least = time.monotonic() - began, self.settings.notify_after
        if least and waited >= least and self.screen is not None:
            self.screen.notify(text)

    def _earlier(self) -> None:
        """Esc, Esc: have an earlier message chosen."""
        if self.is_open and self.screen is not None and not self.screen.buffer.text:
            self.screen.buffer.text = "/rewind"
            self.screen.submit()

    def _unfold(self) -> None:
        self.terminal.unfold()

    def _cycle(self) -> None:
        """Go to the next approval mode."""
        if not self.is_open:
            return
        modes = list(Mode)
        mode = modes[(modes.index(self.session.agent.mode) + 1) % len(modes)]
        self.set_mode(mode)
        if self.screen is not None:
            self.screen.hint(f"mode: {mode} ({MODES[mode]})")

    def _greet(self, *, resumed: bool) -> None:
        say = self.terminal.say
        agent = self.session.agent
        say(
            f"qcode {__version__} · {agent.provider.model} · {agent.mode} · {_at_home(self.cwd)}",
            "dim",
        )
        say("Enter sends, Alt-Enter starts a new line, /help tells more, Ctrl-D leaves", "dim")
        if resumed:
            self.terminal.recap(self.session.history.messages)

    async def _warm_up(self, *, has_message: bool) -> None:
        """Have a local server read ahead what is known of the first request."""
        if not (self.settings.warm_up and self.chosen.is_free_here):
            return
        from qcode.cli import warm

        if has_message:
            await warm.restore(self.session, self.chosen)
        else:
            warm.warm_up(self.session, self.chosen)

    async def _talk(self, first: str | None) -> None:
        if first is not None and first.strip():
            if self.screen is None:
                self.terminal.said(first)
            if not await self._take(encodable(first)):
                return
        while self.signal is None:
            try:
                later = self.screen.take_later() if self.screen is not None else None
                text = later or await self.prompt.message()
            except EOFError:
                return
            if text.strip() and not await self._take(text):
                return

    async def _take(self, text: str) -> bool:
        """Obey a command or send a message; return whether to go on."""
        try:
            if (mark := marks.mark_of(text)) is not None:
                rest = text.strip()[1:].strip()
                await (marks.run(self, rest) if mark == "!" else marks.remember(self, rest))
                return True
            command = slash.parse(text, self.spoken())
            if command is None:
                self.mentionable.use(text)
                await self.send(text.strip())
                return True
            if self.screen is not None:
                self.terminal.said(text)
            return await obey(self, command)
        except QcodeError as error:
            self.terminal.say(f"✗ {' '.join(str(error).split())}", "red")
            return True

    def saw(self, event: Event) -> None:
        self.receipt.handle(event)
        self.standing.handle(event)
        if self.editors is not None:
            self.editors.handle(event)
        self.terminal.handle(event)

    async def send(self, text: str, *, said: str | None = None) -> None:
        screen = self.screen
        self.sending, self.interrupted = True, False
        began = time.monotonic()
        if screen is not None:
            if said is None:  # otherwise it is a command that speaks for the person
                self.terminal.said(text)
            screen.busy(True)
            listening = asyncio.ensure_future(self._listen(screen))
        try:
            async with aclosing(self.session.send(text, said=said)) as turn:
                async for event in turn:
                    if isinstance(event, TurnStarted) and self.interrupted:
                        self.session.interrupt()
                    self.receipt.handle(event)
                    if self.learner is not None:
                        self.learner.handle(event)
                    self.standing.handle(event)
                    if self.editors is not None:
                        self.editors.handle(event)
                    if isinstance(event, Heard) and screen is not None and screen.waiting:
                        screen.waiting.pop(0)
                    if isinstance(event, ApprovalNeeded):
                        self._ring(began, f"qcode asks about {event.call.name}")
                    await self.approver.show(event)
                    if isinstance(event, TurnFinished) and event.end is not TurnEnd.ANSWERED:
                        self._put_back_later()
            self._ring(began, "qcode is done")
        finally:
            self.sending = False
            if screen is not None:
                screen.busy(False)
                listening.cancel()
                screen.waiting.clear()
                screen.suggest("\n\n".join(self.session.unheard()))

    def _put_back_later(self) -> None:
        """Leave to the person what was to be sent after a turn that did not end well."""
        screen = self.screen
        if screen is not None and screen.later:
            text, screen.later[:] = "\n\n".join(screen.later), []
            screen.suggest(text)

    async def _listen(self, screen: Screen) -> None:
        """Take what is typed while the model works."""
        while True:
            text = await screen.message()
            try:
                command = slash.parse(text, self.spoken())
                if (mark := marks.mark_of(text)) is not None:
                    raise UsageError(
                        f"`{mark}` has to wait until the model is done", hint="Esc interrupts it"
                    )
                found = called(text)
                if found is not None and found[0] in self.spoken():
                    raise UsageError(
                        f"`/{found[0]}` has to wait until the model is done",
                        hint="Esc interrupts it; Tab sends it afterwards",
                    )
                if command is None:
                    self.session.steer(text.strip())
                    screen.waiting.append(text)
                elif command.name in slash.WHILE_BUSY:
                    await obey(self, command)
                else:
                    raise UsageError(
                        f"`/{command.name}` has to wait until the model is done",
                        hint="Esc interrupts it",
                    )
            except QcodeError as error:
                self.terminal.say(f"✗ {' '.join(str(error).split())}", "red")

    async def aside_of(self, work: Coroutine[None, None, T]) -> T | None:
        """Return what comes of something that is no turn; None if the person interrupts it."""
        self.aside = asyncio.ensure_future(work)
        if self.screen is not None:
            self.screen.busy(True)
        try:
            await asyncio.wait({self.aside})
            return None if self.aside.cancelled() else self.aside.result()
        finally:
            self.aside.cancel()
            self.aside = None
            if self.screen is not None:
                self.screen.busy(False)

    async def ask(self, question: str) -> str:
        try:
            return (await self.prompt.line(question)).strip().lower()
        except (EOFError, KeyboardInterrupt):
            from qcode.cli.travel import ABORT

            return ABORT

    async def begin_anew(self, entry: Entry | None = None) -> None:
        save(self.learner, self.terminal.say)  # opening another begins to learn anew
        before, self.session = self.session, self._open(entry)
        await self._leave(before)
        await self.settle_sandbox()
        self.terminal.say(f"{'session' if entry else 'new session'} {self.session.id}")
        if entry is not None:
            self.terminal.recap(self.session.history.messages)

    def set_mode(self, mode: Mode) -> None:
        self.session.agent.mode = mode
        self.settings = replace(self.settings, approval_mode=mode)

    async def _receipt_of(self, session: Session) -> list[str]:
        """Return what the session touched, and begin to gather anew."""
        receipt, self.receipt = self.receipt, Receipt()
        boundary = session.agent.boundary
        if receipt.is_empty or boundary is None:
            return []
        from qcode.cli.land import changed_files

        try:
            receipt.files = await changed_files(session)
        except QcodeError:
            pass  # it is told elsewhere why no states are kept
        receipt.hosts = boundary.contacts()
        if receipt.commands:
            receipt.tier, receipt.network = boundary.label, boundary.network
        return receipt.lines()

    async def _leave(self, session: Session) -> None:
        """Close a session; one in which nothing was said leaves nothing behind."""
        lines = await self._receipt_of(session)
        save(self.learner, self.terminal.say)
        await session.close()
        for line in lines:
            self.terminal.say(line, "dim")
        # What was gone back from can be come back to.
        if session.history.messages or session.history.conversation.dropped:
            self.terminal.say(f"session {session.id} is saved; `qcode resume {session.id}` goes on")
        else:
            session.history.journal.path.unlink(missing_ok=True)


def _picture() -> str | None:
    """Keep the picture that is in the clipboard; return its path, None if there is none."""
    from qcode.cli.pictures import kept

    return kept(paths.cache_dir() / "pasted", os.environ)


def _at_home(folder: Path) -> str:
    """Return a folder's path, short where it is in the person's own."""
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)
