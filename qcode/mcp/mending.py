"""Lists of tools in which some are no tools: these are taken out before the library reads them.

It holds a list to the protocol as a whole, so that one bad tool would take all others with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp.types import Tool

from qcode.mcp.listing import harmless


class Mended:
    """A stream of messages from a server; all but lists of tools passes as it is."""

    def __init__(self, stream: Any, tell: Callable[[str], None], ended: Callable[[], None]) -> None:
        """`tell` hears of each tool that is taken out; `ended` is called when nothing comes."""
        self._stream = stream
        self._tell = tell
        self._ended = ended

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> Mended:
        return self

    async def __anext__(self) -> Any:
        try:
            return self._mended(await self._stream.__anext__())
        except StopAsyncIteration:
            self._ended()
            raise

    async def receive(self) -> Any:
        """Return the next message."""
        return self._mended(await self._stream.receive())

    async def __aenter__(self) -> Mended:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._stream.__aexit__(*error)

    def _mended(self, message: Any) -> Any:
        result = getattr(getattr(message, "message", None), "result", None)
        if isinstance(result, dict) and isinstance(result.get("tools"), list):
            result["tools"] = [tool for tool in result["tools"] if self._is_tool(tool)]
        return message

    def _is_tool(self, tool: Any) -> bool:
        """Whether the library takes a tool; a schema that only lacks its type gets it."""
        name = harmless(str(tool.get("name") if isinstance(tool, dict) else tool), 80)
        schema = tool.get("inputSchema") if isinstance(tool, dict) else None
        if isinstance(schema, dict):
            schema.setdefault("type", "object")
        why = ""
        if not isinstance(schema, dict) or schema["type"] != "object":
            why = "its schema is that of no object"
        elif not _are_schemas(schema.get("properties", {})):
            why = "it has properties that are no schemas"
        elif not _is_text_list(schema.get("required", [])):
            why = "what it requires is no list of names"
        else:
            try:
                Tool.model_validate(tool)
            except ValueError:
                why = "it is not as the protocol has it"
        if why:
            self._tell(f"the tool `{name}`: {why}")
        return not why


def _are_schemas(properties: Any) -> bool:
    return isinstance(properties, dict) and all(
        isinstance(one, dict | bool) for one in properties.values()
    )


def _is_text_list(names: Any) -> bool:
    return isinstance(names, list) and all(isinstance(one, str) for one in names)
