"""A subagent at work: a turn of its own, whose answer is a result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from qcode import __version__, events
from qcode.agent import Agent
from qcode.approvals import ApprovalRequest, Approver, Decision
from qcode.budget import Budget
from qcode.compaction.compactor import Compactor
from qcode.errors import QcodeError, ToolError
from qcode.events import Emit, Event, TurnEnd
from qcode.journal.writing import Journal, moment, new_id
from qcode.loop import run_turn
from qcode.messages import Asked, AssistantMessage, UserMessage
from qcode.permissions import Mode
from qcode.prompts import load
from qcode.providers import Provider, ToolSpec
from qcode.record import replace as modified
from qcode.session import JournalledHistory, Observer
from qcode.subagents.apart import Copying, Place
from qcode.subagents.definitions import Subagent
from qcode.tools.base import Context, Result, Tool
from qcode.tools.output import Output, log_opener

STEPS = 50
"""Of one task, where its definition says nothing: an agent that never ends is ended."""
_STRICTNESS = [Mode.PLAN, Mode.DEFAULT, Mode.AUTO_EDIT, Mode.YOLO]


class Answering(Protocol):
    """Makes who answers a subagent."""

    async def __call__(self, model: str, key: str) -> tuple[Provider, Compactor | None]:
        """Return the provider of a model (empty: the session's) and what makes room in its window.

        Raises:
            QcodeError: there is no such model.
        """
        ...


class Staff:
    """Has tasks done for a session."""

    def __init__(
        self,
        agent: Agent,
        answering: Answering,
        *,
        folder: Path,
        session_id: str,
        emit: Callable[[Event], None],
        copying: Copying,
        spend: Callable[[Asked], None],
        budget: Callable[[], Budget],
        observers: Sequence[Observer] = (),
    ) -> None:
        """`folder` gets the journals; `emit` tells whoever watches the session that a question is
        open; `spend` notes what a task's requests cost, `budget` is what may still be spent;
        `observers` are the session's, to be asked for a subagent's.
        """
        self._agent = agent
        self._answering = answering
        self._folder = folder
        self._session_id = session_id
        self._emit = emit
        self._copying = copying
        self._spend = spend
        self._budget = budget
        self._observers = observers
        self._numbers = count(1)
        self.log: list[str] = []
        """A line on each task, for a person."""

    async def work(self, kind: Subagent, about: str, task: str, context: Context) -> Result:
        """Return what a subagent answers to a task.

        Raises:
            ToolError: it came to no answer; the words say how far it came.
        """
        number = next(self._numbers)
        name = f"{kind.name}-{number}"
        try:
            provider, compactor = await self._answering(kind.model, f"{self._session_id}-{name}")
        except QcodeError as error:
            raise ToolError(
                f"The agent {kind.name} was not started: {error}. Do it yourself."
            ) from error
        history: JournalledHistory | None = None
        place: Place | None = None
        watch = _Watch(context.output, self._emit)
        try:
            place = await self._copying(name, context) if kind.is_isolated else None
            history = self._history(kind, name, provider.model)
            agent = self._made(kind, name, provider, compactor, context, history)
            if place is not None:
                _move(agent, place)
            mine = Budget(max_steps=kind.max_steps or STEPS, shared=self._budget())
            watching: list[Emit] = [watch]
            for one in self._observers:
                watching.insert(0, one.of_subagent(kind.name, agent, history).handle)

            def tell(event: Event) -> None:
                for each in watching:
                    each(event)

            end = await run_turn(agent, history, UserMessage(task), tell, mine)
            self._agent.rules = self._agent.rules.allowing(
                rule.text for rule in agent.rules.allow if rule not in self._agent.rules.allow
            )
            result = self._result(name, end, history, watch, context)
            if place is not None:
                told = await place.bring_back()
                result = modified(result, text=f"{result.text}\n[{told}]")
            return result
        except QcodeError as error:
            if isinstance(error, ToolError):
                raise
            raise ToolError(f"The agent {name} could not work: {error}. Do it yourself.") from error
        finally:
            if place is not None:
                await place.close()
            if history is not None:
                self._spend_all(name, provider.model, history, about or task)
                history.journal.close()
            await provider.close()

    def _history(self, kind: Subagent, name: str, model: str) -> JournalledHistory:
        header = {
            "id": f"{name}-{new_id()}",
            "cwd": str(self._agent.context.workspace.root),
            "model": model,
            "created": moment(),
            "qcode": __version__,
            "system": load("subagents/system", system=self._agent.system, own=kind.system),
            "parent": self._session_id,
        }
        journal = Journal.create(self._folder, header)
        journal.mask_by(self._agent.masker)
        return JournalledHistory(journal)

    def _made(
        self,
        kind: Subagent,
        name: str,
        provider: Provider,
        compactor: Compactor | None,
        context: Context,
        history: JournalledHistory,
    ) -> Agent:
        """Return the agent: what the session's has, less what is not for this kind."""
        parent = self._agent
        tools: Mapping[str, Tool[Any]] = {
            key: tool
            for key, tool in parent.tools.items()
            if kind.may_call(key) and (key != "agent" or (kind.tools and "agent" in kind.tools))
        }
        if any(key.startswith("mcp__") for key in tools) and "use_tool" in parent.tools:
            tools = {**tools, "use_tool": parent.tools["use_tool"]}
        specs = tuple(spec for spec in parent.specs if spec.name in tools)
        specs += tuple(self._told(tools[k]) for k in tools if k in (kind.tools or ()) and
                       k not in {spec.name for spec in specs})  # fmt: skip
        numbers = count(1)
        mode = parent.mode
        if kind.mode is not None:
            mode = min(mode, kind.mode, key=_STRICTNESS.index)
        own = replace(
            context,
            seen={},
            todos=[],
            failures={},
            grant=None,
            part=None,
            rehearsal=None,
            put_aside=lambda: history.conversation.archived,
            output=lambda _text: None,
        )
        return replace(
            parent,
            provider=provider,
            target=parent.target if provider.model == parent.provider.model else None,
            system=load("subagents/system", system=parent.system, own=kind.system),
            tools=tools,
            specs=specs,
            schemas={key: tool.parameters(hidden=True) for key, tool in tools.items()},
            context=own,
            approver=_Named(parent.approver, name),
            mode=mode,
            new_call_id=lambda: f"{name}_call_{next(numbers)}",
            call_ids=set(),
            compactor=compactor,
            listen=None,
            after_edit=None,
            specs_added=(),
            ladder=None,
            hooks=parent.hooks.of_subagent(kind.name) if parent.hooks is not None else None,
        )

    def _told(self, tool: Tool[Any]) -> ToolSpec:
        sizes = self._agent.context.sizes
        return ToolSpec(tool.name, tool.described(sizes), tool.parameters())

    def _spend_all(self, name: str, model: str, history: JournalledHistory, about: str) -> None:
        for asked in history.asked:
            purpose = f"agent {name}" + (f": {asked.purpose}" if asked.purpose else "")
            self._spend(modified(asked, purpose=purpose, model=asked.model or model))
        used = history.usage
        line = " ".join(about.split())[:60]
        self.log.append(
            f"{name:<16} {len(history.asked)} requests, {used.input_tokens:,} tokens read, "
            f"{used.output_tokens:,} written · {line} · {history.journal.path}"
        )

    def _result(
        self,
        name: str,
        end: TurnEnd,
        history: JournalledHistory,
        watch: _Watch,
        context: Context,
    ) -> Result:
        said = [m.text for m in history.items if isinstance(m, AssistantMessage) and m.text.strip()]
        last = said[-1] if said else ""
        if end is TurnEnd.INTERRUPTED:
            # Only the whole turn is interrupted, and this is a part of it.
            raise asyncio.CancelledError
        if end is TurnEnd.ANSWERED and last:
            output = Output(log_opener(context.spill_dir, "agent"), sizes=context.sizes)
            output.add(last.encode("utf-8", "replace"))
            text = output.shown().text
            output.close()
            steps, made = len(history.asked), watch.calls
            said_so = f"{steps} step{'s' * (steps != 1)}, {made} call{'s' * (made != 1)}"
            return Result(text, f"{name}: {said_so}")
        why = watch.error or "it gave no answer"
        so_far = f" The last it said: {last[:2000]}" if last else ""
        raise ToolError(
            f"The agent {name} did not come to an end: {why}.{so_far} "
            "Do the rest yourself, or give it a smaller task."
        )


def _move(agent: Agent, place: Place) -> None:
    """Have an agent work on a copy; there it waits for nobody and nobody waits for it."""
    agent.context = replace(
        agent.context,
        workspace=place.context.workspace,
        launcher=place.context.launcher,
        guarded=place.context.guarded,
        jobs=place.context.jobs,
        allowed_outside=place.context.allowed_outside,
        allowed_hidden=place.context.allowed_hidden,
        allowed_writing=place.context.allowed_writing,
    )
    agent.checkpoints, agent.boundary = place.checkpoints, place.boundary
    agent.changing = asyncio.Lock()


class _Watch:
    """Shows what a subagent does, in lines of the call that it is the result of."""

    def __init__(self, show: Callable[[str], None], emit: Callable[[Event], None]) -> None:
        self._show = show
        self._emit = emit
        self.calls = 0
        self.error = ""

    def __call__(self, event: Event) -> None:
        match event:
            case events.ToolStarted(call, summary):
                self.calls += 1
                self._show(f"· {call.name} {summary}".rstrip()[:200] + "\n")
            case events.ToolFinished(result, summary) if result.is_error:
                self._show(f"  ✗ {summary}"[:200] + "\n")
            case events.Retrying(attempt, of, _, reason):
                self._show(f"  again, {attempt} of {of}: {reason}"[:200] + "\n")
            case events.ErrorRaised(message):
                self.error = message
            case events.ApprovalNeeded() | events.CheckpointMade() | events.Blocked():
                self._emit(event)  # what concerns the person's files and decisions
            case _:
                pass


class _Named:
    """Asks the person as the session does, and says which agent it is that wants something."""

    def __init__(self, approver: Approver, name: str) -> None:
        self._approver = approver
        self._name = name

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Return the person's decision."""
        return await self._approver.decide(modified(request, agent=self._name))
