"""qcode's tools for another agent: a server of the protocol on stdin and stdout."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolResult,
    ClientCapabilities,
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListToolsResult,
    TextContent,
    ToolAnnotations,
)
from mcp.types import Tool as Described
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from qcode import __version__
from qcode.approvals import Scope
from qcode.calling import Calling
from qcode.escapes import plain
from qcode.mcp.client_asking import Ask, asking
from qcode.messages import JsonObject
from qcode.tools.base import Effect, Tool

log = logging.getLogger(__name__)

PULSE_S = 5
"""Between signs that a call goes on."""

_YES: dict[str, Any] = {"type": "object", "properties": {}}
_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "until": {
            "type": "string",
            "title": "Allow it",
            "enum": ["this once", "the end of the session"],
            "default": "this once",
        }
    },
}


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

    async def call_tool(context: Any, params: Any) -> CallToolResult | InputRequiredResult:
        tool = by_name.get(params.name)
        if tool is None:
            known = ", ".join(by_name)
            return _answer(f"There is no tool `{params.name[:80]}`. There are: {known}.", True)
        before(tool)
        asking.set(_ask_of(context, params))
        try:
            async with _alive(context) as show:
                result = await calling.call(params.name, params.arguments or {}, show)
        except _Unanswered as question:
            return question.result
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


class _Unanswered(Exception):
    """A question that a client of today is handed as the answer; it comes again with the answer."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__()
        self.result = result


def _ask_of(context: Any, params: Any) -> Ask | None:
    """Return how the client of a request is asked; None: it does not offer to be."""
    session = context.session
    offers = ClientCapabilities(elicitation=ElicitationCapability())
    if not session.check_client_capability(offers):
        return None
    is_modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def ask(question: str, may_last: bool) -> Scope | None:
        schema = _FORM if may_last else _YES
        if not is_modern:
            answer = await session.elicit_form(question, schema, context.request_id)
            return _scope(answer)
        key = hashlib.blake2b(question.encode(), digest_size=8).hexdigest()
        given = (params.input_responses or {}).get(key)
        if isinstance(given, ElicitResult):
            return _scope(given)
        form = ElicitRequestFormParams(message=question, requested_schema=schema)
        raise _Unanswered(InputRequiredResult(input_requests={key: ElicitRequest(params=form)}))

    return ask


def _scope(answer: ElicitResult) -> Scope | None:
    if answer.action != "accept":
        return None
    lasts = (answer.content or {}).get("until") == "the end of the session"
    return Scope.SESSION if lasts else Scope.ONCE


@asynccontextmanager
async def _alive(context: Any) -> AsyncIterator[Callable[[str], None]]:
    """Yield what takes a call's output; its last line is told now and then, so that the client
    sees that it goes on."""
    last = ""

    def show(text: str) -> None:
        nonlocal last
        lines = text.strip().splitlines()
        last = plain(lines[-1])[:200] if lines else last

    async def tell() -> None:
        for seconds in itertools.count(PULSE_S, PULSE_S):
            await asyncio.sleep(PULSE_S)
            await context.session.report_progress(seconds, None, last or None)

    telling = asyncio.ensure_future(tell())
    try:
        yield show
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


def _answer(text: str, is_error: bool) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=is_error)


def _object(schema: JsonObject) -> JsonObject:
    return {"type": "object", **schema}
