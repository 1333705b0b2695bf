from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.calls.values import coerce, unknown, violations

STRING = {"type": "string"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
BOOLEAN = {"type": "boolean"}
ARRAY = {"type": "array", "items": STRING}
OBJECT = {"type": "object", "properties": {"n": INTEGER}}
NULLABLE = {"type": ["string", "null"]}
STATUS = {"type": "string", "enum": ["pending", "in_progress", "completed"]}


def of(schema: Any, *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": {"v": schema}, "required": list(required)}


def same(one: Any, other: Any) -> bool:
    return json.dumps(one) == json.dumps(other)


@pytest.mark.parametrize(
    "schema, text, value",
    [
        (STRING, "  a \n", "  a \n"),
        (STRING, "5", "5"),
        (STRING, "null", "null"),
        (STRING, "&lt;b&gt; &amp;", "&lt;b&gt; &amp;"),
        (STRING, '{"n": 1}', '{"n": 1}'),
        (STRING, "", ""),
        (NULLABLE, "null", None),
        (NULLABLE, " None\n", None),
        (NULLABLE, "null and more", "null and more"),
        (NULLABLE, "NULL", "NULL"),
        ({"anyOf": [STRING, {"type": "null"}]}, "None", None),
        (INTEGER, "5", 5),
        (INTEGER, " 5\n", 5),
        (INTEGER, "-5", -5),
        (INTEGER, "10.0", 10),
        (INTEGER, "007", 7),
        (INTEGER, "10.5", "10.5"),
        (INTEGER, "five", "five"),
        (INTEGER, "", ""),
        (INTEGER, "9" * 5000, "9" * 5000),
        ({"type": ["integer", "null"]}, "null", None),
        (NUMBER, "1.5", 1.5),
        (NUMBER, "5", 5),
        (NUMBER, "1e3", 1000.0),
        (NUMBER, "1e999", "1e999"),
        (NUMBER, "NaN", "NaN"),
        (NUMBER, ".5", ".5"),
        (BOOLEAN, "true", True),
        (BOOLEAN, "True", True),
        (BOOLEAN, " FALSE ", False),
        (BOOLEAN, "yes", "yes"),
        (BOOLEAN, "1", "1"),
        (BOOLEAN, "", ""),
        (ARRAY, '["a", "b"]', ["a", "b"]),
        (ARRAY, "['a', 'b']", ["a", "b"]),
        (ARRAY, '"[\\"a\\"]"', ["a"]),
        (ARRAY, '["a", "b"', ["a", "b"]),
        (ARRAY, "[1, true]", ["1", "true"]),
        (ARRAY, "a, b", "a, b"),
        (ARRAY, '{"a": 1}', '{"a": 1}'),
        (OBJECT, "{'n': '3'}", {"n": 3}),
        (OBJECT, '{"n": {}}', {"n": {}}),
        (OBJECT, "[1]", "[1]"),
        (STATUS, "in_progress", "in_progress"),
        (STATUS, "In Progress", "in_progress"),
        (STATUS, "odd", "odd"),
        ({"enum": [1, 2]}, "2", 2),
        ({"enum": ["1", 2]}, "1", "1"),
        ({"type": ["string", "integer"]}, "4", 4),
        ({"type": ["string", "integer"]}, "007", "007"),
        ({"type": ["string", "number"]}, "3.10", "3.10"),
        ({"type": ["string", "number"]}, "3.5", 3.5),
        ({"type": ["string", "boolean"]}, "True", True),
        ({"type": ["string", "array"], "items": INTEGER}, "[1]", [1]),
        ({"type": ["string", "array"], "items": INTEGER}, "[1", "[1"),
        ({"type": ["string", "null"]}, "text", "text"),
        ({"anyOf": [ARRAY, INTEGER]}, "4", 4),
        ({"anyOf": [ARRAY, INTEGER]}, "['4']", ["4"]),
        ({}, "5", 5),
        ({}, "true", True),
        ({}, "null", None),
        ({}, '{"a": [1]}', {"a": [1]}),
        ({}, "{'a': 1}", "{'a': 1}"),
        ({}, '"a"', '"a"'),
        ({}, "True", "True"),
        ({}, "007", "007"),
        ({}, " text ", " text "),
    ],
)  # fmt: skip
def test_text_between_tags_gets_the_type_of_the_schema(schema: Any, text: str, value: Any) -> None:
    coerced = coerce({"v": text}, of(schema, "v"), raw=True)

    assert same(coerced.arguments, {"v": value})
    if isinstance(value, (int, float, bool)) or value == text:
        assert coerced.notes == ()


@pytest.mark.parametrize(
    "schema, given_, value, note",
    [
        (INTEGER, 5, 5, None),
        (INTEGER, "5", 5, "`v` was a string, taken as a number"),
        (INTEGER, 10.0, 10, None),
        (INTEGER, 10.5, 10.5, None),
        (INTEGER, True, True, None),
        (NUMBER, "1.5", 1.5, "`v` was a string, taken as a number"),
        (NUMBER, 2, 2, None),
        (BOOLEAN, "False", False, "`v` was a string, taken as a boolean"),
        (BOOLEAN, 1, 1, None),
        (BOOLEAN, "yes", "yes", None),
        (STRING, 5, "5", "`v` was a number, taken as a string"),
        (STRING, 1.5, "1.5", "`v` was a number, taken as a string"),
        (STRING, True, "true", "`v` was a boolean, taken as a string"),
        (STRING, {"a": 1}, {"a": 1}, None),
        (STRING, ["a"], ["a"], None),
        (STRING, "5", "5", None),
        (STRING, "null", "null", None),
        ({"type": ["string", "integer"]}, "5", "5", None),
        (ARRAY, '["a"]', ["a"], "`v` was a string, taken as a list"),
        (ARRAY, "a", "a", None),
        (ARRAY, ["a", 2], ["a", "2"], "`v[1]` was a number, taken as a string"),
        (OBJECT, '{"n": "3"}', {"n": 3}, "`v.n` was a string, taken as a number"),
        (OBJECT, {"n": "3"}, {"n": 3}, "`v.n` was a string, taken as a number"),
        (OBJECT, {"n": "x", "m": 1}, {"n": "x", "m": 1}, None),
        (STATUS, "In Progress", "in_progress", '`v` was taken for "in_progress"'),
        (STATUS, "odd", "odd", None),
        (STATUS, 5, 5, None),
        ({"enum": [1, 2]}, "2", 2, "`v` was a string, taken as a number"),
        ({"anyOf": [OBJECT, ARRAY]}, ["a", 1], ["a", "1"], "`v[1]` was a number"),
        ({"type": ["integer", "null"]}, "null", None, "`v` was a string, taken as null"),
        ({}, "5", "5", None),
        ({}, {"a": "5"}, {"a": "5"}, None),
    ],
)  # fmt: skip
def test_json_is_repaired_where_the_schema_leaves_no_doubt(
    schema: Any, given_: Any, value: Any, note: str | None
) -> None:
    coerced = coerce({"v": given_}, of(schema, "v"), raw=False)

    assert same(coerced.arguments, {"v": value})
    if note is None:
        assert coerced.notes == ()
    else:
        assert any(each.startswith(note) for each in coerced.notes), coerced.notes


@pytest.mark.parametrize("text", [None, "null", "None"])
def test_null_for_what_may_be_left_out_is_left_out(text: Any) -> None:
    assert coerce({"v": text}, of(INTEGER), raw=True).arguments == {}
    assert coerce({"v": None}, of(STRING), raw=True).arguments == {}
    assert coerce({"v": None}, of(STRING, "v"), raw=True).arguments == {"v": None}
    assert coerce({"v": None}, of(NULLABLE), raw=True).arguments == {"v": None}
    assert coerce({"v": {"n": None}}, of(OBJECT), raw=False).arguments == {"v": {}}


TODOS = {
    "type": "object",
    "properties": {
        "todos": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"content": STRING, "status": STATUS, "done": BOOLEAN},
                "required": ["content"],
            },
        },
        "file_path": STRING,
    },
    "required": ["todos"],
}


