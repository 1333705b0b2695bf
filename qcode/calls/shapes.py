"""What a tool's JSON Schema says of its arguments.

The part that tools use is known: `type`, `properties`, `required`, `items`,
`enum`, `anyOf`, `oneOf`, `additionalProperties`. What else a schema says is not
looked at, and what it says wrongly counts as not said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qcode.calls.lenient import same
from qcode.messages import JsonObject


def properties_of(schema: JsonObject) -> dict[str, JsonObject]:
    found = schema.get("properties")
    if not isinstance(found, dict):
        return {}
    return {name: of if isinstance(of, dict) else {} for name, of in found.items()}


def required_of(schema: JsonObject) -> list[str]:
    found = schema.get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def additional_of(schema: JsonObject) -> JsonObject | None:
    """Return the schema of parameters that are not listed; None if there should be none."""
    more = schema.get("additionalProperties", "properties" not in schema)
    if isinstance(more, dict):
        return more
    return {} if more is True else None


def alternatives_of(schema: JsonObject) -> list[JsonObject]:
    """Return the schemas of one type each, or of any, that a value may follow."""
    for word in ("anyOf", "oneOf"):
        branches = schema.get(word)
        if isinstance(branches, list) and branches:
            rest = {key: value for key, value in schema.items() if key != word}
            return [
                one
                for branch in branches
                for one in alternatives_of(rest | branch if isinstance(branch, dict) else rest)
            ]
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return [schema | {"type": kind} for kind in kinds] or [schema]
    if kinds is None:
        implied = next((kind for word, kind in _IMPLIED.items() if word in schema), None)
        if implied and not isinstance(schema.get("enum"), list):
            return [schema | {"type": implied}]
    return [schema]


_IMPLIED = {"properties": "object", "additionalProperties": "object", "items": "array"}
"""Words that only one type has; schemas written by hand leave the type out."""


def kind_of(schema: JsonObject) -> str:
    """Return the type that an alternative names; empty for any."""
    kind = schema.get("type")
    return kind if isinstance(kind, str) and kind in TESTS else ""


def _is_integer(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


TESTS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": _is_integer,
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def is_of(value: Any, schema: JsonObject) -> bool:
    """Say whether a value is of the type and among the values of an alternative."""
    kind = kind_of(schema)
    if kind and not TESTS[kind](value):
        return False
    choices = choices_of(schema)
    return choices is None or any(same(value, choice) for choice in choices)


def choices_of(schema: JsonObject) -> list[Any] | None:
    """Return the only values that an alternative takes; None if they are not listed."""
    found = schema.get("enum")
    return found if isinstance(found, list) and found else None


def takes_null(schema: JsonObject) -> bool:
    return any(is_of(None, one) for one in alternatives_of(schema))
