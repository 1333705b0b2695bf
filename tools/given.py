"""Tools whose parameters come as a JSON Schema: those of servers, and of people's own functions."""

from __future__ import annotations

import json
from abc import abstractmethod

from qcode.errors import ToolError
from qcode.messages import JsonObject
from qcode.tools.base import Context, Effect, Result, Tool
from qcode.tools.clip import clip
from qcode.tools.sizes import Sizes

_SHOWN = 2000
"""Characters of a schema that are shown with what is wrong."""

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class Given(Tool[JsonObject]):
    """A tool that is described by somebody else; its parameters are the arguments as they are.

    Arguments are checked for what is missing, unknown or of another type at the top: enough to
    tell the model what to send. The rest is for whoever runs it to judge.
    """

    def __init__(
        self,
        name: str,
        description: str,
        parameters: JsonObject,
        effect: Effect = Effect.EXTERNAL,
    ) -> None:
        """`parameters` is the JSON Schema of an object."""
        self.name = name
        self.effect = effect
        self._description = description
        self._parameters = parameters

    def described(self, sizes: Sizes) -> str:
        """Return what the model reads of it."""
        return self._description

    def parameters(self, *, hidden: bool = False) -> JsonObject:
        """Return the JSON Schema of the arguments."""
        return self._parameters

    def build(self, data: JsonObject) -> JsonObject:
        """Return the arguments.

        Raises:
            ToolError: they are not those of the schema.
        """
        if wrong := self._wrong(data):
            raise ToolError(
                f"{self.name} was not run: {wrong} Its parameters: "
                f"{json.dumps(self._parameters, ensure_ascii=False)[:_SHOWN]}"
            )
        return data

    def _wrong(self, data: JsonObject) -> str:
        properties = self._parameters.get("properties")
        known = properties if isinstance(properties, dict) else {}
        required = self._parameters.get("required")
        for name in required if isinstance(required, list) else ():
            if isinstance(name, str) and name not in data:
                return f"`{clip(name)}` is missing."
        for name, value in data.items():
            if name not in known:
                if self._parameters.get("additionalProperties") is False:
                    return f"There is no parameter `{clip(name)}`."
                continue
            schema = known[name]
            kind = schema.get("type") if isinstance(schema, dict) else None
            kinds = [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else []
            if kinds and not any(_is(value, str(each)) for each in kinds):
                return f"`{clip(name)}` must be {' or '.join(map(str, kinds))}."
        return ""

    @abstractmethod
    async def run(self, params: JsonObject, context: Context) -> Result:
        """Do it."""


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean" or kind not in _KINDS
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _KINDS.get(kind, (object,)))
