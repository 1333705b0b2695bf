"""Whether a stronger model takes the next step, and that step's answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from qcode import events
from qcode.asking import ask
from qcode.compaction.ledger import Touching
from qcode.compaction.render import Digest
from qcode.errors import QcodeError
from qcode.events import Emit
from qcode.ladder.brief import ReadFile, brief
from qcode.ladder.stuck import Stuck
from qcode.messages import STRONGER, Asked, AssistantMessage, Message, Usage, UserMessage
from qcode.prompts import load
from qcode.providers import Provider, Request, ToolSpec

if TYPE_CHECKING:
    from qcode.agent import Agent, Record
    from qcode.calls.decoder import DecodedCall


@dataclass(slots=True)
class Stronger:
    """The model that is asked, and how far it may be."""

    model: str
    make: Callable[[], Provider]
    """Connects to nothing before the first request."""
    specs: Sequence[ToolSpec]
    """The tools that it is told of: those that change files, in its own form."""
    max_output_tokens: int
    max_steps: int
    """Of one turn."""
    max_cost_usd: float | None
    """Of the session; where a price is not known the steps alone are counted."""
    touching: Touching
    digest: Digest
    read: ReadFile
    saw: Callable[[str], None]
    """Notes that a file was shown whole, so that it may be edited in this step."""
    forget: Callable[[], None]
    """Takes that back: the session's model did not see the files."""
    may_change: Callable[[], bool]
    """Whether a change could be made at all: the mode may be one that only reads."""


@dataclass(slots=True)
class Ladder:
    """Keeps count over a session; one is asked before each step whether it is time."""

    stronger: Stronger
    spent: Usage = field(default_factory=Usage)
    """In the session, earlier runs of it included."""
    stuck: Stuck = field(default_factory=Stuck)
    _provider: Provider | None = None
    _steps: int = 0
    _is_down: bool = False
    """It could not be asked in this turn."""
    _told: bool = False

    def begin_turn(self) -> None:
        """Count a turn's steps from nothing."""
        self._steps, self._is_down = 0, False

    def may_step(self) -> str:
        """Return why it may not be asked any more; empty: it may."""
        stronger = self.stronger
        if self._is_down:
            return "it cannot be reached"
        if self._steps >= stronger.max_steps:
            return f"it took {self._steps} steps of this turn"
        cost = self.spent.cost_usd
        if stronger.max_cost_usd is not None and cost is not None and cost >= stronger.max_cost_usd:
            return f"it cost ${cost:.2f} of the ${stronger.max_cost_usd:.2f} that it may"
        return ""

    async def step(
        self, agent: Agent, record: Record, emit: Emit, why: str
    ) -> tuple[Asked, Sequence[DecodedCall]] | None:
        """Have it take the step; None: it could not be asked, and the turn goes on without.

        Its calls are in the history as an answer and are still to be run; where it made none,
        its words are there as a message to the session's model.
        """
        self.stuck.begin_anew()
        if refusal := self.may_step():
            if not self._told:
                self._told = True
                emit(events.LeftAlone(self.stronger.model, refusal))
            return None
        emit(events.SteppedUp(self.stronger.model, why))
        self._steps += 1
        told = brief(
            why,
            record.everything(),
            record.messages,
            self.stronger.touching,
            self.stronger.digest,
            self.stronger.read,
        )
        for path in told.whole:
            self.stronger.saw(path)
        if self._provider is None:
            self._provider = self.stronger.make()
        may_change = self.stronger.may_change()
        request = Request(
            load("ladder/system" if may_change else "ladder/advising"),
            [UserMessage(agent.masker.mask(told.text))],
            self.stronger.specs if may_change else (),
            self.stronger.max_output_tokens,
        )
        held = _Held(record)
        try:
            answer = await ask(replace(agent, provider=self._provider), held, request, emit)
        except QcodeError as error:
            self._is_down = True
            emit(events.LeftAlone(self.stronger.model, str(error)))
            return None
        usage = answer.done.usage
        self.spent = self.spent + usage
        asked = Asked(usage, STRONGER, self._provider.model, answer.duration_s)
        if answer.decoded.calls:
            # The reasoning is another model's; its provider alone could read it back.
            message = answer.message
            if record.messages and isinstance(record.messages[-1], AssistantMessage):
                # APIs refuse two answers in a row.
                record.append(UserMessage(load("ladder/takes_over"), is_nudge=True))
            record.append(AssistantMessage(message.text, "", message.tool_calls))
        elif advice := answer.message.text.strip():
            record.append(UserMessage(load("ladder/advice", advice=advice), is_nudge=True))
        return asked, answer.decoded.calls

    def end_step(self) -> None:
        """The calls of the step are run, or it came to none."""
        self.stronger.forget()

    async def close(self) -> None:
        """Give up the connection."""
        if self._provider is not None:
            await self._provider.close()


class _Held:
    """A record that takes an answer without writing it down: what becomes of it is settled later.

    All else is the session's own.
    """

    def __init__(self, record: Record) -> None:
        self._record = record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)

    def append(self, message: Message) -> None:
        """Drop it."""

    def piece(self, *, text: str = "", reasoning: str = "") -> None:
        """Drop it."""

    def void(self) -> None:
        """There is nothing to drop."""
