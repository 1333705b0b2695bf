"""One turn: ask the model, run the tools it calls, ask again.

No terminal, network, configuration, clock or file is touched here: the loop is
handed all it needs. Whatever happens, each tool call gets exactly one answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from qcode import events
from qcode.approvals import ApprovalRequest, Approver
from qcode.budget import Budget
from qcode.errors import QcodeError, ToolError
from qcode.events import Emit, TurnEnd
from qcode.journal import CUT_SHORT, NOT_RUN
from qcode.messages import AssistantMessage, Message, ToolCall, ToolMessage, Usage, UserMessage
from qcode.permissions import Mode, Verdict, permission
from qcode.providers import (
    CallPart,
    Done,
    PromptProgress,
    Provider,
    ReasoningPart,
    Request,
    Retry,
    TextPart,
    ToolSpec,
    Waiting,
)
from qcode.providers.decode import Assembler, CallBegun
from qcode.tools.base import Context, Effect, Result, Tool
from qcode.tools.schema import parse

log = logging.getLogger(__name__)

RUT = 2
"""After this many failed calls in a row the model is asked with more chance in its choice."""
RUT_TEMPERATURE = 0.8
"""Enough for another way to be tried, little enough to stay well-formed."""

REPEATS_NOTED = 2
"""From this many identical calls with identical results on, the result says so.

They are counted since a file was last changed, so that testing after each edit is no repetition.
"""
REPEATS_ALLOWED = 4
"""At this many the turn is ended: the model is not going to find out of it."""


_CALL_ENDS = ("</tool_call>", "</function>", "</invoke>")
"""How a tool call ends that a server has left in the text. Work not done is no success."""


class Record(Protocol):
    """The history as the loop needs it; whatever is added is on disk before this returns."""

    @property
    def messages(self) -> Sequence[Message]:
        """The messages so far."""
        ...

    def append(self, message: Message) -> None:
        """Add a message at the end."""
        ...

    def piece(self, *, text: str = "", reasoning: str = "") -> None:
        """Keep a piece of an answer that is still being written."""
        ...

    def void(self) -> None:
        """Drop the pieces kept since the last message."""
        ...

    def running(self, call_id: str) -> None:
        """Note that a call is about to be run."""
        ...

    def spent(self, usage: Usage) -> Usage:
        """Note a step's tokens; return the session's."""
        ...

    def boundary(self) -> None:
        """Make everything so far durable."""
        ...


@dataclass(slots=True)
class Agent:
    """What answers: a model, what it is told, and what it may do."""

    provider: Provider
    system: str
    tools: Mapping[str, Tool[Any]]
    specs: tuple[ToolSpec, ...]
    context: Context
    approver: Approver
    mode: Mode
    max_output_tokens: int
    """Of one answer, reasoning included."""
    new_call_id: Callable[[], str]
    call_ids: set[str] = field(default_factory=set)
    """Of all calls in the session: some servers give the same id twice, and APIs refuse that."""
    allowed: set[str] = field(default_factory=set)
    """What a person allowed for this session: a tool, or a tool with its very command."""
    temperature: float | None = None
    """Of every request; None leaves it to the endpoint."""
    after_edit: Callable[[], Awaitable[str]] | None = None
    """What to add to the result of a call that changed a file: how the checks go now, say."""


@dataclass(slots=True)
class _Repeats:
    """Counts calls that are made again and come to the same, in a row or in a cycle."""

    seen: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """How often each call came to each result since a file was last changed."""
    count: int = 0
    """Of the last call."""
    failed: int = 0
    """Calls in a row that came to nothing new."""
    step: set[tuple[str, str, str]] = field(default_factory=set)
    """Seen in this step already: the model has not read a result between them."""

    def see(self, call: ToolCall, result: Result) -> int:
        if result.diff:
            self.seen.clear()
        key = (call.name, call.arguments, result.text)
        if key in self.step:
            return self.count
        self.step.add(key)
        self.count = self.seen[key] = self.seen.get(key, 0) + 1
        in_vain = result.is_error or self.count > 1
        self.failed = self.failed + 1 if in_vain else 0
        return self.count


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A call that was looked at: to be run, or answered already."""

    call: ToolCall
    tool: Tool[Any] | None = None
    params: Any = None
    refusal: str = ""
    """Why it is not run; goes to the model."""

    @property
    def parallel(self) -> bool:
        return self.tool is None or self.tool.effect is Effect.READ


