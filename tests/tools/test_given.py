"""Tools that somebody else describes by a JSON Schema."""

from __future__ import annotations

from typing import Any

import pytest

from qcode.errors import ToolError
from qcode.messages import JsonObject
from qcode.tools.base import Context, Result
from qcode.tools.given import Given
from qcode.tools.schema import parse

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "count": {"type": ["integer", "null"]},
        "flag": {"type": "boolean"},
        "odd": {"type": "tuple"},
        "any": True,
    },
    "required": ["title"],
    "additionalProperties": False,
}


class Probe(Given):
    async def run(self, params: JsonObject, context: Context) -> Result:
        return Result(str(params))


@pytest.mark.parametrize(
    "arguments",
    [
        '{"title": "x"}',
        '{"title": "x", "count": 3, "flag": false}',
        '{"title": "x", "count": null, "any": [1]}',
        '{"title": "x", "count": 2.0, "odd": 3}',
    ],
)
def test_fitting_arguments_are_taken_as_they_are(arguments: str) -> None:
    import json

    assert parse(Probe("probe", "", SCHEMA), arguments) == json.loads(arguments)


@pytest.mark.parametrize(
    "arguments, why",
    [
        ("{}", "`title` is missing"),
        ('{"title": 3}', "`title` must be string"),
        ('{"title": "x", "flag": 1}', "`flag` must be boolean"),
        ('{"title": "x", "count": true}', "`count` must be integer or null"),
        ('{"title": "x", "more": 1}', "no parameter `more`"),
        ("[]", "one JSON object"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_wrong(arguments: str, why: str) -> None:
    with pytest.raises(ToolError, match=why):
        parse(Probe("probe", "", SCHEMA), arguments)


@pytest.mark.parametrize("schema", [{}, {"properties": 3, "required": {}}, {"required": [3]}])
def test_a_schema_that_is_none_lets_all_pass(schema: Any) -> None:
    assert parse(Probe("probe", "", schema), '{"a": 1}') == {"a": 1}
