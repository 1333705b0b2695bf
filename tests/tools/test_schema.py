from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from qcode.calls.cursor import Ending
from qcode.calls.found import Found
from qcode.calls.offered import Offered
from qcode.calls.settle import settle
from qcode.errors import ToolError
from qcode.record import Record
from qcode.tools import all_tools, default_tools
from qcode.tools.base import Context, Effect, Result, Tool
from qcode.tools.schema import HIDDEN, parse, schema

TOOLS = {tool.name: tool for tool in all_tools()}
SNAPSHOT = Path(__file__).with_name("tools.json")


class Item(Record):
    word: str
    state: Literal["new", "in_progress"] = "new"


class Params(Record):
    content: str
    count: int = 1
    ratio: float | None = None
    all: Annotated[bool, "really all"] = False
    items: list[Item] | None = None
    names: list[str] | None = None
    secret: Annotated[str | None, HIDDEN] = None


class Probe(Tool[Params]):
    name = "probe"
    effect = Effect.READ
    params = Params

    async def run(self, params: Params, context: Context) -> Result:
        raise NotImplementedError


def understood(tool: Tool[Any], arguments: str) -> Any:
    """Read a call's arguments as a session does: settled first, then checked."""
    offered = Offered({tool.name: schema(tool.params, hidden=True)})
    call = settle(Found(tool.name, arguments), offered, Ending.NATURAL)
    if call.fault:
        raise ToolError(f"{call.fault}: {call.detail}")
    return parse(tool, call.text)


def read(**arguments: Any) -> Params:
    params = understood(Probe(), json.dumps(arguments))
    assert isinstance(params, Params)
    return params


def refusal(tool: Tool[Any], arguments: str) -> str:
    with pytest.raises(ToolError) as caught:
        understood(tool, arguments)
    return str(caught.value)


def wire_form() -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": schema(tool.params),
            },
        }
        for tool in default_tools()
    ]


def test_what_the_model_sees_of_the_tools_changes_only_on_purpose() -> None:
    assert wire_form() == json.loads(SNAPSHOT.read_text())


def test_all_tools_together_stay_small() -> None:
    # 4.5 bytes a token for this text: 3,100 bytes are less than 700 tokens.
    assert len(json.dumps(wire_form(), separators=(",", ":"))) <= 3100


def test_schema_has_types_descriptions_and_what_is_required() -> None:
    item = {
        "type": "object",
        "properties": {
            "word": {"type": "string"},
            "state": {"type": "string", "enum": ["new", "in_progress"]},
        },
        "required": ["word"],
    }
    assert schema(Params) == {
        "type": "object",
        "properties": {
            "content": {"type": "string"},
            "count": {"type": "integer"},
            "ratio": {"type": "number"},
            "all": {"type": "boolean", "description": "really all"},
            "items": {"type": "array", "items": item},
            "names": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["content"],
    }


@pytest.mark.parametrize(
    "given_, field, value",
    [
        ({"count": "10"}, "count", 10),
        ({"count": 10.0}, "count", 10),
        ({"count": "72.0000"}, "count", 72),
        ({"count": None}, "count", 1),
        ({"ratio": 2}, "ratio", 2.0),
        ({"all": "true"}, "all", True),
        ({"all": "False"}, "all", False),
        ({"names": '["a", "b"]'}, "names", ["a", "b"]),
        ({"items": '[{"word": "a"}]'}, "items", [Item("a")]),
        ({"items": [{"word": "a", "state": "In Progress"}]}, "items", [Item("a", "in_progress")]),
        ({"items": [{"word": "a", "activeForm": "b"}]}, "items", [Item("a")]),
        ({"secret": "x"}, "secret", "x"),
        ({"explanation": "because"}, "count", 1),
    ],
)
def test_what_can_only_mean_one_thing_is_accepted(
    given_: dict[str, Any], field: str, value: Any
) -> None:
    assert getattr(read(content="x", **given_), field) == value


@pytest.mark.parametrize("given_, text", [(42, "42"), (True, "true")])
def test_a_scalar_for_text_is_its_spelling(given_: object, text: str) -> None:
    assert read(content=given_).content == text


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({}, "`content` is missing"),
        ({"content": None}, "`content` must be a string, not null"),
        ({"content": {"a": 1}}, "`content` must be a string, not an object"),
        ({"content": ["a"]}, "`content` must be a string, not a list"),
        ({"content": "x", "count": 1.5}, "`count` must be a whole number"),
        ({"content": "x", "count": "many"}, "`count` must be a number, not a string"),
        ({"content": "x", "count": True}, "`count` must be a number"),
        ({"content": "x", "all": "yes"}, "`all` must be true or false"),
        ({"content": "x", "all": 1}, "`all` must be true or false"),
        ({"content": "x", "names": "a"}, "`names` must be a list"),
        ({"content": "x", "items": [{}]}, "`items[0].word` is missing"),
        ({"content": "x", "items": [{"word": "a", "state": "odd"}]}, "one of new, in_progress"),
        ({"content": "x", "cuont": 3}, "no parameter `cuont`; did you mean `count`?"),
        ({"content": "x", "text": "y"}, "no parameter `text`"),
    ],
)
def test_what_would_need_guessing_is_refused(arguments: dict[str, Any], words: str) -> None:
    text = refusal(Probe(), json.dumps(arguments))

    assert words in text
    assert "Parameters: content, count?, ratio?, all?, items?, names?." in text


