"""Asking a server what it offers, and taking of it what can be taken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qcode.errors import UsageError
from qcode.mcp.errors import in_words, is_closed
from qcode.mcp.listing import MOST_TOOLS, Listing, OfferedPrompt, OfferedTool, harmless, tool_from

if TYPE_CHECKING:
    from mcp import Client

PAGES = 50
MOST_PROBLEMS = 20


async def offers(client: Client, name: str) -> Listing:
    """Return what the server of that name offers.

    A list of prompts or resources that cannot be had is told of; it is no reason to do without
    the tools.
    """
    has = client.server_capabilities
    problems: list[str] = []
    tools = await _tools(client, name, problems) if has.tools is not None else ()
    prompts: list[OfferedPrompt] = []
    resources: list[tuple[str, str]] = []
    if has.prompts is not None:
        with _told_of(problems, f"the MCP server `{name}` does not list its prompts"):
            prompts = [_prompt(one) async for one in _pages(client.list_prompts, "prompts")]
    if has.resources is not None:
        with _told_of(problems, f"the MCP server `{name}` does not list its resources"):
            async for one in _pages(client.list_resources, "resources"):
                about = harmless(one.description or one.title or one.name, 200)
                resources.append((harmless(one.uri, 2000), about))
    return Listing(
        tools,
        tuple(prompts[:MOST_TOOLS]),
        tuple(resources[:MOST_TOOLS]),
        harmless(client.instructions, 2000),
        tuple(problems),
    )


@contextmanager
def _told_of(problems: list[str], what: str) -> Iterator[None]:
    """Take an error for a problem, as long as the connection stands."""
    from mcp import MCPError

    try:
        yield
    except (MCPError, ValueError) as error:
        if is_closed(error):
            raise
        problems.append(f"{what}: {in_words(error)}")


async def _tools(client: Client, name: str, problems: list[str]) -> tuple[OfferedTool, ...]:
    tools: dict[str, OfferedTool] = {}
    async for one in _pages(client.list_tools, "tools"):
        hints = one.annotations
        try:
            tool = tool_from(
                one.name,
                one.description or one.title or (hints.title if hints else ""),
                one.input_schema,
                is_reading=bool(hints and hints.read_only_hint),
                destroys=bool(hints and hints.destructive_hint and not hints.read_only_hint),
            )
        except UsageError as error:
            problems.append(f"of the MCP server `{name}` a tool is left out: {error}")
            continue
        if tool.name in tools:
            problems.append(f"the MCP server `{name}` offers two tools `{tool.name}`")
        elif len(tools) >= MOST_TOOLS:
            problems.append(f"only {MOST_TOOLS:,} tools of the MCP server `{name}` are taken")
            break
        else:
            tools[tool.name] = tool
    return tuple(tools.values())


def _prompt(one: Any) -> OfferedPrompt:
    return OfferedPrompt(
        harmless(one.name, 128),
        harmless(one.description or one.title, 500),
        tuple(f"{a.name}{'!' if a.required else ''}" for a in one.arguments or ()),
    )


async def _pages(ask: Callable[..., Awaitable[Any]], field: str) -> AsyncIterator[Any]:
    """Yield what a list has on all its pages; one that never ends is cut."""
    cursor = None
    for _ in range(PAGES):
        page = await ask(cursor=cursor)
        for one in getattr(page, field):
            yield one
        cursor = page.next_cursor
        if not cursor:
            return