def test_parameters_are_renamed_at_every_level() -> None:
    coerced = coerce({"path": "a", "items": [{"text": "b", "state": "pending"}]}, TODOS, raw=False)

    assert coerced.arguments == {
        "file_path": "a",
        "todos": [{"content": "b", "status": "pending"}],
    }
    assert coerced.notes == (
        "`path` was taken for `file_path`",
        "`todos[0].text` was taken for `todos[0].content`",
        "`todos[0].state` was taken for `todos[0].status`",
        "`items` was taken for `todos`",
    )


def test_a_list_that_came_as_a_string_is_typed_inside() -> None:
    text = '[{"content": "x", "done": "false"}]'

    for raw in (True, False):
        coerced = coerce({"todos": text}, TODOS, raw=raw)
        assert same(coerced.arguments, {"todos": [{"content": "x", "done": False}]})


def test_null_leaves_a_parameter_to_its_other_name() -> None:
    for null in (None, "null"):
        given_ = {"limit": null, "count": 5}
        coerced = coerce(given_, {"properties": {"limit": INTEGER}}, raw=False)
        assert coerced.arguments == {"limit": 5}


def test_two_names_for_one_parameter_are_not_one() -> None:
    schema = of(STRING) | {"properties": {"file_path": STRING}}

    assert coerce({"path": "a", "file_path": "b"}, schema, raw=False).arguments == {
        "path": "a",
        "file_path": "b",
    }
    assert coerce({"path": "a", "file": "b"}, schema, raw=False).arguments == {
        "file_path": "a",
        "file": "b",
    }