async def run_turn(agent: Agent, record: Record, text: str, emit: Emit, budget: Budget) -> TurnEnd:
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
            end = await turn.run(text)
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
        self.repeats = _Repeats()
        self.asking = asyncio.Lock()  # one question at a time, also from parallel calls

    async def run(self, text: str) -> TurnEnd:
        self.record.append(UserMessage(text))
        self.emit(events.TurnStarted(text))
        while True:
            self.budget.begin_step()
            self.steps += 1
            self.repeats.step.clear()
            self.emit(events.StepStarted(self.steps))
            answer, done = await self._ask()
            if not answer.tool_calls:
                self.record.boundary()
                return self._judge(answer, done)
            await self._run_calls(answer.tool_calls)
            self.record.boundary()
            if self.repeats.count >= REPEATS_ALLOWED:
                self.emit(
                    events.ErrorRaised(
                        f"the model made the same call {self.repeats.count} times with the same "
                        "result and was stopped; say what to do differently, or take another model",
                        1,
                    )
                )
                return TurnEnd.GAVE_UP

    def _judge(self, answer: AssistantMessage, done: Done) -> TurnEnd:
        if done.finish_reason == "length":
            problem = (
                f"the answer was cut at the limit of {self.agent.max_output_tokens} tokens; "
                "ask to go on, or raise max_output_tokens"
            )
        elif answer.text.rstrip().endswith(_CALL_ENDS):
            problem = (
                "the model wrote its tool call as text, so nothing was run; "
                "have the server parse tool calls (llama.cpp: --jinja, vLLM: --tool-call-parser)"
            )
        else:
            return TurnEnd.ANSWERED
        self.emit(events.ErrorRaised(problem, 1))
        return TurnEnd.GAVE_UP

    async def _ask(self) -> tuple[AssistantMessage, Done]:
        """Send the history; return the whole answer, which is in the record by then."""
        request = Request(
            self.agent.system,
            self.record.messages,
            self.agent.specs,
            self.agent.max_output_tokens,
            # A local server is often run at temperature 0, where the same mistake comes for ever.
            RUT_TEMPERATURE if self.repeats.failed >= RUT else self.agent.temperature,
        )
        text: list[str] = []
        reasoning: list[str] = []
        calls = self._assembler()
        done = Done()
        try:
            async with aclosing(self.agent.provider.stream(request)) as deltas:  # type: ignore[type-var]
                async for delta in deltas:
                    match delta:
                        case TextPart(piece):
                            text.append(piece)
                            self.record.piece(text=piece)
                            self.emit(events.TextDelta(piece))
                        case ReasoningPart(piece):
                            reasoning.append(piece)
                            self.record.piece(reasoning=piece)
                            self.emit(events.ReasoningDelta(piece))
                        case CallPart():
                            for grown in calls.feed(delta):
                                if isinstance(grown, CallBegun):
                                    self.emit(events.CallStarted(grown.index, grown.name))
                                else:
                                    self.emit(events.CallArguments(grown.index, grown.text))
                        case PromptProgress(read, total):
                            self.emit(events.PromptProgress(read, total))
                        case Waiting(silent_s):
                            self.emit(events.Waiting(silent_s))
                        case Retry(attempt, of, wait_s, reason):
                            text.clear()
                            reasoning.clear()
                            calls = self._assembler()
                            self.record.void()
                            self.emit(events.Retrying(attempt, of, wait_s, reason))
                        case Done():
                            done = delta
        except asyncio.CancelledError:
            # Calls are dropped: they may be cut, and none of them was run.
            self._keep_partial(text, reasoning)
            raise
        except QcodeError:
            self.record.void()
            raise
        answer = AssistantMessage("".join(text), "".join(reasoning), calls.calls(), done.native)
        self.record.append(answer)
        self.agent.call_ids.update(call.id for call in answer.tool_calls)
        self.emit(events.AnswerFinished(answer, done.finish_reason, done.usage))
        self.usage = self.usage + done.usage
        self.budget.spend(done.usage)
        self.emit(events.UsageReported(done.usage, self.record.spent(done.usage)))
        return answer, done

    def _assembler(self) -> Assembler:
        agent = self.agent
        return Assembler(agent.new_call_id, offered=agent.tools.keys(), taken=agent.call_ids)

    def _keep_partial(self, text: list[str], reasoning: list[str]) -> None:
        if text or reasoning:
            self.record.append(
                AssistantMessage("".join(text), "".join(reasoning), interrupted=True)
            )

    async def _run_calls(self, calls: Sequence[ToolCall]) -> None:
        """Answer each call; read-only neighbours run side by side, the rest in order."""
        running: set[str] = set()
        try:
            batch: list[_Prepared] = []
            for call in calls:
                prepared = self._prepare(call)
                if batch and not (prepared.parallel and batch[-1].parallel):
                    await self._run_batch(batch, running)
                    batch = []
                batch.append(prepared)
            await self._run_batch(batch, running)
        finally:
            for call in calls[self._answered(calls) :]:
                words = CUT_SHORT if call.id in running else NOT_RUN
                self._answer(call, Result(words, "interrupted", is_error=True), 0.0)

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
                self._answer(item.call, result, duration_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _answer(self, call: ToolCall, result: Result, duration_s: float) -> None:
        text = result.text
        notices = self.agent.context.jobs.finished()
        if notices:
            text = "\n".join([text, *notices])
        count = self.repeats.see(call, result)
        if count >= REPEATS_NOTED:
            text += (
                f"\n[This same call gave this same result {count} times. "
                "Repeating it changes nothing: take another way, or answer.]"
            )
        message = ToolMessage(call.id, call.name, text, result.is_error)
        self.record.append(message)
        self.emit(events.ToolFinished(message, result.summary, result.diff, duration_s))

    def _prepare(self, call: ToolCall) -> _Prepared:
        tool = self.agent.tools.get(call.name)
        if tool is None:
            known = ", ".join(self.agent.tools)
            return _Prepared(call, refusal=f"There is no tool `{call.name}`. Tools: {known}.")
        try:
            return _Prepared(call, tool, parse(tool, call.arguments))
        except ToolError as error:
            return _Prepared(call, refusal=str(error))

    async def _run(self, item: _Prepared, running: set[str]) -> tuple[Result, float]:
        call, tool = item.call, item.tool
        summary = tool.summary(item.params) if tool and not item.refusal else ""
        self.emit(events.ToolStarted(call, summary))
        if tool is None or item.refusal:
            return Result(item.refusal, "not a valid call", is_error=True), 0.0
        try:
            refusal = await self._permit(call, tool, item.params, summary)
        except ToolError as error:
            refusal = str(error)
        if refusal:
            return Result(refusal, "not allowed", is_error=True), 0.0
        self.record.running(call.id)
        running.add(call.id)
        context = replace(
            self.agent.context, output=lambda text: self.emit(events.ToolOutput(call.id, text))
        )
        started = time.perf_counter()
        try:
            result = await tool.run(item.params, context)
            if result.diff and self.agent.after_edit and (news := await self.agent.after_edit()):
                text = f"{result.text}\n{news}"
                result = Result(text, result.summary, result.diff, result.is_error)
        except ToolError as error:
            result = Result(str(error), _first_line(str(error)), is_error=True)
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
        return result, time.perf_counter() - started

    async def _permit(self, call: ToolCall, tool: Tool[Any], params: Any, summary: str) -> str:
        """Return why the call may not be run, or nothing."""
        agent = self.agent
        touch = tool.touches(params)
        outside = _outside(agent.context, touch.paths)
        guarded = tuple(p for p in touch.paths if agent.context.workspace.guards(p))
        verdict, reason = permission(agent.mode, tool.effect, outside, guarded)
        # "Always" to a command means that command: one harmless one says nothing of the next.
        grant = tool.name if touch.command is None else f"{tool.name}({touch.command})"
        special = bool(outside or (guarded and tool.effect is Effect.EDIT))
        if verdict is Verdict.ALLOW or (
            verdict is Verdict.ASK and grant in agent.allowed and not special
        ):
            return ""
        if verdict is Verdict.DENY:
            return f"Not allowed: {reason}."
        self.emit(events.ApprovalNeeded(call, summary, reason))
        async with self.asking:
            decision = await agent.approver.decide(ApprovalRequest(call, summary, reason, outside))
        if not decision.allowed:
            return decision.words or "The person said no to this call. Ask what they want instead."
        for path in outside:
            agent.context.allowed_outside.add(agent.context.workspace.resolve(path))
        if decision.for_session and not special:
            agent.allowed.add(grant)
        return ""


def _outside(context: Context, paths: Sequence[str]) -> tuple[str, ...]:
    """Return those paths that are neither in the workspace nor allowed already."""
    out: list[str] = []
    for path in paths:
        real = context.workspace.resolve(path)
        allowed = context.allowed_outside
        if not context.workspace.contains(real) and not any(
            real == top or top in real.parents for top in allowed
        ):
            out.append(path)
    return tuple(out)


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0][:120]
