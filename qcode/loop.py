"""One turn: ask the model, run the tools it calls, ask again.

No terminal, network, configuration, clock or file is touched here: the loop is
handed all it needs. Whatever happens, each tool call gets exactly one answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from qcode import events
from qcode.agent import Agent, Record
from qcode.asking import Answer, ask
from qcode.budget import Budget
from qcode.calls.decoder import DecodedCall
from qcode.calls.written import FORMAT as WRITTEN
from qcode.carrying import Calls
from qcode.errors import BudgetError, ProviderError, ProviderFault, QcodeError, ToolError
from qcode.escapes import with_tags_seen
from qcode.events import Emit, TurnEnd
from qcode.journal.missing import UNKNOWN
from qcode.messages import (
    BROKEN_OFF,
    Asked,
    AssistantMessage,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from qcode.prompts import load
from qcode.providers import Cut, Request, protocol_choice
from qcode.record import replace as modified
from qcode.recovery import Advice, Recovery, Turnaround
from qcode.repeats import RUT_TEMPERATURE, Repeats
from qcode.room import make_room

_IDLE_ALLOWED = 3
"""So many edits in a row that were made already end a turn whose checks pass."""

_HOLDS = 10
"""So often hooks may have the model go on in one turn: two that want opposites go on for ever."""

_COMPACTIONS = 3
"""In a row, each harder, where the server still finds the request too long."""

_STAMMERS = "the answer said the same again and again, and was stopped"

_WRITES = ("write_file", "apply_patch")
"""What a file in an answer is a call of (`qcode.calls.written`)."""


async def run_turn(
    agent: Agent, record: Record, message: UserMessage, emit: Emit, budget: Budget
) -> TurnEnd:
    """Take one message to its answer; tell what happens through `emit`.

    Never raises for what can go wrong in a turn: that is told by `ErrorRaised`
    and the returned end. Cancelling the task interrupts the turn; it still
    leaves a history that can go on.
    """
    turn = _Turn(agent, record, emit, budget)
    end = TurnEnd.ERROR
    clock = asyncio.timeout(budget.time_left_s())
    try:
        async with clock:
            end = await turn.run(message)
    except asyncio.CancelledError:
        end = TurnEnd.INTERRUPTED
    except TimeoutError:
        if not clock.expired():
            raise
        end = TurnEnd.BUDGET
        error: QcodeError = budget.out_of_time()
        emit(events.ErrorRaised(str(error), error.exit_code))
    except QcodeError as caught:
        end = {3: TurnEnd.PROVIDER, 4: TurnEnd.BUDGET}.get(caught.exit_code, TurnEnd.ERROR)
        emit(events.ErrorRaised(str(caught), caught.exit_code))
    finally:
        emit(events.TurnFinished(end, turn.steps, turn.usage))
    return end


class _Turn:
    def __init__(self, agent: Agent, record: Record, emit: Emit, budget: Budget) -> None:
        self.agent = agent
        self.record = record
        self.emit = emit
        self.budget = budget
        self.steps = 0
        self.usage = Usage()
        self.calls = Calls(agent, record, emit)
        choice = protocol_choice(agent.provider)
        prompted = choice is not None and choice.protocol == "prompted"
        self.recovery = Recovery(agent.schemas, prompted=prompted)
        self.force_call = False
        self.holds = 0
        """So often a hook had the model go on."""
        self.substitute = ""
        """Who gave the last answer, where that was not the session's model."""
        self.desperate = ""
        """Why the turn would end without an answer, unless a stronger model helps."""
        self.last: Answer | None = None
        """The answer that made it so."""
        if agent.ladder is not None:
            agent.ladder.begin_turn()

    async def run(self, message: UserMessage) -> TurnEnd:
        self._settle()
        self.record.append(await self._seen(message))
        self.emit(events.TurnStarted(message.text))
        while True:
            await self._hear()
            self.budget.begin_step()
            self.steps += 1
            self.calls.repeats.begin_step()
            self.emit(events.StepStarted(self.steps))
            desperate, self.desperate = self.desperate, ""
            if await self._stepped_up(desperate):
                self.record.boundary()
                continue
            if desperate:  # asked for nothing: it is as bad as it was
                if self.last is not None and self.last.failure is not None:
                    raise self.last.failure
                return self._give_up(desperate)
            answer = await self._answer_in_the_window()
            if answer.stammers:
                if answer.decoded.calls:  # cut, and no call is left unanswered
                    await self._run_calls(answer.decoded.calls)
                self.record.boundary()
                return self._give_up(_STAMMERS)
            if answer.decoded.calls:
                advice = await self._run_calls(answer.decoded.calls)
                if self._is_written(answer):
                    self.record.boundary()
                    if await self._hear() or await self._is_held():
                        continue
                    return self._judge(answer)
            else:
                found = self.recovery.after_text(answer.decoded, answer.done.finish_reason)
                if found is None:
                    self.record.boundary()
                    if await self._hear() or await self._is_held():
                        continue
                    return self._judge(answer)
                advice = found
            self._follow(advice)
            self.record.boundary()
            if advice.give_up and self._may_step_up():
                self.desperate, self.last = advice.give_up, answer
                continue
            if advice.give_up:
                if answer.failure is not None:
                    raise answer.failure
                return self._give_up(advice.give_up)
            if self.calls.passing and self.calls.idle >= _IDLE_ALLOWED:
                return self._give_up(
                    "all checks pass, and the model only makes edits again that are made already"
                )
            if self.calls.repeats.is_over:
                return self._give_up(
                    f"{self.calls.repeats.problem} and was stopped; "
                    "say what to do differently, or take another model"
                )

    def _is_written(self, answer: Answer) -> bool:
        """Whether an answer wrote files, and it was done as it says: no more is to be asked."""
        calls = answer.decoded.calls
        if not self.agent.in_answer:
            return False
        if any(call.format != WRITTEN for call in calls):
            return False
        if not any(call.call.name in _WRITES for call in calls):
            return False
        if self.agent.approach.is_one_answer:
            return True
        failed = [
            call.call
            for call, result in zip(calls, self.record.messages[-len(calls) :], strict=True)
            if getattr(result, "is_error", True)
        ]
        # A model that copies what it was shown copies the tests, too: that they stay is no news
        # to go on for. Where nothing else was written, it is.
        return len(failed) < len(calls) and all(map(self._is_to_stay, failed))

    def _is_to_stay(self, call: ToolCall) -> bool:
        """Whether a call would write a file that the task says to leave as it is."""
        context = self.agent.context
        try:
            path = json.loads(call.arguments)["file_path"]
            return bool(context.refuses(context.path(path)))
        except (ValueError, TypeError, KeyError, ToolError):
            return False

    async def _seen(self, message: UserMessage) -> UserMessage:
        """Return a message with its pictures in words, where the model sees none."""
        if self.agent.seeing is None or not message.images:
            return message
        return await self.agent.seeing.put_into_words(message, self._spend, self.emit)

    async def _seen_or_told(self, message: UserMessage) -> UserMessage:
        """Return what `_seen` does; in mid-turn, that a picture cannot be used ends nothing."""
        try:
            return await self._seen(message)
        except BudgetError:
            raise
        except QcodeError as error:
            words = load("pictures_unseen", why=str(error))
            self.emit(events.Nudged(words, str(error)))
            after = "\n\n".join(filter(None, [message.after, words]))
            return modified(message, images=(), after=after)

    def _may_step_up(self) -> bool:
        ladder = self.agent.ladder
        return ladder is not None and not ladder.may_step()

    async def _stepped_up(self, desperate: str) -> bool:
        """Whether a stronger model took this step, since the session's is stuck."""
        ladder = self.agent.ladder
        if ladder is None:
            return False
        why = desperate or ladder.stuck.why(
            repeated=self.calls.repeats.count,
            vain=self.calls.repeats.failed,
            misread=self.recovery.misread,
        )
        if not why:
            return False
        try:
            taken = await ladder.step(self.agent, self.record, self.emit, why)
            if taken is None:
                return False
            asked, calls = taken
            self._spend(asked)
            # What comes next is another try, and counts from nothing.
            self.calls.repeats = Repeats(self.agent.workspace_state)
            self.recovery.begin_anew()
            self.force_call = False
            if calls:
                await self._run_calls(calls)
        finally:
            ladder.end_step()
        return True

    async def _hear(self) -> bool:
        """Take in what the person said meanwhile; return whether there was anything."""
        heard = False
        while self.agent.listen is not None and (said := await self.agent.listen()) is not None:
            self.record.append(await self._seen_or_told(said))
            self.emit(events.Heard(said.text))
            heard = True
        return heard

    async def _is_held(self) -> bool:
        """Whether a hook wants the model to go on although it is done; it is told why."""
        hooks = self.agent.hooks
        if hooks is None or self.holds >= _HOLDS:
            return False
        last = next(m for m in reversed(self.record.messages) if isinstance(m, AssistantMessage))
        why = await hooks.stops(again=self.holds > 0, last=last.text)
        if not why:
            return False
        self.holds += 1
        words = with_tags_seen(self.agent.masker.mask(why))
        self.record.append(UserMessage(words, is_nudge=True))
        self.emit(events.Nudged(words, "a hook says to go on"))
        return True

    def _settle(self) -> None:
        """Answer the calls that the last turn left without: the journal could not be written."""
        answered: set[str] = set()
        for message in reversed(self.record.messages):
            if not isinstance(message, ToolMessage):
                break
            answered.add(message.call_id)
        last = self.record.messages[-1 - len(answered) :]
        if last and isinstance(last[0], AssistantMessage):
            for call in last[0].tool_calls:
                if call.id not in answered:
                    self.record.append(ToolMessage(call.id, call.name, UNKNOWN, is_error=True))

    def _give_up(self, why: str) -> TurnEnd:
        self.emit(events.ErrorRaised(why, 1))
        return TurnEnd.GAVE_UP

    def _judge(self, answer: Answer) -> TurnEnd:
        if answer.done.finish_reason != "length":
            return TurnEnd.ANSWERED
        return self._give_up(
            f"the answer was cut at the limit of {self.agent.max_output_tokens} tokens; "
            "ask to go on, or raise max_output_tokens"
        )

    async def _answer_in_the_window(self) -> Answer:
        """Ask, with room made where the history is too long for the model's window."""
        compactor = self.agent.compactor
        if compactor is None:
            return await self._ask()
        fixed = compactor.fixed(self.agent.system, self.agent.specs)
        if compactor.is_due(fixed, self.record.messages):
            await self._make_room()
        for _ in range(_COMPACTIONS):
            try:
                return await self._ask()
            except ProviderError as error:
                if error.fault is not ProviderFault.CONTEXT_TOO_LONG:
                    raise
                compactor.overflowed(str(error), fixed, self.record.messages)
                if not await self._make_room(may_ask=False):
                    raise
        return await self._ask()

    async def _make_room(self, *, may_ask: bool = True) -> bool:
        """Put aside what the window has no room for; return whether there was anything."""
        hooks = self.agent.hooks
        # What the server has refused already cannot be sent as it is, whatever a hook says.
        if hooks is not None and may_ask and await hooks.compacts(by_hand=False, wish=""):
            return False
        made = await make_room(self.agent, self.record, self._spend, self.emit, may_ask=may_ask)
        if made is not None:
            its = made.compaction
            self.emit(events.Compacted(its.before, its.after, made.note))
        return made is not None

    def _spend(self, asked: Asked) -> None:
        self.usage = self.usage + asked.usage
        self.budget.spend(asked.usage)
        self.emit(events.UsageReported(asked.usage, self.record.spent(asked), asked.purpose))

    async def _ask(self) -> Answer:
        """Send the history; return the whole answer, which is in the record by then."""
        cuts: list[Cut] = []
        request = Request(
            self.agent.system,
            self.record.messages,
            self.agent.specs,
            self.agent.max_output_tokens,
            # A local server is often run at temperature 0, where the same mistake comes for ever.
            RUT_TEMPERATURE if self.calls.repeats.is_stuck else self.agent.temperature,
            force_call=self.force_call,
            cut=cuts.append,
        )
        sent = len(self.record.messages)
        choice = protocol_choice(self.agent.provider)
        before = choice.protocol if choice else ""
        try:
            answer = await ask(self.agent, self.record, request, self.emit)
        except asyncio.CancelledError:
            self._spend_cut(cuts, is_last=True)
            raise
        except QcodeError:
            self._spend_cut(cuts, is_last=False)
            raise
        self._spend_cut(cuts, is_last=answer.stammers)
        self.substitute = self.agent.substitute(answer.done.model)
        choice = protocol_choice(self.agent.provider)  # a fallback's, where one answered
        if choice is not None and choice.protocol != before and before and not self.substitute:
            self.record.told_by(choice.protocol)  # the server would have no tools
        if (compactor := self.agent.compactor) is not None:
            fixed = compactor.fixed(self.agent.system, self.agent.specs)
            compactor.saw(fixed, self.record.messages, sent, answer.done.usage)
        done = answer.done
        if not (answer.stammers and cuts):  # it was cut, and is counted as that
            self._spend(Asked(done.usage, model=self.substitute, duration_s=answer.duration_s))
        return answer

    def _spend_cut(self, cuts: Sequence[Cut], *, is_last: bool) -> None:
        """Count requests that broke off, and the last one as the answer if that was stopped."""
        for number, cut in enumerate(cuts, 1):
            purpose = "" if is_last and number == len(cuts) else BROKEN_OFF
            model = cut.model if cut.model != self.agent.provider.model else ""
            self._spend(Asked(cut.usage, purpose, model, cut.duration_s, is_estimate=True))

    def _follow(self, advice: Advice) -> None:
        """Prepare the next request as advised."""
        self.force_call = advice.turnaround is not Turnaround.AS_BEFORE
        choice = protocol_choice(self.agent.provider)
        if advice.turnaround is Turnaround.SWITCH and choice is not None:
            protocol = choice.switch()
            if not self.substitute:
                self.record.told_by(protocol)
            self.emit(events.ProtocolSwitched(protocol))
        if advice.nudge and not advice.give_up:
            self.record.append(UserMessage(advice.nudge, is_nudge=True))
            self.emit(events.Nudged(advice.nudge, advice.reason))

    async def _run_calls(self, decoded: Sequence[DecodedCall]) -> Advice:
        faults = await self.calls.run(decoded)
        if shown := self.calls.shown():
            pictures = UserMessage(load("pictures"), is_nudge=True, images=shown)
            self.record.append(await self._seen_or_told(pictures))
        structured = any(each.format == "structured" for each in decoded)
        return self.recovery.after_calls(faults, structured=structured)
