"""What the model calls: one tool of a server, and the way to those it has not seen yet."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from qcode.errors import QcodeError, ToolError
from qcode.mcp.connection import Connection
from qcode.mcp.content import bounded, taken
from qcode.mcp.listing import OfferedTool, harmless
from qcode.messages import JsonObject
from qcode.prompts import load
from qcode.tools.base import Context, Effect, Result, Tool
from qcode.tools.clip import clip
from qcode.tools.given import Given

FOUND = 8
"""Tools that a search tells of."""


def full_name(server: str, tool: str) -> str:
    """Return a tool's name among all tools, as other agents write it too.

    Two tools can come to one name; the hub sees to that.
    """
    return f"mcp__{server}__{re.sub(r'[^A-Za-z0-9_-]', '_', tool)}"


class ServerTool(Given):
    """One tool of a server."""

    def __init__(
        self,
        connection: Connection,
        offered: OfferedTool,
        introduced: Callable[[], str],
        sees: Callable[[], bool],
    ) -> None:
        """`introduced` returns what the server says of itself, where that is not told yet.

        `sees` says whether the model that answers now takes pictures.
        """
        server = connection.server
        # What a server says of its own harmlessness is believed of a trusted one alone.
        reads = server.trust and offered.is_reading
        super().__init__(
            full_name(server.name, offered.name),
            offered.description,
            offered.schema,
            Effect.READ if reads else Effect.EXTERNAL,
        )
        self.connection = connection
        self.offered = offered
        self._introduced = introduced
        self._sees = sees

    @property
    def rule(self) -> str:
        """The rule that allows every call."""
        return f"mcp({self.connection.server.name}:{self.name.split('__', 2)[2]})"

    @property
    def shown_name(self) -> str:
        """How people and the model say it."""
        return f"{self.connection.server.name}:{self.offered.name}"

    def summary(self, params: JsonObject) -> str:
        """Return the call in a line."""
        words = ", ".join(
            f"{key}={clip(json.dumps(value, ensure_ascii=False))}" for key, value in params.items()
        )
        risk = " (may lose data, its server says)" if self.offered.destroys else ""
        return f"{self.shown_name}({words}){risk}"

    async def run(self, params: JsonObject, context: Context) -> Result:
        """Have the server do it.

        Raises:
            ToolError: the server cannot be used, or takes too long.
        """

        async def asking(client: Any, alive: Any) -> Any:
            async def progress(done: float, total: float | None, message: str | None) -> None:
                alive()
                part = f"{done:g}" if total is None else f"{done:g}/{total:g}"
                context.output(f"{part} {harmless(message, 200)}".rstrip() + "\n")

            return await client.call_tool(self.offered.name, params, progress_callback=progress)

        try:
            answer = await self.connection.ask(asking)
        except QcodeError as error:
            raise ToolError(f"{error}.") from error
        took = taken(answer.content, answer.structured_content, context, sees=self._sees())
        text = took.text
        failed = bool(answer.is_error)
        lines = text.count("\n") + 1 if text else 0
        said = self._introduced()
        summary = "failed" if failed else f"{lines} line{'s' * (lines != 1)}"
        shown = bounded(text, context) or "(no output)"
        told = f"{shown}\n{said}" if said else shown
        return Result(told, summary, is_error=failed, images=took.images)

    def manual(self) -> str:
        """Return what the model has to know to call it."""
        schema = json.dumps(self.offered.schema, ensure_ascii=False)
        about = f": {self.offered.description}" if self.offered.description else ""
        said = self._introduced()
        manual = f"{self.shown_name}{about}\nArguments (JSON Schema): {schema}"
        return f"{manual}\n{said}" if said else manual


class UseTool(Given):
    """Calls a tool of a server, or tells what it takes: so that no schema is told beforehand."""

    def __init__(
        self, known: Mapping[str, Tool[Any]], settle: Callable[[], Awaitable[bool]]
    ) -> None:
        """`known` has the servers' tools among others, by name; read at each call.

        `settle` waits for servers that did not say yet what they offer.
        """
        super().__init__(
            "use_tool",
            load("mcp/use_tool"),
            {
                "type": "object",
                "properties": {"tool": {"type": "string"}, "arguments": {"type": "object"}},
                "required": ["tool"],
            },
            Effect.READ,
        )
        self._known = known
        self._settle = settle

    def _tools(self) -> Sequence[ServerTool]:
        return [tool for tool in self._known.values() if isinstance(tool, ServerTool)]

    def summary(self, params: JsonObject) -> str:
        """Return what it is asked about."""
        return f"what {clip(str(params.get('tool')))} takes"

    def meant(self, params: JsonObject) -> tuple[Tool[Any], Any]:
        """Return the tool that is to be called; itself where no arguments are given.

        Raises:
            ToolError: there is no such tool, or the arguments are not its.
        """
        arguments = params.get("arguments")
        if arguments is None:
            return self, params
        found = self._named(str(params["tool"]))
        if len(found) != 1:
            return self, params
        return found[0], found[0].build(arguments)

    def _named(self, written: str) -> list[ServerTool]:
        """Return the tools that a name may mean: one, if it is clear."""
        name = written.strip()
        tools = self._tools()
        exact = [t for t in tools if name in (t.name, t.shown_name)]
        if exact:
            return exact
        bare = [t for t in tools if t.offered.name == name]
        if bare:
            return bare
        loose = re.sub(r"[^a-z0-9]+", "", name.lower())
        return [
            t
            for t in tools
            if loose
            in (
                re.sub(r"[^a-z0-9]+", "", each.lower())
                for each in (t.name, t.shown_name, t.offered.name)
            )
        ]

    async def run(self, params: JsonObject, context: Context) -> Result:
        """Tell what a tool takes, or which there are.

        Raises:
            ToolError: nothing is like what was named.
        """
        written = str(params["tool"]).strip()
        found = self._named(written)
        if not found and await self._settle():
            found = self._named(written)
        if len(found) == 1:
            return Result(found[0].manual(), found[0].shown_name)
        if found:
            names = ", ".join(tool.shown_name for tool in found)
            raise ToolError(f"{clip(written)} may be any of {names}. Name one of these.")
        of_server = [t for t in self._tools() if t.connection.server.name == written]
        if of_server:
            lines = [f"- {t.shown_name}: {_first(t.offered.description)}" for t in of_server]
            return Result(bounded("\n".join(lines), context), f"{len(lines)} tools")
        near = self._near(written)
        if not near:
            raise ToolError(f"There is no tool like {clip(written)}.")
        lines = [f"- {t.shown_name}: {_first(t.offered.description)}" for t in near]
        told = f"There is no tool {clip(written)}. These may be meant:\n"
        return Result(told + "\n".join(lines), "not found", is_error=True)

    def _near(self, written: str) -> list[ServerTool]:
        """Return the tools that have most words in common with what was written."""
        words = set(re.findall(r"[a-z0-9]+", written.lower()))

        def likeness(tool: ServerTool) -> float:
            its = set(re.findall(r"[a-z0-9]+", tool.shown_name.lower().replace("_", " ")))
            about = set(re.findall(r"[a-z0-9]+", tool.offered.description.lower()))
            close = difflib.SequenceMatcher(None, written.lower(), tool.shown_name.lower()).ratio()
            return 2 * len(words & its) + len(words & about) + close

        ranked = sorted(self._tools(), key=likeness, reverse=True)
        return [tool for tool in ranked[:FOUND] if likeness(tool) > 0.5]


def _first(description: str) -> str:
    """Return the first sentence, in a line."""
    line = " ".join(description.split())
    return re.split(r"(?<=[.;])\s", line, maxsplit=1)[0][:160]
