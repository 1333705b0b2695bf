"""A session for programs: open it, say something, read what happens, close it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import weakref
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack

from qcode import events
from qcode.api.opening import Options, opened
from qcode.api.result import Result, TurnError, changes_since, last_point
from qcode.checkpoints.in_session import SessionCheckpoints
from qcode.errors import QcodeError, UsageError
from qcode.events import Event, TurnEnd
from qcode.messages import Message, Usage
from qcode.permissions import Mode
from qcode.sandbox import house

if TYPE_CHECKING:
    from qcode.session import Session

log = logging.getLogger("qcode.api")

T = TypeVar("T")


class Agent:
    """A model that works in a directory, over any number of turns.

    ```python
    async with Agent("path/to/project", model="qwen3-coder", base_url=url) as agent:
        async for event in agent.run("fix the failing test"):
            ...
        result = await agent.ask("say in a sentence what was wrong")
    ```

    It belongs to the event loop that it was opened in; any number of agents can be open at
    once, in one loop or in several. Nothing is printed, no signal handled, and the process's
    directory and environment stay as they are. The session is written down like all others:
    `qcode resume` goes on with it.
    """

    def __init__(self, cwd: str | os.PathLike[str] = ".", **options: Unpack[Options]) -> None:
        """Take note of the options; nothing is read or begun before `open`."""
        self.cwd = Path(cwd).absolute()
        self._options = options
        self._session: Session | None = None
        self._turn: asyncio.Task[None] | None = None
        self._reader: weakref.ref[AsyncGenerator[Event]] | None = None
        """Who reads the events of the turn; dead: nobody any more."""
        self._is_resumed = "resume" in options

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Read the configuration, find the model, begin the session; `async with` does.

        Raises:
            UsageError: an option or a configuration file is not usable, or no model is found.
            SandboxError: the sandbox cannot be had on this machine.
            QcodeError: the session cannot be written down.
        """
        if self._session is not None:
            raise UsageError("the agent is open already")
        note = self._options.get("on_note", log.info)
        self._session = await opened(self._options, self.cwd.resolve(), note)

    async def close(self) -> None:
        """End the turn under way, all processes and connections; more often does nothing."""
        session, self._session = self._session, None
        if session is None:
            return
        if self._turn is not None:
            self._turn.cancel()
            await asyncio.wait([self._turn])
        closing = self._task(session, session.close())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await asyncio.wait([closing])  # else its processes would stay
            raise

    # Turns.

    def run(self, text: str, *, mentions: bool = False) -> AsyncGenerator[Event]:
        """Say something and yield what happens; the last event is `TurnFinished`.

        A turn that fails is told by `ErrorRaised` before that, not raised. Leaving the loop
        early interrupts the turn (at once where `contextlib.aclosing` is around it).

        `mentions`: whether `@path`, `/command` and the like in the text are followed, as where a
        person types them. They may lead anywhere, so that no text of others belongs there.

        Raises:
            QcodeError: the agent is not open, or another turn is under way, when it is iterated.
            Exception: what a callback of the program raised.
        """
        reader: list[weakref.ref[AsyncGenerator[Event]]] = []
        stream = self._run(text, None if mentions else "", reader)
        reader.append(weakref.ref(stream))
        return stream

    async def _run(
        self, text: str, said: str | None, reader: list[weakref.ref[AsyncGenerator[Event]]]
    ) -> AsyncGenerator[Event]:
        session = self._open
        if not text.strip():
            raise UsageError("there is nothing to say")
        if self._turn is not None and self._reader is not None and self._reader() is None:
            self._turn.cancel()  # its loop was left, and its end is only a matter of time
            await asyncio.wait([self._turn])
            self._turn = None
        if self._turn is not None:
            raise QcodeError(
                "a turn is under way", hint="steer() adds to it; another agent works beside it"
            )
        queue: asyncio.Queue[Event | None] = asyncio.Queue()

        async def pump() -> None:
            async with aclosing(session.send(text, said=said)) as stream:
                async for event in stream:
                    queue.put_nowait(event)

        (self._reader,) = reader
        turn = self._turn = self._task(session, pump())
        turn.add_done_callback(lambda _turn: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            turn.cancel()
            await asyncio.wait([turn])
            if self._turn is turn:
                self._turn = None
        if not turn.cancelled():
            turn.result()

    async def ask(self, text: str, *, mentions: bool = False, check: bool = True) -> Result:
        """Say something and return what the turn comes to.

        With `check`, a turn that does not come to its end is an error, with all there is of it.

        Raises:
            TurnError: the turn was interrupted, its budget used up, the provider failed, …
            QcodeError: see `run`.
            Exception: what a callback of the program raised.
        """
        session = self._open
        kept = self._kept
        before = await self._task(session, last_point(kept, is_resumed=self._is_resumed))
        gathered = _Gathered()
        async with aclosing(self.run(text, mentions=mentions)) as stream:
            async for event in stream:
                gathered.take(event)
        changed: Sequence[str]
        changed, diff = await self._task(session, changes_since(kept, before))
        if kept is None:
            diff = gathered.diff
        result = gathered.result(tuple(changed), diff)
        if check and not result.is_answered:
            raise TurnError(result)
        return result

    def interrupt(self) -> bool:
        """Interrupt the turn under way, which ends as `interrupted`; return whether there is one.

        To be called in the agent's event loop.
        """
        return self._session is not None and self._session.interrupt()

    def steer(self, text: str, *, mentions: bool = False) -> None:
        """Have the turn under way hear a message with its next request; `mentions` as in `run`.

        Raises:
            QcodeError: there is none.
        """
        if self._turn is None:
            raise QcodeError("no turn is under way", hint="run() begins one")
        self._open.steer(text, said=None if mentions else "")

    def unheard(self) -> list[str]:
        """Return what `steer` said to a turn that ended before it heard it, and forget it."""
        return self._open.unheard()

    async def undo(
        self, step: int | None = None, *, clash: Literal["refuse", "merge", "overwrite"] = "refuse"
    ) -> tuple[str, ...]:
        """Take back the last change, or all from a step on; return the paths it concerned.

        Commands' effects on files are taken back too. The model is told with the next message.
        `clash` says what becomes of what others changed in these files since.

        Raises:
            UsageError: there is no such step, or nothing to take back, or nothing is kept.
            QcodeError: others changed the files since, or they cannot be written.
        """
        return await self._travel("undo", step, clash)

    async def redo(
        self, step: int | None = None, *, clash: Literal["refuse", "merge", "overwrite"] = "refuse"
    ) -> tuple[str, ...]:
        """Make anew what `undo` took back last, or all up to a step; else like `undo`."""
        return await self._travel("redo", step, clash)

    # What there is of it.

    @property
    def session_id(self) -> str:
        """The session's id; `resume=` of another agent takes it, and `qcode resume`."""
        return self._open.id

    @property
    def model(self) -> str:
        """The model's name as its endpoint knows it."""
        return self._open.agent.provider.model

    @property
    def messages(self) -> tuple[Message, ...]:
        """All that was said, in order, also what was put aside to make room."""
        return tuple(self._open.history.everything())

    @property
    def usage(self) -> Usage:
        """Tokens and cost of the session, earlier runs of it included."""
        return self._open.history.usage

    @property
    def mode(self) -> Mode:
        """How much is done without asking; it can be set, also during a turn."""
        return self._open.agent.mode

    @mode.setter
    def mode(self, mode: Mode | str) -> None:
        self._open.agent.mode = Mode(mode)

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools that the model is told of."""
        return tuple(spec.name for spec in self._open.agent.specs)

    # The parts.

    @property
    def _open(self) -> Session:
        if self._session is None:
            raise QcodeError("the agent is not open", hint="`async with Agent(...) as agent:`")
        return self._session

    @property
    def _kept(self) -> SessionCheckpoints | None:
        kept = self._open.agent.checkpoints
        return kept if isinstance(kept, SessionCheckpoints) else None

    @staticmethod
    def _task(session: Session, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin work in a context in which qcode's own programs are this session's."""
        here = contextvars.copy_context()
        here.run(house.bind, session.agent.context.launcher)
        return asyncio.get_running_loop().create_task(work, context=here)

    async def _travel(self, verb: str, step: int | None, clash: str) -> tuple[str, ...]:
        session, kept = self._open, self._kept
        if self._turn is not None:
            raise QcodeError("a turn is under way", hint=f"{verb} when it has ended")
        if kept is None:
            raise UsageError("no states of the files are kept", hint="install git")
        from qcode.api.travelling import travel

        return await self._task(session, travel(session, kept, verb, step, clash))


class _Gathered:
    """What the events of a turn tell of its result."""

    def __init__(self) -> None:
        self.text = self.error = self.diff = ""
        self.exit_code = 0
        self.finished = events.TurnFinished(TurnEnd.ERROR, 0, Usage())

    def take(self, event: Event) -> None:
        match event:
            case events.AnswerFinished(message) if message.text.strip():
                self.text = message.text.strip()
            case events.ToolFinished(_, _, diff):
                self.diff += diff
            case events.ErrorRaised(message_text, exit_code):
                self.error, self.exit_code = message_text, exit_code
            case events.TurnFinished():
                self.finished = event
            case _:
                pass

    def result(self, changed: tuple[str, ...], diff: str) -> Result:
        end, error = self.finished.end, self.error
        exit_code = self.exit_code
        if end is TurnEnd.INTERRUPTED:
            error, exit_code = error or "the turn was interrupted", 130
        return Result(
            self.text,
            end,
            self.finished.steps,
            self.finished.usage,
            changed,
            diff,
            error,
            exit_code if end is not TurnEnd.ANSWERED else 0,
        )


def run_sync(text: str, cwd: str | os.PathLike[str] = ".", **options: Unpack[Options]) -> Result:
    """Open an agent, say one thing, close it; for programs without an event loop.

    Raises:
        TurnError: the turn did not come to its end.
        QcodeError: see `Agent.open`; or an event loop runs here already.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise QcodeError("an event loop runs here", hint="await Agent.ask() in it instead")

    async def once() -> Result:
        async with Agent(cwd, **options) as agent:
            return await agent.ask(text)

    return asyncio.run(once())
