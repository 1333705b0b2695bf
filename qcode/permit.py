"""One call to its permission: what it touches, what rules and sandbox say, and a person's word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from qcode.agent import Agent
from qcode.approvals import ApprovalRequest, Decision, Nobody, Scope
from qcode.beforehand import with_effects
from qcode.boundary import Boundary
from qcode.case import NOTHING, Case
from qcode.changed import Changed, in_words
from qcode.editing.effects import Part
from qcode.errors import ToolError
from qcode.interposed import NOTHING as UNRULED
from qcode.interposed import Ruled
from qcode.messages import ToolCall
from qcode.permissions import Verdict
from qcode.record import Record
from qcode.record import replace as modified
from qcode.sandbox.policy import Grant
from qcode.tools.base import Effect, Tool
from qcode.tools.schema import parse


class Permitted(Record):
    """Whether a call may be run."""

    refusal: str = ""
    """Why not, for the model; empty where it may."""
    grant: Grant | None = None
    """What it is given beyond the sandbox."""
    changed: Changed | None = None
    """The call as the person wants it; None: as the model wrote it."""
    part: Part | None = None
    """What of an edit is allowed; None: all of it."""


class Gate:
    """Decides about the calls of a turn; asks one question at a time, also for parallel calls."""

    def __init__(
        self,
        agent: Agent,
        boundary: Boundary,
        asking: Callable[[ToolCall, str, str], object],
    ) -> None:
        self._agent = agent
        self._boundary = boundary
        self._tell = asking
        self._one = asyncio.Lock()

    async def permit(
        self,
        call: ToolCall,
        tool: Tool[Any],
        params: Any,
        summary: str,
        ruled: Ruled = UNRULED,
    ) -> Permitted:
        """Return whether the call may be run; `ruled` is what hooks say of it.

        Raises:
            ToolError: what it concerns cannot be made out.
            QcodeError: there is no sandbox, and there has to be one.
        """
        case = await self._case(call, tool, params, summary, ruled)
        if case.refusal:
            return Permitted(case.refusal)
        if case.permission.verdict is Verdict.DENY:
            return Permitted(f"Not allowed: {case.permission.reason}.")
        if case.permission.verdict is Verdict.ASK:
            async with self._one:
                # Meanwhile another question may have answered this one.
                case = await self._case(call, tool, params, summary, ruled)
                if case.permission.verdict is Verdict.ASK:
                    return await self._asked(case)
        return self._granted(case)

    async def _asked(self, case: Case) -> Permitted:
        """Ask until there is a yes or a no: a person may change the call instead."""
        written, note = case.call, ""
        while True:
            request = await self._request(case, written, note)
            decision = await self._decided(request)
            if decision.arguments is not None:
                case, note = await self._changed(case, decision.arguments)
                continue
            if not decision.allowed:
                no = "The person said no to this call. Ask what they want instead."
                return Permitted(decision.words or no)
            self._remember(case, decision)
            permitted = self._granted(case)
            if decision.left_out is not None:
                permitted = modified(permitted, part=Part(request.files, decision.left_out))
            if case.call.arguments == written.arguments:
                return permitted
            changed = Changed(case.call, case.params, in_words(written, case.call))
            return modified(permitted, changed=changed)

    async def _decided(self, request: ApprovalRequest) -> Decision:
        """Return the decision of a hook, or else the person's."""
        hooks = self._agent.hooks
        if hooks is None:
            return await self._agent.approver.decide(request)
        if (decision := await hooks.asked(request)) is not None:
            return decision
        if isinstance(self._agent.approver, Nobody):
            return await self._agent.approver.decide(request)
        telling = asyncio.ensure_future(
            hooks.notify(f"qcode asks whether {request.call.name} may be run")
        )
        try:
            return await self._agent.approver.decide(request)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _changed(self, case: Case, arguments: str) -> tuple[Case, str]:
        """Return the call with other arguments, judged anew; the same and why if it may not be."""
        call = modified(case.call, arguments=arguments)
        try:
            params = parse(case.tool, arguments)
            anew = await self._case(call, case.tool, params, case.tool.summary(params))
        except ToolError as error:
            return case, str(error)
        if anew.refusal or anew.permission.verdict is Verdict.DENY:
            return case, anew.refusal or f"Not allowed: {anew.permission.reason}."
        return anew, ""

    def _granted(self, case: Case) -> Permitted:
        self._agent.context.allowed_outside.update(case.ruled_outside)
        return Permitted(grant=case.grant if case.grant != NOTHING else None)

    async def _case(
        self,
        call: ToolCall,
        tool: Tool[Any],
        params: Any,
        summary: str,
        ruled: Ruled = UNRULED,
    ) -> Case:
        if tool.effect is Effect.EXECUTE:
            await self._boundary.ready()
        return Case(self._agent, self._boundary, call, tool, params, summary, ruled)

    async def _request(self, case: Case, written: ToolCall, note: str) -> ApprovalRequest:
        request, approver = case.request(), self._agent.approver
        is_changed = case.call.arguments != written.arguments
        request = modified(request, is_changed=is_changed, note=note)
        if case.tool.effect is Effect.EDIT and not isinstance(approver, Nobody):
            paths = (*case.touch.paths, *case.outside)
            request = await with_effects(
                request, case.tool, case.params, self._agent.context, paths
            )
        self._tell(case.call, case.summary, case.permission.reason)
        return request

    def _remember(self, case: Case, decision: Decision) -> None:
        agent, context = self._agent, self._agent.context
        context.allowed_outside.update(context.workspace.resolve(path) for path in case.outside)
        context.allowed_hidden.update(context.workspace.resolve(path) for path in case.hidden)
        for path in case.guarded if case.tool.effect is Effect.EDIT else ():
            context.allowed_writing.add(context.workspace.resolve(path))
        if decision.scope is Scope.ONCE or decision.scope not in case.scopes:
            return
        if decision.rules:
            agent.rules = agent.rules.allowing(decision.rules)
            if decision.scope is Scope.ALWAYS and agent.remember is not None:
                agent.remember(decision.rules)
        else:
            agent.allowed.add(case.key)
