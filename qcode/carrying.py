"""The calls of an answer carried out: each permitted, run between its checkpoints, and answered.

```
prepared -> hooks -> gate -> checkpoint -> tool -> checks -> checkpoint -> result in the history
```
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
from qcode.boundary import Unconfined
from qcode.calls.decoder import DecodedCall
from qcode.calls.feedback import answer_to, mistaken, repaired
from qcode.calls.found import Fault
from qcode.changed import Changed, in_words
from qcode.errors import AlreadySo, QcodeError, ToolError
from qcode.escapes import with_tags_seen
from qcode.events import Emit
from qcode.interposed import NOTHING as UNRULED
from qcode.journal.missing import CUT_SHORT, NOT_RUN
from qcode.messages import (
    Image,
    ToolCall,
    ToolMessage,
)
from qcode.permit import Gate, Permitted
from qcode.record import replace as modified
from qcode.repeats import Repeats, reminder
from qcode.secrets import StreamMasker
from qcode.tools.base import Effect, Result, Tool
from qcode.tools.schema import parse

log = logging.getLogger(__name__)

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


class Calls:
    """What a turn has of the calls in it."""

    def __init__(self, agent: Agent, record: Record, emit: Emit) -> None:
        self.agent = agent
        self.record = record
        self.emit = emit
        self.repeats = Repeats(agent.workspace_state)
        self.passing = ""
        """What was said when all checks passed; empty once a file may have changed since."""
        self.idle = 0
        """Edits in a row that were made already."""
        self._changed: dict[str, str] = {}
        """Calls that the person changed: id to what the model is told of that."""
        self._pictures: tuple[Image, ...] = ()
        """What calls of the step showed; results are text alone."""
        self._refused: set[str] = set()
        """Calls that were not allowed."""
        self._gate = Gate(
            agent,
            agent.boundary or Unconfined(agent.context.workspace),
            lambda call, summary, reason: emit(events.ApprovalNeeded(call, summary, reason)),
        )

    async def run(self, decoded: Sequence[DecodedCall]) -> list[Fault]:
        """Answer each call; read-only neighbours run side by side, the rest in order.

        Returns what was wrong with each. All have their answer also where this is cancelled.
        """
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
        # An argument that its tool refuses is as unreadable.
        return [item.fault for item in prepared]

    def shown(self) -> tuple[Image, ...]:
        """Return the pictures that calls showed since this was asked last."""
        shown, self._pictures = self._pictures, ()
        return shown

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
        changed = self._changed.pop(call.id, "")
        text = "\n".join(
            [*filter(None, [changed]), result.text, *self.agent.context.jobs.finished(), *added]
        )
        text = with_tags_seen(mask(text))
        message = ToolMessage(call.id, call.name, text, result.is_error)
        self.record.append(message)
        self._pictures += result.images
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
                permitted = await self._gate.permit(call, tool, item.params, summary, ruled)
            if buffers is not None and not permitted.refusal and tool.effect is Effect.EDIT:
                await buffers.save(tool.touches(item.params).paths)
        except ToolError as error:
            permitted = Permitted(str(error))
        if permitted.refusal:
            self._refused.add(call.id)
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
        self._changed[call.id] = changed.words
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

    def _watch(self, item: _Prepared, result: Result) -> None:
        """Have the ladder know how edits go."""
        ladder, tool = self.agent.ladder, item.tool or self.agent.tools.get(item.call.name)
        if ladder is None or tool is None or tool.effect is not Effect.EDIT:
            return
        if item.call.id not in self._refused:
            ladder.stuck.edited(failed=result.is_error)


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0][:120]
