"""One call of a tool outside of a turn: permitted, between its checkpoints, answered.

For agents other than the loop's, which keep a history of their own: what they call is held to the
same rules, sandbox and checkpoints as what qcode's model calls.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from qcode.agent import Agent
from qcode.boundary import Unconfined
from qcode.calls.names import nearest
from qcode.errors import QcodeError, ToolError
from qcode.escapes import with_tags_seen
from qcode.interposed import NOTHING as UNRULED
from qcode.interposed import Ruled
from qcode.messages import JsonObject, ToolCall
from qcode.permit import Gate
from qcode.record import replace as modified
from qcode.tools.base import Context, Effect, Result, Tool
from qcode.tools.schema import parse

_MAY_CHANGE = (Effect.EDIT, Effect.EXECUTE, Effect.EXTERNAL)


class Calling:
    """Runs calls for somebody who is no model of qcode's."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        boundary = agent.boundary or Unconfined(agent.context.workspace)
        self._gate = Gate(agent, boundary, lambda _call, _summary, _reason: None)

    async def call(
        self, name: str, arguments: JsonObject, show: Callable[[str], None] = lambda _text: None
    ) -> Result:
        """Return what a call comes to; a refusal or a failure is a result, too.

        `show` gets what a running tool prints. Cancelling ends the call, whole.
        """
        try:
            result = await self._call(name, arguments, show)
        except ToolError as error:
            result = Result(str(error), is_error=True)
        text = with_tags_seen(self._agent.masker.mask(result.text))
        return modified(result, text=text)

    async def _call(self, name: str, arguments: JsonObject, show: Callable[[str], None]) -> Result:
        agent = self._agent
        tool: Tool[Any] | None = agent.tools.get(name)
        if tool is None:
            known = ", ".join(nearest(name, agent.tools))
            raise ToolError(f"There is no tool `{name[:80]}`. There are: {known}.")
        tool, params = tool.meant(tool.build(arguments))
        call = ToolCall(agent.new_call_id(), tool.name, json.dumps(arguments))
        try:
            ruled, params = await self._ruled(call, tool, params)
        except QcodeError as error:  # a hook that failed and must not
            raise ToolError(str(error)) from error
        if ruled.refusal:
            return Result(ruled.refusal, "not allowed", is_error=True)
        summary = tool.summary(params)
        permitted = await self._gate.permit(call, tool, params, summary, ruled)
        if permitted.refusal:
            return Result(permitted.refusal, "not allowed", is_error=True)
        if permitted.changed is not None:
            params = permitted.changed.params
        context = replace(agent.context, output=show, grant=permitted.grant, part=permitted.part)
        result = await self._run(call, tool, params, summary, context)
        if agent.hooks is None:
            return result
        more = await agent.hooks.after_call(call, tool.touches(params).paths, result)
        return modified(result, text="\n".join(filter(None, (result.text, ruled.context, more))))

    async def _ruled(self, call: ToolCall, tool: Tool[Any], params: Any) -> tuple[Ruled, Any]:
        """Return what hooks say of a call, and the arguments that it has then."""
        hooks = self._agent.hooks
        if hooks is None:
            return UNRULED, params
        ruled = await hooks.before_call(call, tool.touches(params).paths)
        return ruled, params if ruled.arguments is None else parse(tool, ruled.arguments)

    async def _run(
        self, call: ToolCall, tool: Tool[Any], params: Any, summary: str, context: Context
    ) -> Result:
        agent = self._agent
        if tool.effect not in _MAY_CHANGE:
            return await tool.run(params, context)
        async with agent.changing:
            if agent.checkpoints is None:
                return await tool.run(params, context)
            title = agent.masker.mask(f"{tool.name} {summary}".strip())
            try:
                await agent.checkpoints.before(title, call.id, tool.touches(params).paths)
            except QcodeError as error:
                raise ToolError(f"Not run, as the files could not be kept: {error}") from error
            lost = ""
            try:
                result = await tool.run(params, context)
            finally:
                lost = await self._keep()
            return modified(result, text=f"{result.text}\n{lost}") if lost else result

    async def _keep(self) -> str:
        """Keep what the call did, also one that was interrupted; return what went wrong."""
        assert self._agent.checkpoints is not None
        keeping = asyncio.ensure_future(self._agent.checkpoints.after())
        try:
            await asyncio.shield(keeping)
        except asyncio.CancelledError:
            await asyncio.wait([keeping])
            raise
        except QcodeError as error:
            return f"[The files as they are now could not be kept: {error}]"
        return ""