@pytest.mark.parametrize("wrapper", ["arguments", "input", "parameters"])
def test_arguments_inside_a_single_unknown_one_are_unwrapped(wrapper: str) -> None:
    note = f"the arguments were wrapped in `{wrapper}`"
    for value in ({"v": 1}, '{"v": 1}', '{"v": "1"}'):
        coerced = coerce({wrapper: value}, of(INTEGER), raw=True)
        assert same(coerced.arguments, {"v": 1})
        assert coerced.notes[0] == note


@pytest.mark.parametrize(
    "arguments, schema",
    [
        ({"input": {"v": 1}}, {"type": "object", "properties": {"input": OBJECT}}),
        ({"input": {"v": 1}, "v": 2}, of(INTEGER)),
        ({"input": "ls"}, of(STRING)),
        ({"input": [1]}, of(STRING)),
        ({"other": {"v": 1}}, of(INTEGER)),
        ({"input": {"v": 1}}, {}),
    ],
)
def test_nothing_else_is_unwrapped(arguments: dict[str, Any], schema: Any) -> None:
    assert coerce(arguments, schema, raw=False).arguments == arguments


@pytest.mark.parametrize(
    "schema, value",
    [
        (of(INTEGER), "5"),
        (of(INTEGER) | {"additionalProperties": False}, "5"),
        (of(INTEGER) | {"additionalProperties": True}, 5),
        (of(INTEGER) | {"additionalProperties": INTEGER}, 5),
        ({"type": "object"}, 5),
        ({}, 5),
    ],
)
def test_a_parameter_that_is_not_listed_is_typed_only_where_others_are_welcome(
    schema: Any, value: Any
) -> None:
    assert same(coerce({"odd": "5"}, schema, raw=True).arguments, {"odd": value})


@pytest.mark.parametrize(
    "schema, arguments, words",
    [
        (of(STRING, "v"), {}, "`v` is missing, expected a string"),
        (of(STATUS, "v"), {}, '`v` is missing, expected one of "pending", "in_progress"'),
        (of(STRING), {"v": 5}, "`v` is a number (5), expected a string"),
        (of(STRING, "v"), {"v": None}, "`v` is null, expected a string"),
        (of(STRING), {"v": {}}, "`v` is an object, expected a string"),
        (of(INTEGER), {"v": "x" * 100}, f'`v` is a string ("{"x" * 60}…"), expected an integer'),
        (of(INTEGER), {"v": 1.5}, "`v` is a number (1.5), expected an integer"),
        (of(INTEGER), {"v": True}, "`v` is true, expected an integer"),
        (of(NUMBER), {"v": []}, "`v` is a list, expected a number"),
        (of(BOOLEAN), {"v": "yes"}, '`v` is a string ("yes"), expected true or false'),
        (of(NULLABLE), {"v": 1}, "`v` is a number (1), expected a string or null"),
        (of({"anyOf": [STRING, ARRAY]}), {"v": 1}, "expected a string or a list"),
        (of({"oneOf": [OBJECT, ARRAY]}), {"v": {"n": "x"}}, '`v.n` is a string ("x"), expected an'),
        (of(STATUS), {"v": "odd"}, '`v` is a string ("odd"), expected one of "pending", "in_prog'),
        (of({"enum": [1, 2]}), {"v": True}, "`v` is true, expected one of 1, 2"),
        (of(ARRAY), {"v": ["a", 1]}, "`v[1]` is a number (1), expected a string"),
        (TODOS, {"todos": [{}]}, "`todos[0].content` is missing, expected a string"),
        (of(STRING) | {"additionalProperties": INTEGER}, {"w": "x"}, "`w` is a string"),
        ({"required": ["v"]}, {}, "`v` is missing, expected any value"),
    ],
)
def test_what_does_not_follow_the_schema_is_told_in_words(
    schema: Any, arguments: dict[str, Any], words: str
) -> None:
    (fault,) = violations(arguments, schema)

    assert words in fault


@pytest.mark.parametrize(
    "schema, arguments",
    [
        (of(STRING, "v"), {"v": ""}),
        (of(STRING), {}),
        (of(STRING), {"odd": 1}),
        (of(INTEGER), {"v": 10.0}),
        (of(NUMBER), {"v": 1}),
        (of(NULLABLE), {"v": None}),
        (of({"anyOf": [OBJECT, {"type": "object", "required": ["m"]}]}), {"v": {"n": "x", "m": 1}}),
        (of({"items": INTEGER}), {"v": [1]}),
        (of({"type": "array"}), {"v": [1, "a"]}),
        (of({"type": "no such type"}), {"v": 1}),
        (of(True), {"v": 1}),
        ({}, {"v": 1}),
        ({"properties": None, "required": "v"}, {"v": 1}),
    ],
)
def test_what_follows_the_schema_has_no_fault(schema: Any, arguments: dict[str, Any]) -> None:
    assert violations(arguments, schema) == ()


