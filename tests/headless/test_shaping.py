from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qcode.errors import UsageError
from qcode.headless.shaping import ERROR_CHARS, MOST_ERRORS, Misfit, Shape

PERSON = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "ages": {"type": "array", "items": {"$ref": "#/$defs/age"}},
    },
    "additionalProperties": False,
    "$defs": {"age": {"type": "integer", "minimum": 0}},
}
SHAPE = Shape(PERSON)
ADA = {"name": "Ada"}


def test_a_schema_is_read_as_it_is_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "person.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(PERSON).encode())

    for given in (json.dumps(PERSON), f" {json.dumps(PERSON)}", str(file), f"@{file}"):
        assert Shape.read(given).schema == PERSON


@pytest.mark.parametrize(
    "given, words",
    [
        ("none.json", "cannot read the schema `none.json`: No such file"),
        ("{", "--json-schema is no JSON: line 1, column 2: expecting property name"),
        ('{"minimum": NaN}', "`NaN` is no JSON"),
        ('{"properties": {"a": {"type": "text"}}}', r"at \$.properties.a.type, 'text' is not"),
        ('{"$ref": "https://example.com/a"}', "`https://example.com/a` leads nowhere"),
        ('{"items": {"$ref": "#/$defs/none"}}', "`#/\\$defs/none` leads nowhere"),
        ('{"$ref": "#"}', "leads in circles"),
        ("a\0b", "cannot read the schema"),
    ],
)
def test_what_is_no_schema_is_refused_with_the_place(
    given: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words) as refused:
        Shape.read(given)

    assert "\n" not in str(refused.value)


def test_a_file_that_holds_no_object_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("[]")

    with pytest.raises(UsageError, match="s.json` is no JSON Schema: it has to be an object"):
        Shape.read(str(tmp_path / "s.json"))


def test_the_model_is_asked_for_it() -> None:
    asked = SHAPE.ask("Who was it? {{schema}}")

    assert asked.startswith("Who was it? {{schema}}\n\n")
    assert asked.endswith(json.dumps(PERSON))


@pytest.mark.parametrize(
    "answer",
    [
        '{"name": "Ada"}',
        '\n {"name": "Ada"}\r\n',
        '```json\n{"name": "Ada"}\n```',
        'Here it is:\n\n```\n{"name": "Ada"}\n```\nAs you see, it was her.',
        '```python\nprint({"name": "Bob"})\n```\n```json\n{"name": "Ada"}\n```',
        'It was {"name": "Ada"}, see [1].',
        '{"name": "Ada"} and again {"name": "Ada"}',
        '~~~json\n{"name": "Ada"}',
        'The set {a, b} is no JSON; {"name": "Ada"} is.',
    ],
)
def test_the_value_is_found(answer: str) -> None:
    assert SHAPE.judge(answer) == ADA


def told(answer: str, shape: Shape = SHAPE) -> str:
    misfit = shape.judge(answer)
    assert isinstance(misfit, Misfit)
    return misfit.text


def test_the_model_hears_what_does_not_fit() -> None:
    assert told('{"ages": [1, -2, "x"], "more": 1}') == (
        "Your answer does not fit the schema:\n"
        "- $: 'name' is a required property\n"
        "- $: Additional properties are not allowed ('more' was unexpected)\n"
        "- $.ages[1]: -2 is less than the minimum of 0\n"
        "- $.ages[2]: 'x' is not of type 'integer'\n"
        "Answer again with the corrected JSON, whole and alone."
    )


def test_at_most_five_errors_are_told_and_none_at_length() -> None:
    text = told(json.dumps({"name": "Ada", "ages": ["y" * 999] * 9}))

    assert text.count("$.ages[") == MOST_ERRORS
    assert "- and 4 more\n" in text
    assert max(map(len, text.splitlines())) < ERROR_CHARS + 20


@pytest.mark.parametrize(
    "answer, words",
    [
        ("", "has no JSON"),
        ("I could not find it.", "has no JSON that could be read."),
        ('{"name": "Ada"', "could be read: line 1, column 15: expecting ',' delimiter."),
        ("```json\n{'name': 1}\n```", "could be read: line 1, column 2: expecting property name"),
        ('{"name": NaN}', "`NaN` is no JSON"),
        ("[" * 100_000, "has no JSON"),
        ('Either {"name": "Ada"} or {"name": "Bob"}.', "has 2 JSON values"),
        ('```\n{"name": "A"}\n```\n```\n{"name": "B"}\n```', "has 2 JSON values"),
        ("[1]", "has no JSON"),
    ],
)
def test_no_value_or_several_are_told(answer: str, words: str) -> None:
    assert words in told(answer)


@pytest.mark.parametrize(
    "schema, answer, value",
    [
        ({"type": "integer"}, "3", 3),
        ({"type": ["string", "null"]}, "null", None),
        ({"enum": [1, True]}, "true", True),
        ({}, '"words"', "words"),
        ({"type": "array"}, "Found: [1, 2]", [1, 2]),
    ],
)
def test_any_kind_of_value_may_be_asked_for(
    schema: dict[str, Any], answer: str, value: object
) -> None:
    assert Shape(schema).judge(answer) == value


def test_of_alternatives_the_nearest_is_told() -> None:
    shape = Shape({"anyOf": [{"type": "string"}, {"type": "object", "required": ["a"]}]})

    assert "'a' is a required property" in told("{}", shape)


def test_an_older_draft_counts_where_the_schema_names_it() -> None:
    draft = "http://json-schema.org/draft-07/schema#"
    shape = Shape({"$schema": draft, "items": [{"type": "string"}, {"type": "integer"}]})

    assert shape.judge('["a", 1]') == ["a", 1]
    assert "$[1]" in told('["a", "b"]', shape)
