"""JSON Schemas for servers: a plain subset of them, and one of a call as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qcode.messages import JsonObject
from qcode.providers import ToolSpec
from qcode.record import Record

_TYPES = ("string", "integer", "number", "boolean", "object", "array")

_MAX_DEPTH = 50


class _Within(Record):
    """Where a schema stands."""

    root: JsonObject
    references: tuple[str, ...] = ()
    """Those followed to it; a schema may refer to itself."""
    depth: int = 0


def plain_schema(schema: JsonObject) -> JsonObject:
    """Return a schema of an object in the subset that every grammar compiler takes.

    What is left is type, properties, required, items, enum of strings, and
    description. References are resolved; of alternatives the first that is not
    null stands for all; patterns, formats, bounds and additionalProperties are
    gone. The model is so told less than is checked: a call that such a schema
    allows may still be refused when it is read.
    """
    plain = _plain(schema, _Within(schema))
    return plain if plain["type"] == "object" else {"type": "object", "properties": {}}


def call_schema(tools: Sequence[ToolSpec]) -> JsonObject:
    """Return the schema of `{"name": …, "arguments": {…}}` for any one of the tools."""
    calls: list[JsonObject] = [
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "enum": [spec.name]},
                "arguments": plain_schema(spec.parameters),
            },
            "required": ["name", "arguments"],
        }
        for spec in tools
    ]
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def _plain(schema: Any, within: _Within) -> JsonObject:
    if not isinstance(schema, dict) or within.depth > _MAX_DEPTH:
        return {"type": "string"}
    inside = _Within(within.root, within.references, within.depth + 1)
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference in within.references:
            return {"type": "object", "properties": {}}
        followed = _Within(within.root, (*within.references, reference), within.depth + 1)
        return _described(_plain(_at(within.root, reference), followed), schema)
    members = _list(schema.get("anyOf")) or _list(schema.get("oneOf"))
    if members:
        member = next((m for m in members if m != {"type": "null"}), members[0])
        return _described(_plain(member, inside), schema)
    if _list(schema.get("allOf")):
        own = {key: value for key, value in schema.items() if key != "allOf"}
        parts = [part for part in (own, *schema["allOf"]) if _says_what(part)]
        return _described(_all([_plain(part, inside) for part in parts]), schema)
    kind = _kind(schema)
    out: JsonObject = {"type": kind}
    if kind == "object":
        given = schema.get("properties")
        properties = given if isinstance(given, dict) else {}
        out["properties"] = {name: _plain(value, inside) for name, value in properties.items()}
        required = [n for n in _list(schema.get("required")) if isinstance(n, str)]
        if required := [name for name in required if name in properties]:
            out["required"] = required
    elif kind == "array":
        items = schema.get("items")
        out["items"] = _plain(next(iter(_list(items)), items), inside)
    elif kind == "string":
        choices = _list(schema.get("enum")) or [schema.get("const")]
        if all(isinstance(choice, str) for choice in choices):
            out["enum"] = choices
    return _described(out, schema)


def _all(members: list[JsonObject]) -> JsonObject:
    """Return what all the plain schemas say together; of different types the first wins."""
    out: JsonObject = dict(members[0]) if members else {"type": "string"}
    for member in members[1:]:
        if member["type"] == out["type"] == "object":
            out["properties"] = {**out["properties"], **member["properties"]}
            if required := [*out.get("required", []), *member.get("required", [])]:
                out["required"] = list(dict.fromkeys(required))
    return out


def _says_what(part: Any) -> bool:
    """Return whether a part of `allOf` is more than a condition on the others."""
    said = {"type", "properties", "items", "enum", "const", "$ref", "anyOf", "oneOf", "allOf"}
    return isinstance(part, dict) and not said.isdisjoint(part)


def _at(root: JsonObject, reference: str) -> Any:
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _kind(schema: JsonObject) -> str:
    kind: Any = schema.get("type")
    kind = next((one for one in _list(kind) if one != "null"), kind)
    if kind in _TYPES:
        return str(kind)
    # Without a type some compilers refuse it; text can hold anything.
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _described(plain: JsonObject, schema: JsonObject) -> JsonObject:
    said = schema.get("description")
    return {**plain, "description": said} if isinstance(said, str) else plain


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