@pytest.mark.parametrize(
    "tool, arguments, field, value",
    [
        ("read_file", {"path": "a"}, "file_path", "a"),
        ("read_file", {"filePath": "a"}, "file_path", "a"),
        ("read_file", {"filename": "a"}, "file_path", "a"),
        ("write_file", {"path": "a", "text": "b"}, "content", "b"),
        ("write_file", {"file_path": "a", "contents": "b"}, "content", "b"),
        ("edit", {"path": "a", "old_str": "b", "new_str": "c"}, "old_string", "b"),
        ("edit", {"path": "a", "oldText": "b", "newText": "c"}, "new_string", "c"),
        ("run_shell_command", {"cmd": "ls"}, "command", "ls"),
        ("run_shell_command", {"command": "ls", "cwd": "x"}, "directory", "x"),
        ("run_shell_command", {"command": "ls", "description": "list"}, "description", "list"),
        ("grep_search", {"query": "a"}, "pattern", "a"),
        ("grep_search", {"regex": "a", "include": "*.py"}, "glob", "*.py"),
        ("grep_search", {"pattern": "a", "path": "src"}, "path", "src"),
        ("glob", {"pattern": "*", "directory": "src"}, "path", "src"),
        ("list_directory", {"dir": "src", "ignore": ["a"]}, "path", "src"),
    ],
)
def test_names_that_other_harnesses_use_are_understood(
    tool: str, arguments: dict[str, Any], field: str, value: str
) -> None:
    assert getattr(understood(TOOLS[tool], json.dumps(arguments)), field) == value


def test_arguments_that_are_cut_off_are_never_completed() -> None:
    whole = json.dumps({"file_path": "a.py", "content": "print(1)\n" * 20})

    # Without its very last brace every value is there, and there is one reading.
    for end in range(1, len(whole) - 1):
        text = refusal(TOOLS["write_file"], whole[:end])
        assert text.startswith(("truncated", "invalid_arguments")), text


def test_broken_json_is_shown_where_it_breaks() -> None:
    text = refusal(TOOLS["glob"], '{"pattern": "*.py", path: "src"}')

    assert "at character 20" in text
    assert "path:" in text


@pytest.mark.parametrize("arguments", ["[1]", "3", '"text"', "null"])
def test_anything_but_an_object_is_refused(arguments: str) -> None:
    assert "JSON" in refusal(TOOLS["glob"], arguments)


def test_raw_line_breaks_and_double_encoding_are_read() -> None:
    assert understood(TOOLS["glob"], '{"pattern": "a\nb"}').pattern == "a\nb"
    assert understood(TOOLS["glob"], json.dumps('{"pattern": "a"}')).pattern == "a"


def test_a_name_given_twice_with_two_values_is_refused() -> None:
    assert "twice" in refusal(TOOLS["glob"], '{"pattern": "a", "pattern": "b"}')
    assert understood(TOOLS["glob"], '{"pattern": "a", "pattern": "a"}').pattern == "a"


def test_deep_nesting_is_refused() -> None:
    assert "nested" in refusal(TOOLS["glob"], "[" * 100_000)


def test_half_a_character_is_refused() -> None:
    assert "surrogate" in refusal(TOOLS["glob"], '{"pattern": "\\ud800"}')


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(codec="utf-8")))
def test_text_arrives_as_it_was_sent(path: str, content: str) -> None:
    arguments = json.dumps({"file_path": path, "content": content})

    params = understood(TOOLS["write_file"], arguments)

    assert (params.file_path, params.content) == (path, content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(["content", "count", "items", "names", "all", "text", "odd"]) | st.text()


@settings(max_examples=examples(60))
@given(st.dictionaries(NAMES, JSON, max_size=4) | JSON)
def test_any_json_is_understood_or_refused(data: Any) -> None:
    try:
        params = understood(Probe(), json.dumps(data))
    except ToolError:
        return
    assert isinstance(params.content, str)
    assert isinstance(params.count, int)
    assert isinstance(params.all, bool)
