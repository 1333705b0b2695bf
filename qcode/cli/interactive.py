"""`qcode`: the interactive session."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qcode import __version__, paths
from qcode.cli import slash
from qcode.cli.boundary import SandboxBoundary, none_works
from qcode.cli.composer import learner_of, save, store_of
from qcode.cli.options import add_shared, added_directories, enter_directory, settings_from
from qcode.cli.process import run_to_end
from qcode.cli.start import (
    Chosen,
    NoModelError,
    choose_model,
    compactor_for,
    edit_format_of,
    masker_for,
    newest_session,
    open_session,
    specs_for,
)
from qcode.context import output_limit
from qcode.errors import QcodeError, UsageError
from qcode.mentions.complete import Paths
from qcode.permissions import Mode
from qcode.providers.registry import make_provider
from qcode.receipt import Receipt
from qcode.tiers import tier_for
from qcode.ui.approve import TerminalApprover
from qcode.ui.printable import encodable
from qcode.ui.terminal import Look, Terminal, usage_line

if TYPE_CHECKING:
    from types import ModuleType

    from qcode.config import Settings
    from qcode.facts.learning import Learner
    from qcode.journal import Entry
    from qcode.session import Session
    from qcode.ui.prompt import Prompt


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="sent as the first message")
    add_shared(parser)


def main(args: argparse.Namespace) -> int:
    """Hold a session; return the exit code."""
    require_terminal('`qcode run "what to do"` works without one')
    cwd = enter_directory(args)
    entry = newest_session(cwd) if args.resume_last else None
    return converse(args, cwd, entry=entry, first=args.prompt)


def require_terminal(hint: str) -> None:
    """Check that a person can be talked to.

    Raises:
        UsageError: stdin or stdout is no terminal.
    """
    for name, stream in (("stdin", sys.stdin), ("stdout", sys.stdout)):
        if stream is None or not stream.isatty():
            raise UsageError(f"an interactive session needs a terminal on {name}", hint=hint)


def converse(
    args: argparse.Namespace, cwd: Path, *, entry: Entry | None, first: str | None = None
) -> int:
    """Open a session, new or that of a journal, and hold it; return the exit code."""
    added = added_directories(args)
    settings = settings_from(args, cwd)
    look = _look()
    terminal = Terminal(sys.stdout, look)
    for warning in settings.warnings:
        terminal.say(warning)
    try:
        chosen = choose_model(settings, terminal.say, local=args.local)
    except NoModelError as nothing:
        # The one message of several lines; the dispatcher would make one of them.
        print(nothing, file=sys.stderr)
        return nothing.exit_code
    # prompt_toolkit takes a while to load: not before it is known to be needed.
    from qcode.ui.prompt import keyboard

    with keyboard(paths.state_dir() / "history", plain=not look.live) as prompt:
        conversation = _Conversation(
            settings,
            chosen,
            cwd=cwd,
            added=added,
            local=args.local,
            terminal=terminal,
            prompt=prompt,
            reload=lambda: settings_from(args, cwd),
        )
        return run_to_end(lambda: conversation.run(entry, first))


def _look() -> Look:
    # A locale that cannot write a character must not end the session.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    live = os.environ.get("TERM", "dumb").lower() not in ("", "dumb", "unknown")
    return Look(colour=live and not os.environ.get("NO_COLOR"), live=live)


class _Conversation:
    """Reads messages and commands, sends them, and leaves things whole at the end."""

    session: Session
    learner: Learner | None

    def __init__(
        self,
        settings: Settings,
        chosen: Chosen,
        *,
        cwd: Path,
        added: tuple[Path, ...],
        local: bool,
        terminal: Terminal,
        prompt: Prompt,
        reload: Callable[[], Settings],
    ) -> None:
        """Prepare it; `reload` reads the settings anew, once the folder is trusted."""
        self.reload = reload
        self.settings = settings
        self.chosen = chosen
        self.cwd = cwd
        self.added = added
        self.local = local
        self.terminal = terminal
        self.prompt = prompt
        self.approver = TerminalApprover(terminal, prompt.line, self._interrupt)
        self.receipt = Receipt()
        self.signal: int | None = None

    async def run(self, entry: Entry | None, first: str | None) -> int:
        """Hold the conversation; return the exit code."""
        await self._ask_for_trust()
        self.session = self._open(entry)
        self._handle_signals()
        try:
            self._greet(resumed=entry is not None)
            await self._settle_sandbox()
            await self._warm_up(has_message=first is not None and bool(first.strip()))
            await self._talk(first)
        except (asyncio.CancelledError, OSError):
            # After a hangup the prompt finds no terminal to take its line back from.
            if self.signal is None:
                raise
        finally:
            await self._leave(self.session)
        return 0 if self.signal is None else 128 + self.signal

    async def _ask_for_trust(self) -> None:
        """Ask about what the folder's own settings would loosen, if it is not trusted with it."""
        if not self.settings.wishes:
            return
        from qcode.cli.options import trust_file
        from qcode.cli.trust import described

        self.terminal.say("the settings in this folder ask for:")
        self.terminal.say("\n".join(described(self.settings.wishes)))
        if await self._ask("trust it with that? [y/N] ") in ("y", "yes"):
            trust_file().add(self.cwd, self.settings.wishes)
            self.settings = self.reload()

    async def _settle_sandbox(self) -> None:
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
            boundary.is_declined = await self._ask(question) not in ("y", "yes")
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
        self.prompt.complete_by(Paths(context.workspace.root, context.is_hidden).candidates)
        return session

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

    def _interrupt(self) -> None:
        # A second time it also ends what the first one waits for.
        if self.session.interrupt():
            self.terminal.status("interrupting …")

    def _greet(self, *, resumed: bool) -> None:
        say = self.terminal.say
        agent = self.session.agent
        say(f"qcode {__version__} · {agent.provider.model} · {agent.mode} · {self.cwd}", "dim")
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
            self.terminal.say(f"> {first}")
            if not await self._take(encodable(first)):
                return
        while self.signal is None:
            try:
                text = await self.prompt.message()
            except EOFError:
                return
            if text.strip() and not await self._take(text):
                return

    async def _take(self, text: str) -> bool:
        """Obey a command or send a message; return whether to go on."""
        try:
            command = slash.parse(text)
            if command is None:
                await self._send(text.strip())
                return True
            return await self._obey(command)
        except QcodeError as error:
            self.terminal.say(f"✗ {' '.join(str(error).split())}", "red")
            return True

    async def _send(self, text: str) -> None:
        async with aclosing(self.session.send(text)) as turn:
            async for event in turn:
                self.receipt.handle(event)
                if self.learner is not None:
                    self.learner.handle(event)
                await self.approver.show(event)

    async def _obey(self, command: slash.Slash) -> bool:
        say = self.terminal.say
        match command.name:
            case "quit":
                return False
            case "help":
                say(slash.help_text())
            case "new":
                await self._begin_anew()
            case "model":
                await self._model(command.rest)
            case "mode":
                self._mode(command.rest)
            case "memory":
                self._memory(command.rest)
            case "facts":
                self._facts(command.rest)
            case "usage":
                say(usage_line(self.session.history.usage))
            case "context" | "compact":
                from qcode.cli import room

                say((room.context if command.name == "context" else room.compact)(self.session))
            case "session":
                say(self._describe())
            case "sandbox":
                await self._settle_sandbox()
            case "undo" | "redo":
                again = await self._backstage().travel(
                    self.session, command.name, command.rest, say, self._ask
                )
                self.prompt.suggest(again)
            case "checkpoints":
                await self._backstage().points(self.session, say)
            case "diff":
                await self._backstage().show(self.session, command.rest, say)
        return True

    @staticmethod
    def _backstage() -> ModuleType:
        """Return the time machine's commands, loaded when the first one is given."""
        from qcode.cli import backstage

        return backstage

    async def _ask(self, question: str) -> str:
        try:
            return (await self.prompt.line(question)).strip().lower()
        except (EOFError, KeyboardInterrupt):
            from qcode.cli.travel import ABORT

            return ABORT

    async def _begin_anew(self) -> None:
        save(self.learner, self.terminal.say)  # opening another begins to learn anew
        before, self.session = self.session, self._open(None)
        await self._leave(before)
        await self._settle_sandbox()
        self.terminal.say(f"new session {self.session.id}")

    async def _model(self, name: str) -> None:
        agent = self.session.agent
        if not name:
            self.terminal.say(agent.provider.model)
            return
        if self.session.warm_up is not None:
            await self.session.warm_up.stop()  # it is the other model's
        settings = replace(self.settings, model=name)
        notes: list[str] = []
        # Off the loop: it may ask servers which models they have.
        chosen = await asyncio.to_thread(choose_model, settings, notes.append, local=self.local)
        provider = make_provider(
            chosen.target, session_key=self.session.id, tool_protocol=settings.tool_protocol
        )
        agent.masker = masker_for(chosen)
        self.session.history.journal.mask_by(agent.masker)
        self.session.history.journal.write({"type": "model", "model": chosen.target.model})
        before, agent.provider = agent.provider, provider
        tier = tier_for(chosen.context_window)
        agent.specs = specs_for(edit_format_of(settings, chosen), tier)
        if self.session.history.conversation.archived:
            agent.tell_of_archive()
        agent.context.sizes = tier.sizes
        agent.compactor = compactor_for(settings, chosen, agent.context, agent.tools)
        agent.max_output_tokens = output_limit(chosen.context_window, settings.max_output_tokens)
        self.settings, self.chosen = settings, chosen
        for note in notes:
            self.terminal.say(note)
        self.terminal.say(f"model: {provider.model}")
        await before.close()

    def _mode(self, name: str) -> None:
        if name:
            if name not in list(Mode):
                raise UsageError(f"unknown mode `{name}`", hint=f"one of {', '.join(Mode)}")
            self.session.agent.mode = Mode(name)
            self.settings = replace(self.settings, approval_mode=Mode(name))
        self.terminal.say(f"mode: {self.session.agent.mode}")

    def _memory(self, wanted: str) -> None:
        from qcode.cli.composer import memory_of
        from qcode.memory.telling import listed, whole

        memory = memory_of(self.session.composer)
        if wanted not in ("", "show"):
            raise UsageError(f"`/memory` does not know `{wanted}`", hint="`/memory show`")
        if memory is None:
            self.terminal.say("instruction files are turned off in this session")
            return
        text = whole if wanted else listed
        self.terminal.say(text(memory.find(), memory.places))

    def _facts(self, wanted: str) -> None:
        from qcode.cli.facts import forgotten, shown

        store = store_of(self.session.agent.context.workspace.root)
        word, _, which = wanted.partition(" ")
        if word == "forget":
            self.terminal.say(forgotten(store, which.split()))
        elif word:
            raise UsageError(f"`/facts` does not know `{word}`", hint="`/facts forget NUMBER`")
        else:
            self.terminal.say(shown(store))

    def _describe(self) -> str:
        session = self.session
        return "\n".join(
            [
                f"session {session.id}, {len(session.history.messages)} messages",
                f"model {session.agent.provider.model}, mode {session.agent.mode}",
                f"directory {self.cwd}",
                f"journal {session.history.journal.path}",
                f"`qcode resume {session.id}` comes back to it",
            ]
        )

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
        if session.history.messages:
            self.terminal.say(f"session {session.id} is saved; `qcode resume {session.id}` goes on")
        else:
            session.history.journal.path.unlink(missing_ok=True)
