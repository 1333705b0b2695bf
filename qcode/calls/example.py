"""One correct call of a tool, to show a model that got it wrong."""

from __future__ import annotations

from typing import Any

from qcode.calls.names import resolve_parameter
from qcode.calls.shapes import (
    additional_of,
    alternatives_of,
    choices_of,
    kind_of,
    properties_of,
    required_of,
)
from qcode.calls.values import violations
from qcode.messages import JsonObject

_BY_NAME: dict[str, Any] = {
    "file_path": "src/app.py",
    "directory": "src",
    "command": "ls",
    "old_string": "x = 1",
    "new_string": "x = 2",
    "content": "text\n",
    "pattern": "def main",
    "name": "main",
    "glob": "*.py",
    "limit": 20,
    "url": "https://example.org/",
    "status": "pending",
    "todos": [{"content": "Read the code", "status": "pending"}],
    "input": "*** Begin Patch\n*** Update File: src/app.py\n@@\n-x = 1\n+x = 2\n*** End Patch",
    "notebook_path": "analysis.ipynb",
}
"""By what is told apart best; other spellings are found as those of calls are."""
_BY_KIND: dict[str, Any] = {
    "string": "text", "integer": 1, "number": 1, "boolean": True, "null": None, "": "text",
}  # fmt: skip


def example(schema: JsonObject) -> dict[str, Any]:
    """Return the required arguments of a tool, with values that its schema allows."""
    return _object(schema, required_of(schema))


def _object(schema: JsonObject, names: list[str]) -> dict[str, Any]:
    properties, more = properties_of(schema), additional_of(schema)
    return {name: _value(name, properties.get(name, more or {})) for name in names}


def _value(name: str, schema: JsonObject) -> Any:
    known = resolve_parameter(name, _BY_NAME, ())
    if known and _is_valid(_BY_NAME[known], schema):
        return _BY_NAME[known]
    built = [_of_one_kind(name, one) for one in alternatives_of(schema)]
    # A value that says something before null, if both are allowed.
    built.sort(key=lambda value: value is None)
    return next((value for value in built if _is_valid(value, schema)), built[0])


def _of_one_kind(name: str, schema: JsonObject) -> Any:
    choices = choices_of(schema)
    if choices is not None:
        return next((each for each in choices if _is_valid(each, schema)), choices[0])
    kind = kind_of(schema)
    if kind == "object":
        names = required_of(schema) or list(properties_of(schema))[:1]
        return _object(schema, names)
    if kind == "array":
        items = schema.get("items")
        return [_value(name.removesuffix("s"), items)] if isinstance(items, dict) else []
    return _BY_KIND[kind]


def _is_valid(value: Any, schema: JsonObject) -> bool:
    return not violations({"": value}, {"properties": {"": schema}})
