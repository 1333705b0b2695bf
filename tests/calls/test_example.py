from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.calls.example import example
from qcode.calls.values import violations
from qcode.tools import all_tools
from qcode.tools.schema import schema


def test_our_tools_have_plausible_examples() -> None:
    assert {tool.name: example(schema(tool.params)) for tool in all_tools()} == {
        "read_file": {"file_path": "src/app.py"},
        "write_file": {"file_path": "src/app.py", "content": "text\n"},
        "edit": {"file_path": "src/app.py", "old_string": "x = 1", "new_string": "x = 2"},
        "list_directory": {"path": "src/app.py"},
        "glob": {"pattern": "def main"},
        "grep_search": {"pattern": "def main"},
        "run_shell_command": {"command": "ls"},
        "todo_write": {"todos": [{"content": "Read the code", "status": "pending"}]},
        "multi_edit": {
            "edits": [{"file_path": "src/app.py", "old_string": "x = 1", "new_string": "x = 2"}]
        },
        "apply_patch": {
            "input": "*** Begin Patch\n*** Update File: src/app.py\n@@\n-x = 1\n+x = 2\n"
            "*** End Patch"
        },
        "notebook_edit": {"notebook_path": "analysis.ipynb"},
        "recall": {"query": "def main"},
        "outline": {"file_path": "src/app.py"},
        "find_symbol": {"name": "main"},
        "find_references": {"name": "main"},
    }


@pytest.mark.parametrize(
    "of, value",
    [
        ({"type": "string"}, "text"),
        ({"type": "integer"}, 1),
        ({"type": ["null", "boolean"]}, True),
        ({"type": "null"}, None),
        ({"enum": ["a", "b"]}, "a"),
        ({"type": "array", "items": {"enum": [2, 3]}}, [2]),
        ({"type": "array"}, []),
        ({"type": "object", "properties": {"url": {"type": "string"}}}, {"url": "https://example.org/"}),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({}, "text"),
        (True, "text"),
    ],
)  # fmt: skip
def test_a_value_is_made_from_the_type(of: Any, value: Any) -> None:
    assert example({"properties": {"v": of}, "required": ["v"]}) == {"v": value}


def test_a_known_name_of_another_type_gets_a_value_of_that_type() -> None:
    properties = {"path": {"type": "integer"}, "command": {"type": "array", "items": {}}}

    assert example({"properties": properties, "required": ["path", "command"]}) == {
        "path": 1,
        "command": ["ls"],
    }


NAMES = st.sampled_from(["path", "command", "limit", "todos", "odd", "name", "globs", "content"])
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


def extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.fixed_dictionaries({"type": st.just("array")}, optional={"items": inner})
        | objects(inner)
        | st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches})
        | st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"oneOf": branches})
    )


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"type": st.just("object")},
        optional={
            "properties": st.dictionaries(NAMES, inner, max_size=4),
            "required": st.lists(NAMES, unique=True, max_size=3),
            "additionalProperties": st.booleans() | inner,
        },
    )


SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.just({})
    | KINDS.map(lambda kind: {"type": kind})
    | st.lists(KINDS, min_size=1, unique=True).map(lambda kinds: {"type": kinds})
    | st.lists(VALUES, min_size=1, max_size=3).map(lambda values: {"enum": values}),
    extend,
    max_leaves=8,
)


@given(objects(SCHEMAS))
def test_an_example_follows_its_schema(of: Any) -> None:
    made = example(of)

    assert violations(made, of) == ()
    assert list(made) == of.get("required", [])
