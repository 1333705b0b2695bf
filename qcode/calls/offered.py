"""The tools of a request, as the formats need to know them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from qcode.calls.names import resolve_parameter, resolve_tool
from qcode.messages import JsonObject

_PLACEHOLDER = re.compile(
    r"(?i:name|example|(function|tool)([-_ ]?(name|call))?|your[-_ ].*|my[-_ ](tool|function))"
    r"|[A-Z_]+|.*[{}<>$…*].*|\.{2,}|"
)
"""A name that stands for any name, in documentation and templates."""


class Offered:
    """The tools that a call may name, by name, with the JSON Schema of their arguments."""

    def __init__(self, schemas: Mapping[str, JsonObject]) -> None:
        self._schemas = schemas
        self._resolved: dict[str, str | None] = {}

    def __bool__(self) -> bool:
        return bool(self._schemas)

    def __contains__(self, name: object) -> bool:
        return name in self._schemas

    @property
    def names(self) -> Collection[str]:
        """Of all tools, in order."""
        return self._schemas.keys()

    def schema(self, name: str) -> JsonObject:
        """Return the schema of an offered tool's arguments."""
        return self._schemas[name]

    def resolve(self, written: str) -> str | None:
        """Return the tool that a written name means, if any."""
        if written not in self._resolved:
            self._resolved[written] = resolve_tool(written, self._schemas.keys())
        return self._resolved[written]

    def is_placeholder(self, written: str) -> bool:
        """Whether a name is an example's, not a tool's."""
        return written not in self._schemas and _PLACEHOLDER.fullmatch(written.strip()) is not None

    def next_after(self, tool: str, given: Collection[str]) -> Callable[[str], bool]:
        """Return whether a call of the tool may go on with a parameter after those given.

        A tool that is not offered may take any.
        """
        name = self.resolve(tool)
        if name is None:
            return lambda parameter: parameter not in given
        properties = self._schemas[name].get("properties") or {}
        known = {resolve_parameter(each, properties, ()) for each in given}

        def is_next(parameter: str) -> bool:
            target = resolve_parameter(parameter, properties, ())
            return target is not None and target not in known

        return is_next
