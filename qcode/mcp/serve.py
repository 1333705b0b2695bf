"""qcode's tools for another agent: a server of the protocol on stdin and stdout."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolResult,
    ListToolsResult,
    TextContent,
    ToolAnnotations,
)
from mcp.types import Tool as Described

from qcode import __version__
from qcode.calling import Calling
from qcode.messages import JsonObject
from qcode.tools.base import Effect, Tool

log = logging.getLogger(__name__)


async def serve_tools(
    calling: Calling,
    tools: Sequence[Tool[Any]],
    descriptions: Mapping[str, str],
    instructions: str,
    before: Callable[[Tool[Any]], None],
) -> None:
    """Offer tools until stdin ends; `before` hears of each call that is about to be tried."""
    by_name = {tool.name: tool for tool in tools}
    offered = [
        Described(
            name=tool.name,
            description=descriptions[tool.name],
            input_schema=_object(tool.parameters()),
            annotations=ToolAnnotations(
                read_only_hint=tool.effect in (Effect.READ, Effect.STATE),
                destructive_hint=tool.effect is Effect.EXECUTE,
                open_world_hint=tool.effect is Effect.EXTERNAL,
            ),
        )
        for tool in tools
    ]

    async def list_tools(_context: Any, _params: Any) -> ListToolsResult:
        return ListToolsResult(tools=offered)

    async def call_tool(_context: Any, params: Any) -> CallToolResult:
        tool = by_name.get(params.name)
        if tool is None:
            known = ", ".join(by_name)
            return _answer(f"There is no tool `{params.name[:80]}`. There are: {known}.", True)
        before(tool)
        try:
            result = await calling.call(params.name, params.arguments or {})
        except Exception as error:
            # A bug must not end the server; the traceback goes to the log.
            log.exception("tool %s crashed", params.name)
            return _answer(f"{params.name} failed inside qcode: {error}", True)
        return _answer(result.text, result.is_error)

    server: Server[Any] = Server(
        "qcode",
        version=__version__,
        instructions=instructions,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    async with stdio_server() as (heard, said):
        await server.run(heard, said, server.create_initialization_options())


def _answer(text: str, is_error: bool) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=is_error)


def _object(schema: JsonObject) -> JsonObject:
    return {"type": "object", **schema}
