"""The state around the loop: history, journal, agent; `send` yields events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from qcode.agent import Agent
from qcode.budget import Budget
from qcode.conversation import Conversation
from qcode.errors import QcodeError
from qcode.events import Emit, ErrorRaised, Event, TurnEnd, TurnFinished
from qcode.interposed import Said
from qcode.journal.writing import Journal, moment, usage_from_json, usage_to_json
from qcode.loop import run_turn
from qcode.messages import Asked, Image, Message, ToolCall, Usage, UserMessage, to_json
from qcode.network import purpose
from qcode.record import replace
from qcode.room import Made, make_room
from qcode.spoken import Command, Commands, called

if TYPE_CHECKING:
    from qcode.warming import WarmUp


@dataclass(slots=True)
class JournalledHistory:
    """The history in memory and on disk; the loop's `Record`."""

    journal: Journal
    conversation: Conversation = field(default_factory=Conversation)
    usage: Usage = field(default_factory=Usage)
    asked: list[Asked] = field(default_factory=list)
    """The requests of the session, in order."""
    repairs: int = 0
    """Calls of the session that were read otherwise than they were written."""
    asides: list[str] = field(default_factory=list)
    """What the model is to be told with the next message."""

    @property
    def items(self) -> list[Message]:
        """The messages so far."""
        return self.conversation.items

    @property
    def messages(self) -> Sequence[Message]:
        """The messages so far."""
        return self.conversation.items

    def everything(self) -> Sequence[Message]:
        """All that was said, also what compaction put aside."""
        return self.conversation.everything()

    def append(self, message: Message) -> None:
        """Write a message to the journal, then add it."""
        self.journal.write({"type": "message", "at": moment(), **to_json(message)})
        self.conversation.add(message)
        if isinstance(message, UserMessage) and not message.is_nudge:
            self.asides.clear()

    def piece(self, *, text: str = "", reasoning: str = "") -> None:
        """Keep a piece of an answer that is still being written."""
        if text:
            self.journal.write({"type": "delta", "text": text})
        if reasoning:
            self.journal.write({"type": "delta", "reasoning": reasoning})

    def void(self) -> None:
        """Drop the pieces kept since the last message."""
        self.journal.write({"type": "void"})

    def running(self, call_id: str) -> None:
        """Note that a call is about to be run."""
        self.journal.write({"type": "run", "call_id": call_id})

    def told_by(self, protocol: str) -> None:
        """Note how the model is told of tools from here on."""
        self.journal.write({"type": "protocol", "protocol": protocol})

    def repaired(self, call_id: str, notes: Sequence[str]) -> None:
        """Note that a call was read otherwise than it was written."""
        self.journal.write({"type": "repair", "call_id": call_id, "notes": list(notes)})
        self.repairs += 1

    def changed(self, call: ToolCall) -> None:
        """Note that a person changed a call, which is run as it is here."""
        self.journal.write({"type": "changed", "call_id": call.id, "arguments": call.arguments})

    def spent(self, asked: Asked) -> Usage:
        """Note the tokens of a request; see `Record`."""
        asked = asked if asked.at else replace(asked, at=moment())
        # As it will be read again: a session that is reopened is the same.
        asked = usage_from_json(record := usage_to_json(asked))
        self.journal.write(record)
        self.asked.append(asked)
        self.usage = self.usage + asked.usage
        return self.usage

    def begin_anew(self) -> None:
        """Forget the messages; the journal keeps them."""
        self.journal.write({"type": "fresh"})
        self.conversation.begin_anew()

    @property
    def summary(self) -> str:
        """What the model wrote of what was put aside; empty: nothing."""
        return self.conversation.summary

    def compact(
        self, opening: UserMessage, kept: int, shortened: Mapping[str, str], summary: str = ""
    ) -> None:
        """Put all aside but the last `kept` messages; see `Conversation.compact`."""
        record = {"type": "compact", "opening": to_json(opening), "kept": kept}
        if shortened:
            record["shortened"] = dict(shortened)
        if summary:
            record["summary"] = {"text": summary}  # masked by the field's name
        self.journal.write(record)
        self.conversation.compact(opening, kept, shortened, summary)

    def rewind(self, call_id: str) -> str | None:
        """Go back to before the answer with that call; None if it is not in the history.

        Returns the message that the answer was the first one to, or nothing: it
        is dropped too, and the person may want to say it in other words.
        """
        if not self.conversation.has(call_id):
            return None
        self.journal.write({"type": "rewind", "call_id": call_id})
        first = self.conversation.rewind(call_id)
        return first.text if isinstance(first, UserMessage) else ""

    def rewind_said(self, number: int) -> UserMessage | None:
        """Go back to before a person's message, counted from 1; None: there is no such one."""
        if not 1 <= number <= len(self.conversation.said()):
            return None
        self.journal.write({"type": "rewind", "said": number})
        return self.conversation.rewind_said(number)

    def call_it(self, title: str) -> None:
        """Note what a person calls the session."""
        self.journal.write({"type": "title", "title": title})

    def go_on_again(self) -> bool:
        """Take back what the last rewind dropped; False if something was said since."""
        if not self.conversation.dropped:
            return False
        self.journal.write({"type": "return"})
        self.conversation.restore()
        return True

    def aside(self, text: str) -> None:
        """Have the model told something with the next message."""
        self.journal.write({"type": "aside", "text": text})
        self.asides.append(text)

    def boundary(self) -> None:
        """Make everything so far durable."""
        self.journal.sync()


