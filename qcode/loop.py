"""One turn: ask the model, run the tools it calls, ask again.

No terminal, network, configuration, clock or file is touched here: the loop is
handed all it needs. Whatever happens, each tool call gets exactly one answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from qcode import events
from qcode.agent import Agent, Checkpoints, Record
from qcode.asking import Answer, ask
from qcode.boundary import Unconfined
from qcode.budget import Budget
from qcode.calls.decoder import DecodedCall
from qcode.calls.feedback import answer_to, mistaken, repaired
from qcode.calls.found import Fault
from qcode.calls.written import FORMAT as WRITTEN
from qcode.changed import Changed, in_words
from qcode.errors import AlreadySo, BudgetError, ProviderError, ProviderFault, QcodeError, ToolError
from qcode.escapes import with_tags_seen
from qcode.events import Emit, TurnEnd
from qcode.interposed import NOTHING as UNRULED
from qcode.journal.missing import CUT_SHORT, NOT_RUN, UNKNOWN
from qcode.messages import (
    Asked,
    AssistantMessage,
    Image,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from qcode.permit import Gate, Permitted
from qcode.prompts import load
from qcode.providers import Request, protocol_choice
from qcode.record import replace as modified
from qcode.recovery import Advice, Recovery, Turnaround
from qcode.repeats import RUT_TEMPERATURE, Repeats, reminder
from qcode.room import make_room
from qcode.secrets import StreamMasker
from qcode.tools.base import Effect, Result, Tool
from qcode.tools.schema import parse

log = logging.getLogger(__name__)

_IDLE_ALLOWED = 3
"""So many edits in a row that were made already end a turn whose checks pass."""

_HOLDS = 10
"""So often hooks may have the model go on in one turn: two that want opposites go on for ever."""

_COMPACTIONS = 3
"""In a row, each harder, where the server still finds the request too long."""

_STAMMERS = "the answer said the same again and again, and was stopped"

_WRITES = ("write_file", "apply_patch")
"""What a file in an answer is a call of (`qcode.calls.written`)."""

_MAY_CHANGE_FILES = (Effect.EDIT, Effect.EXECUTE, Effect.EXTERNAL)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A call that was looked at: to be run, or answered already."""

    decoded: DecodedCall
    tool: Tool[Any] | None = None
    params: Any = None
    refusal: str = ""
    """Why it is not run; goes to the model."""
    fault: Fault = Fault.NONE
    written: ToolCall | None = None
    """As the model wrote it, where it is run as a call of another tool."""

    @property
    def call(self) -> ToolCall:
        return self.decoded.call

    @property
    def parallel(self) -> bool:
        return self.tool is None or self.tool.runs_beside


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
        self.repeats = Repeats(agent.workspace_state)
        choice = protocol_choice(agent.provider)
        prompted = choice is not None and choice.protocol == "prompted"
        self.recovery = Recovery(agent.schemas, prompted=prompted)
        self.force_call = False
        self.passing = ""
        """What was said when all checks passed; empty once a file may have changed since."""
        self.changed: dict[str, str] = {}
        """Calls that the person changed: id to what the model is told of that."""
        self.pictures: tuple[Image, ...] = ()
        """What calls of the step showed; results are text alone."""
        self.idle = 0
        """Edits in a row that were made already."""
        self.holds = 0
        """So often a hook had the model go on."""
        self.refused: set[str] = set()
        """Calls that were not allowed."""
        self.substitute = ""
        """Who gave the last answer, where that was not the session's model."""
        self.desperate = ""
        """Why the turn would end without an answer, unless a stronger model helps."""
        self.last: Answer | None = None
        """The answer that made it so."""
        if agent.ladder is not None:
            agent.ladder.begin_turn()
        self.gate = Gate(
            agent,
            agent.boundary or Unconfined(agent.context.workspace),
            lambda call, summary, reason: emit(events.ApprovalNeeded(call, summary, reason)),
        )

    async def run(self, message: UserMessage) -> TurnEnd:
        self._settle()
        self.record.append(await self._seen(message))
        self.emit(events.TurnStarted(message.text))
        while True:
            await self._hear()
            self.budget.begin_step()
            self.steps += 1
            self.repeats.begin_step()
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
            if self.passing and self.idle >= _IDLE_ALLOWED:
                return self._give_up(
                    "all checks pass, and the model only makes edits again that are made already"
                )
            if self.repeats.is_over:
                return self._give_up(
                    f"{self.repeats.problem} and was stopped; "
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
            repeated=self.repeats.count,
            vain=self.repeats.failed,
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
            self.repeats = Repeats(self.agent.workspace_state)
            self.recovery.begin_anew()
            self.force_call = False
            if calls:
                await self._run_calls(calls)
        finally:
            ladder.end_step()
        return True

    def _watch(self, item: _Prepared, result: Result) -> None:
        """Have the ladder know how edits go."""
        ladder, tool = self.agent.ladder, item.tool or self.agent.tools.get(item.call.name)
        if ladder is None or tool is None or tool.effect is not Effect.EDIT:
            return
        if item.call.id not in self.refused:
            ladder.stuck.edited(failed=result.is_error)

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
        request = Request(
            self.agent.system,
            self.record.messages,
            self.agent.specs,
            self.agent.max_output_tokens,
            # A local server is often run at temperature 0, where the same mistake comes for ever.
            RUT_TEMPERATURE if self.repeats.is_stuck else self.agent.temperature,
            force_call=self.force_call,
        )
        sent = len(self.record.messages)
        choice = protocol_choice(self.agent.provider)
        before = choice.protocol if choice else ""
        answer = await ask(self.agent, self.record, request, self.emit)
        self.substitute = self.agent.substitute(answer.done.model)
        choice = protocol_choice(self.agent.provider)  # a fallback's, where one answered
        if choice is not None and choice.protocol != before and before and not self.substitute:
            self.record.told_by(choice.protocol)  # the server would have no tools
        if (compactor := self.agent.compactor) is not None:
            fixed = compactor.fixed(self.agent.system, self.agent.specs)
            compactor.saw(fixed, self.record.messages, sent, answer.done.usage)
        done = answer.done
        self._spend(Asked(done.usage, model=self.substitute, duration_s=answer.duration_s))
        return answer

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
        """Answer each call; read-only neighbours run side by side, the rest in order."""
        calls = [each.call for each in decoded]
        prepared = [self._prepare(each) for each in decoded]
        running: set[str] = set()
        try:
            batch: list[_Prepared] = []
            for item in prepared:
                if batch and not (item.parallel and batch[-1].parallel):
                    await self._run_batch(batch, running)
                    batch = []
                batch.append(item)
            await self._run_batch(batch, running)
        finally:
            for call in calls[self._answered(calls) :]:
                words = CUT_SHORT if call.id in running else NOT_RUN
                self._answer(call, Result(words, "interrupted", is_error=True), 0.0)
        if self.pictures:
            shown, self.pictures = self.pictures, ()
            pictures = UserMessage(load("pictures"), is_nudge=True, images=shown)
            self.record.append(await self._seen_or_told(pictures))
        return self.recovery.after_calls(
            # An argument that its tool refuses is as unreadable.
            [item.fault for item in prepared],
            structured=any(each.format == "structured" for each in decoded),
        )

    def _answered(self, calls: Sequence[ToolCall]) -> int:
        """Return how many of the calls have their answer at the end of the history."""
        count = 0
        for message in reversed(self.record.messages):
            if not isinstance(message, ToolMessage):
                break
            count += 1
        return min(count, len(calls))

    async def _run_batch(self, batch: Sequence[_Prepared], running: set[str]) -> None:
        tasks = [asyncio.ensure_future(self._run(item, running)) for item in batch]
        try:
            for item, task in zip(batch, tasks, strict=True):
                result, duration_s = await task
                words = [reminder(await self.repeats.see(item.call, result))]
                self._watch(item, result)
                if item.decoded.notes and not item.refusal:
                    words.append(repaired(item.decoded.notes))
                call = item.written or item.call
                self._answer(call, result, duration_s, *filter(None, words))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _answer(self, call: ToolCall, result: Result, duration_s: float, *added: str) -> None:
        mask = self.agent.masker.mask
        changed = self.changed.pop(call.id, "")
        text = "\n".join(
            [*filter(None, [changed]), result.text, *self.agent.context.jobs.finished(), *added]
        )
        text = with_tags_seen(mask(text))
        message = ToolMessage(call.id, call.name, text, result.is_error)
        self.record.append(message)
        self.pictures += result.images
        summary, diff = mask(result.summary), mask(result.diff)
        self.emit(events.ToolFinished(message, summary, diff, duration_s))

    def _prepare(self, decoded: DecodedCall) -> _Prepared:
        """Return the call ready to be run, or with the answer that it gets instead."""
        call, schemas = decoded.call, self.agent.schemas
        if decoded.fault is not Fault.NONE:
            told = [spec.name for spec in self.agent.specs]
            refusal = answer_to(decoded, schemas, told)
            return _Prepared(decoded, refusal=refusal, fault=decoded.fault)
        tool = self.agent.tools[call.name]
        try:
            params = parse(tool, call.arguments)
            other, its = tool.meant(params)
            if other is tool:
                return _Prepared(decoded, tool, its)
            arguments = json.dumps(its, ensure_ascii=False)
            meant = modified(call, name=other.name, arguments=arguments)
            return _Prepared(modified(decoded, call=meant), other, its, written=call)
        except ToolError as error:
            refusal = mistaken(call.name, str(error), schemas[call.name])
            return _Prepared(decoded, refusal=refusal, fault=Fault.INVALID)

    async def _run(self, item: _Prepared, running: set[str]) -> tuple[Result, float]:
        call, tool = item.call, item.tool
        summary = tool.summary(item.params) if tool and not item.refusal else ""
        if item.decoded.notes and not item.refusal:
            self.record.repaired(call.id, item.decoded.notes)
            self.emit(events.CallRepaired(call, item.decoded.notes))
        self.emit(events.ToolStarted(call, summary))
        if tool is None or item.refusal:
            return Result(item.refusal, "not a valid call", is_error=True), 0.0
        buffers, hooks, ruled = self.agent.buffers, self.agent.hooks, UNRULED
        try:
            if hooks is not None:
                ruled = await hooks.before_call(call, tool.touches(item.params).paths)
                if ruled.arguments is not None:
                    item, call, summary = self._changed_by_hook(item, tool, ruled.arguments)
            if buffers is not None:
                await buffers.look(tool.touches(item.params).paths)
            permitted = Permitted(ruled.refusal)
            if not ruled.refusal:
                permitted = await self.gate.permit(call, tool, item.params, summary, ruled)
            if buffers is not None and not permitted.refusal and tool.effect is Effect.EDIT:
                await buffers.save(tool.touches(item.params).paths)
        except ToolError as error:
            permitted = Permitted(str(error))
        if permitted.refusal:
            self.refused.add(call.id)
            self.emit(events.Refused(call.id, f"{tool.name} {summary}".strip()))
            return Result(permitted.refusal, "not allowed", is_error=True), 0.0
        if permitted.changed is not None:
            item, summary = self._change(item, tool, permitted.changed)
        if tool.effect not in _MAY_CHANGE_FILES:
            done = await self._timed(item, tool, permitted, running, summary, None)
        else:
            async with self.agent.changing:
                done = await self._timed(
                    item, tool, permitted, running, summary, self.agent.checkpoints
                )
        result, duration_s = done
        if ruled.context:
            result = modified(result, text=f"{result.text}\n{ruled.context}")
        return result, duration_s

    def _changed_by_hook(
        self, item: _Prepared, tool: Tool[Any], arguments: str
    ) -> tuple[_Prepared, ToolCall, str]:
        """Return the call with what a hook gives it instead.

        Raises:
            ToolError: these are no arguments of the tool.
        """
        written = item.call
        call = modified(written, arguments=arguments)
        try:
            params = parse(tool, arguments)
        except ToolError as error:
            raise ToolError(f"A hook of the person's changed the call, wrongly: {error}") from error
        words = in_words(written, call).replace("The person changed", "A hook changed", 1)
        item, summary = self._change(item, tool, Changed(call, params, words))
        return item, call, summary

    async def _timed(
        self,
        item: _Prepared,
        tool: Tool[Any],
        permitted: Permitted,
        running: set[str],
        summary: str,
        checkpoints: Checkpoints | None,
    ) -> tuple[Result, float]:
        """Run a permitted call between its checkpoints; return its result and its seconds."""
        call = item.call
        if checkpoints is not None:
            title = self.agent.masker.mask(f"{tool.name} {summary}".strip())
            try:
                await checkpoints.before(title, call.id, tool.touches(item.params).paths)
            except QcodeError as error:
                words = f"Not run, since the files as they are could not be kept: {error}"
                return Result(words, _first_line(words), is_error=True), 0.0
        started = time.perf_counter()
        try:
            self.record.running(call.id)
            running.add(call.id)
            result = await self._carry_out(item, tool, permitted)
            if (hooks := self.agent.hooks) is not None:
                # Before the checkpoint: what a formatter makes of the files is taken back with it.
                more = await hooks.after_call(call, tool.touches(item.params).paths, result)
                result = modified(result, text=f"{result.text}\n{more}") if more else result
        finally:
            duration_s = time.perf_counter() - started
            lost = await self._checkpoint(call, checkpoints) if checkpoints is not None else ""
        if result.blocked:
            self.emit(events.Blocked(call.id, result.blocked))
        if lost:
            result = modified(result, text=f"{result.text}\n{lost}")
        return result, duration_s

    def _change(self, item: _Prepared, tool: Tool[Any], changed: Changed) -> tuple[_Prepared, str]:
        """Return the call as a person changed it, with its summary; it is told and written down."""
        call, summary = changed.call, tool.summary(changed.params)
        self.changed[call.id] = changed.words
        self.record.changed(call)
        self.emit(events.CallChanged(call, summary))
        decoded = modified(item.decoded, call=call)
        return replace(item, decoded=decoded, params=changed.params), summary

    async def _carry_out(self, item: _Prepared, tool: Tool[Any], permitted: Permitted) -> Result:
        call = item.call
        live = StreamMasker(self.agent.masker)

        def show(text: str) -> None:
            if text:
                self.emit(events.ToolOutput(call.id, text))

        context = replace(
            self.agent.context,
            output=lambda text: show(live.feed(text)),
            grant=permitted.grant,
            part=permitted.part,
        )
        if tool.effect in (Effect.EXECUTE, Effect.EXTERNAL):
            self.passing = ""  # it may change anything
        try:
            result = await self._guarded(tool, await tool.run(item.params, context))
            result = await self._checked(tool, result)
        except ToolError as error:
            words = str(error)
            summary = _first_line(words)
            self.idle = self.idle + 1 if isinstance(error, AlreadySo) else 0
            if tool.effect is Effect.EDIT and self.passing:
                words = f"{words}\n{self.passing}"
            result = Result(words, summary, is_error=True, essence=error.essence)
        except QcodeError:
            raise
        except Exception as error:
            # A bug in a tool must not break the history; the traceback goes to the log.
            log.exception("tool %s crashed", tool.name)
            result = Result(
                f"{tool.name} failed inside qcode ({type(error).__name__}: {error}). "
                "Try another way.",
                f"bug in qcode: {type(error).__name__}: {error}",
                is_error=True,
            )
        finally:
            show(live.flush())
        return result

    async def _guarded(self, tool: Tool[Any], result: Result) -> Result:
        """Return a call's result with what it did to protected files, which is put back."""
        if self.agent.guard is None or tool.effect not in _MAY_CHANGE_FILES:
            return result
        news = await self.agent.guard()
        return modified(result, text=f"{result.text}\n{news}") if news else result

    async def _checked(self, tool: Tool[Any], result: Result) -> Result:
        """Return an edit's result with how the checks go now.

        Where they pass already and an edit changes nothing more, that is said again: a
        small model that was told once goes on correcting what is right.
        """
        nothing_new = tool.effect is Effect.EDIT and not result.diff
        self.idle = self.idle + 1 if nothing_new else 0
        if tool.effect is not Effect.EDIT or self.agent.after_edit is None:
            return result
        news = self.passing
        if result.diff:
            checked = await self.agent.after_edit()
            news = checked.text
            self.passing = checked.text if checked.passed else ""
            if self.agent.ladder is not None:
                self.agent.ladder.stuck.checked(passed=checked.passed)
        if not news:
            return result
        return modified(result, text=f"{result.text}\n{news}")

    async def _checkpoint(self, call: ToolCall, checkpoints: Checkpoints) -> str:
        """Keep what a call did, also one that was interrupted; return what went wrong."""
        keeping = asyncio.ensure_future(checkpoints.after())
        try:
            made = await asyncio.shield(keeping)
        except asyncio.CancelledError:
            # Interrupted once more: what is being written is written to its end all the same.
            await asyncio.wait([keeping])
            raise
        except QcodeError as error:
            return f"[The files as they are now could not be kept: {error}]"
        if made is not None:
            self.emit(events.CheckpointMade(call.id, *made))
        return ""


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0][:120]