def test_only_the_first_faults_are_told() -> None:
    assert len(violations({"v": [1] * 1000}, of(ARRAY))) == 8


@pytest.mark.parametrize(
    "schema, arguments, faults",
    [
        (of(STRING), {"v": "a"}, ()),
        (of(STRING), {"w": "a"}, ("`w` is no parameter, the nearest is `v`",)),
        (of(STRING) | {"additionalProperties": True}, {"w": "a"}, ()),
        (of(STRING) | {"additionalProperties": INTEGER}, {"w": "a"}, ()),
        ({"additionalProperties": False}, {"w": 1}, ("`w` is no parameter, there are none",)),
        ({"properties": {}}, {"w": 1}, ("`w` is no parameter, there are none",)),
        ({}, {"w": 1}, ()),
        (of(OBJECT), {"v": {"m": 1}}, ("`v.m` is no parameter, the nearest is `n`",)),
        (of({"anyOf": [STRING, OBJECT]}), {"v": {"n": 1}}, ()),
        (
            TODOS,
            {"todos": [{"content": "a", "statuss": "x"}]},
            ("`todos[0].statuss` is no parameter, the nearest is `status`",),
        ),
    ],
)
def test_parameters_that_the_schema_does_not_know_are_named(
    schema: Any, arguments: dict[str, Any], faults: tuple[str, ...]
) -> None:
    assert unknown(arguments, schema) == faults


# A schema and arguments that follow it.

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES: list[tuple[dict[str, Any], st.SearchStrategy[Any]]] = [
    (STRING, TEXT),
    (INTEGER, st.integers()),
    (NUMBER, st.floats(allow_nan=False, allow_infinity=False)),
    (BOOLEAN, st.booleans()),
    (NULLABLE, st.none() | TEXT),
    ({"type": ["integer", "string"]}, st.integers() | TEXT),
    (STATUS, st.sampled_from(STATUS["enum"])),
    ({"anyOf": [INTEGER, {"type": "array", "items": INTEGER}]}, st.integers()),
]


@st.composite
def cases(draw: st.DrawFn, depth: int = 0) -> tuple[dict[str, Any], Any]:
    kind = draw(st.sampled_from(["leaf", "list", "object"] if depth < 3 else ["leaf"]))
    if kind == "leaf" and depth:
        schema, values = draw(st.sampled_from(LEAVES))
        return schema, draw(values)
    if kind == "list" and depth:
        schema, value = draw(cases(depth + 1))
        return {"type": "array", "items": schema}, [value] * draw(st.integers(0, 2))
    names = draw(st.lists(st.sampled_from(["path", "n", "input", "text", "all"]), unique=True))
    inner = {name: draw(cases(depth + 1)) for name in names}
    properties = {name: schema for name, (schema, _) in inner.items()}
    required = [name for name in names if draw(st.booleans())]
    given_ = [name for name in names if name in required or draw(st.booleans())]
    return (
        {"type": "object", "properties": properties, "required": required},
        {name: inner[name][1] for name in given_},
    )


@given(cases(), st.booleans())
def test_arguments_that_follow_the_schema_are_left_alone(
    case: tuple[dict[str, Any], Any], raw: bool
) -> None:
    schema, arguments = case
    assert violations(arguments, schema) == ()
    assert unknown(arguments, schema) == ()
    if not raw:
        assert coerce(arguments, schema, raw=False).arguments == arguments
        assert coerce(arguments, schema, raw=False).notes == ()


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["5", "null", "[1]", "", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["path", "n", "input", "body", "file"]), inner)
    ),
    max_leaves=8,
)


@given(cases(), st.dictionaries(st.sampled_from(["path", "n", "input", "body", "file"]), JSON),
       st.booleans())  # fmt: skip
def test_any_arguments_are_settled_at_once_and_not_changed_in_place(
    case: tuple[dict[str, Any], Any], arguments: dict[str, Any], raw: bool
) -> None:
    before = copy.deepcopy(arguments)
    schema, _ = case

    once = coerce(arguments, schema, raw=raw).arguments

    assert arguments == before
    if set(once) != {"input"}:  # which would be unwrapped again
        assert same(coerce(once, schema, raw=False).arguments, once)
    violations(once, schema)
    unknown(once, schema)
