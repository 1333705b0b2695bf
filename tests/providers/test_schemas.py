from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.providers import ToolSpec
from qcode.providers.schemas import call_schema, plain_schema
from qcode.tools import all_tools
from qcode.tools.schema import schema

KEPT = {"type", "properties", "required", "items", "enum", "description"}


def of(parameter: Any, **root: Any) -> Any:
    wrapped = {"type": "object", "properties": {"p": parameter}, **root}
    return plain_schema(wrapped)["properties"]["p"]


@pytest.mark.parametrize(
    "rich, plain",
    [
        ({"type": "string", "format": "uri", "pattern": "^\\d+$"}, {"type": "string"}),
        ({"type": "integer", "minimum": 1, "default": 3}, {"type": "integer"}),
        ({"type": ["null", "integer"]}, {"type": "integer"}),
        ({"anyOf": [{"type": "null"}, {"type": "number"}]}, {"type": "number"}),
        (
            {"oneOf": [{"type": "boolean", "description": "in"}], "description": "out"},
            {"type": "boolean", "description": "out"},
        ),
        ({"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"enum": [1, 2], "type": "integer"}, {"type": "integer"}),
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"type": "array"}, {"type": "array", "items": {"type": "string"}}),
        (
            {"type": "array", "items": [{"type": "integer"}], "minItems": 1},
            {"type": "array", "items": {"type": "integer"}},
        ),
        ({"items": {"type": "number"}}, {"type": "array", "items": {"type": "number"}}),
        (
            {"properties": {"a": {}}, "required": ["a", "gone"], "additionalProperties": False},
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        ),
        (
            {"allOf": [{"properties": {"a": True}}, {"properties": {"b": {"type": "integer"}}}]},
            {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}},
        ),
        (
            {"type": "object", "properties": {"a": {}}, "allOf": [{"required": ["a"]}]},
            {"type": "object", "properties": {"a": {"type": "string"}}},
        ),
        ({"allOf": [{}]}, {"type": "string"}),
        ({"$ref": "#/$defs/size"}, {"type": "integer", "description": "big"}),
        ({"$ref": "#/$defs/none"}, {"type": "string"}),
        (True, {"type": "string"}),
        ({}, {"type": "string"}),
    ],
)
def test_only_the_plain_subset_is_left(rich: Any, plain: Any) -> None:
    assert of(rich, **{"$defs": {"size": {"type": "integer", "description": "big"}}}) == plain


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    endless = {"$ref": "#/$defs/endless"}

    anything = {"type": "object", "properties": {}}
    assert of({"$ref": "#/$defs/node"}, **{"$defs": {"node": node}}) == {
        "type": "object",
        "properties": {"next": anything},
    }
    assert of(endless, **{"$defs": {"endless": endless}}) == anything


def test_parameters_are_always_an_object() -> None:
    assert plain_schema({}) == {"type": "object", "properties": {}}


@pytest.mark.parametrize("tool", all_tools(), ids=lambda tool: tool.name)
def test_the_schemas_of_the_own_tools_are_plain(tool: Any) -> None:
    assert plain_schema(schema(tool.params)) == schema(tool.params)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | st.just("#/properties/p"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "required", "items", "enum", "const", "anyOf", "allOf", "p"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_value_becomes_a_plain_schema(value: Any) -> None:
    def check(plain: Any) -> None:
        assert plain.keys() <= KEPT
        for inner in plain.get("properties", {}).values():
            check(inner)
        if "items" in plain:
            check(plain["items"])

    check(of(value))


def test_a_call_is_one_of_the_tools() -> None:
    tools = [ToolSpec(name, "", {"type": "object", "properties": {}}) for name in ("a", "b")]

    one, other = call_schema(tools)["anyOf"]

    assert call_schema(tools[:1]) == one
    assert other == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "enum": ["b"]},
            "arguments": {"type": "object", "properties": {}},
        },
        "required": ["name", "arguments"],
    }