class Composer(Protocol):
    """Makes the message of what a person says."""

    async def compose(self, text: str, *, is_first: bool, said: str | None = None) -> UserMessage:
        """Return what the model gets; never raises, and is cancelled with the turn.

        `is_first`: nothing is in the history yet, so that it has to hold all there is to know.
        `said`: what of the text a person typed, and may point at things; None: all of it.
        """
        ...


class Observer(Protocol):
    """Is told what happens where it happens, before whoever reads the events; never raises."""

    def handle(self, event: Event) -> None:
        """Take what happened in a turn; called in the task of the turn, or of the tool call."""
        ...

    def of_subagent(self, name: str, agent: Agent, history: JournalledHistory) -> Observer:
        """Return what observes a subagent's work on one task; it ends with that, unclosed."""
        ...

    async def close(self) -> None:
        """Give up what is held, within seconds; the session is closed by then."""
        ...


@dataclass(slots=True)
class Session:
    """One conversation in one workspace."""

    id: str
    agent: Agent
    history: JournalledHistory
    budget: Budget = field(default_factory=Budget)
    composer: Composer | None = None
    """Adds to what a person says what the model has to know with it; None: nothing."""
    warm_up: WarmUp | None = None
    """What is read ahead of the next request; ended when that goes out."""
    before_turn: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Done before each turn; may raise QcodeError, which ends it."""
    after_turn: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Takes back what holds for one turn alone, when that ends; the last first."""
    is_driven: bool = False
    """Whether a program says what is said: its messages are commands where they name one."""
    observers: list[Observer] = field(default_factory=list)
    commands: list[Commands] = field(default_factory=list)
    """What messages may begin with, by `/name`; of one name the first counts."""
    closing: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """What else is to be ended with the session."""
    emit: Emit = lambda _event: None
    """Tells whoever watches the turn under way something; between turns nobody hears it."""
    _turn: asyncio.Task[Any] | None = None
    _meanwhile: list[tuple[str, str | None]] = field(default_factory=list)
    """Said during the turn and not heard yet, and what of it a person typed."""

    def __post_init__(self) -> None:
        self.agent.listen = self._next_meanwhile

    async def send(
        self,
        text: str,
        *,
        said: str | None = None,
        given: str = "",
        images: tuple[Image, ...] = (),
    ) -> AsyncGenerator[Event]:
        """Run one turn and yield its events; the last one is `TurnFinished`.

        `said` is what of the text a person typed, where that is not all of it; `given` and
        `images` are told and shown behind it, as what they point at is.
        Closing the generator early interrupts the turn.
        """
        if self.warm_up is not None:
            await self.warm_up.stop()
        queue: asyncio.Queue[Event | None] = asyncio.Queue()

        def emit(event: Event) -> None:
            for observer in self.observers:
                observer.handle(event)
            queue.put_nowait(event)

        self.emit = emit
        turn = asyncio.ensure_future(self._turn_of(text, said, given, images, emit))
        # The end of the task ends the stream too: a task that is cancelled before
        # it began says nothing, and one that dies of a bug must not hang its reader.
        turn.add_done_callback(lambda _turn: queue.put_nowait(None))
        self._turn = turn
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._turn = None
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)
        if turn.cancelled():
            yield TurnFinished(TurnEnd.INTERRUPTED, 0, Usage())
        else:
            turn.result()

    def allow_in_turn(self, rules: Sequence[str]) -> None:
        """Have some rules allow what they say, until the turn ends: the next, or this one."""
        before = self.agent.rules
        after = before.allowing(rules)
        given = after.allow[len(before.allow) :]

        async def take_back() -> None:
            # What the person allowed meanwhile stays.
            self.agent.rules = self.agent.rules.without(given)

        self.agent.rules = after
        self.after_turn.append(take_back)

    async def take_back(self) -> None:
        """Take back what was to hold for one turn."""
        while self.after_turn:
            await self.after_turn.pop()()

    async def command(self, name: str) -> Command | None:
        """Return what `/name` stands for; None: nothing."""
        for each in self.commands:
            if (found := await each.find(name)) is not None:
                return found
        return None

    async def _turn_of(
        self, text: str, said: str | None, given: str, images: tuple[Image, ...], emit: Emit
    ) -> TurnEnd:
        purpose.begin_session(self.id)
        try:
            return await self._turn_within(text, said, given, images, emit)
        finally:
            await self.take_back()

    async def _turn_within(
        self, text: str, said: str | None, given: str, images: tuple[Image, ...], emit: Emit
    ) -> TurnEnd:
        try:
            for prepare in self.before_turn:
                await prepare()
            text, said = await self._spoken(text, said)
        except QcodeError as error:
            emit(ErrorRaised(str(error), error.exit_code))
            emit(TurnFinished(TurnEnd.ERROR, 0, Usage()))
            return TurnEnd.ERROR
        is_first = not self.history.messages
        heard = Said()
        if (hooks := self.agent.hooks) is not None:
            try:
                heard = await hooks.said(text, is_first=is_first)
                if heard.refusal:
                    raise QcodeError(heard.refusal)
            except QcodeError as error:
                emit(ErrorRaised(str(error), error.exit_code))
                emit(TurnFinished(TurnEnd.ERROR, 0, Usage()))
                return TurnEnd.ERROR
        message = self._with(await self._message(text, said), heard, given)
        if images:
            message = replace(message, images=(*message.images, *images))
        return await run_turn(self.agent, self.history, message, emit, self.budget)

    def _with(self, message: UserMessage, heard: Said, given: str = "") -> UserMessage:
        """Return a message with what hooks add to it, and what is `given` along."""
        mask = self.agent.masker.mask
        before = "\n\n".join(filter(None, (message.before, mask(heard.before))))
        after = "\n\n".join(filter(None, (given, mask(heard.after), message.after)))
        return replace(message, before=before, after=after)

    async def _spoken(self, text: str, said: str | None) -> tuple[str, str | None]:
        """Return the message that a command stands for; any other as it is.

        Only what a person typed is a command; what comes with it from elsewhere (a pipe) goes
        behind the message.
        """
        typed = text if said is None or self.is_driven else said
        if not self.commands or not typed.strip() or not text.strip().startswith(typed.strip()):
            return text, said
        found = called(typed)
        command = await self.command(found[0]) if found else None
        if found is None or command is None:
            return text, said
        spoken = await command.speak(found[1])
        more = text.strip().removeprefix(typed.strip()).strip()
        return "\n\n".join(filter(None, (spoken.text, more))), spoken.said

    async def _message(self, text: str, said: str | None = None) -> UserMessage:
        is_first = not self.history.messages
        message = UserMessage(text)
        if self.composer is not None:
            message = await self.composer.compose(text, is_first=is_first, said=said)
        if self.history.asides:
            before = "\n\n".join([*filter(None, [message.before]), *self.history.asides])
            message = replace(message, before=before)
        return message

    def steer(self, text: str, *, said: str | None = None) -> None:
        """Have the turn under way hear a message with its next request; `said` is as in `send`.

        A turn that ends before it does so leaves it to `unheard`.
        """
        self._meanwhile.append((text, said))

    def unheard(self) -> list[str]:
        """Return what was said for a turn and not heard by it, and forget it."""
        said, self._meanwhile = self._meanwhile, []
        return [text for text, _ in said]

    async def _next_meanwhile(self) -> UserMessage | None:
        while self._meanwhile:
            (text, said), hooks = self._meanwhile[0], self.agent.hooks
            heard = Said() if hooks is None else await hooks.said(text, is_first=False)
            # Taken only once it is composed: an interruption meanwhile leaves it to be said again.
            message = None
            if not heard.refusal:
                message = self._with(await self._message(text, said), heard)
            del self._meanwhile[0]
            if message is not None:
                return message
            if hooks is not None:
                hooks.tell(heard.refusal)
        return None

    async def make_room(self, wish: str, tell: Emit) -> Made | None:
        """Put aside all but the last steps; None: there is nothing to put aside.

        With a `wish` of what to keep the model is asked to sum up. `interrupt` ends that.

        Raises:
            BudgetError: there is nothing left to ask the model with.
            QcodeError: it was interrupted, and nothing was put aside.
        """
        compactor = self.agent.compactor
        if compactor is not None and (wish or compactor.summing.is_usual):
            self.budget.check()

        if (hooks := self.agent.hooks) is not None and (
            why := await hooks.compacts(by_hand=True, wish=wish)
        ):
            raise QcodeError(f"a hook does not let room be made: {why}")

        def spend(asked: Asked) -> None:
            self.budget.spend(asked.usage)
            self.history.spent(asked)

        making = asyncio.ensure_future(make_room(self.agent, self.history, spend, tell, wish=wish))
        self._turn = making
        try:
            await asyncio.wait([making])
        finally:
            self._turn = None
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)
        if making.cancelled():
            raise QcodeError("interrupted, and nothing was put aside")
        return making.result()

    def interrupt(self) -> bool:
        """Interrupt the turn under way, if there is one; its events can be read to the end."""
        if self._turn is None or self._turn.done():
            return False
        self._turn.cancel()
        return True

    async def close(self) -> None:
        """End the turn under way, background jobs, connections and the journal."""
        if self.warm_up is not None:
            await self.warm_up.stop()
        if self._turn is not None:
            self._turn.cancel()
            await asyncio.gather(self._turn, return_exceptions=True)
        try:
            if self.agent.hooks is not None:
                await self.agent.hooks.ended()
            await self.agent.context.jobs.close()
            for close in self.closing:
                await close()
            await self.agent.provider.close()
        finally:
            if self.agent.checkpoints is not None:
                await self.agent.checkpoints.close()
            self.agent.context.launcher.close()
            self.history.journal.close()
            for observer in self.observers:
                await observer.close()
