"""Functions as tools: what the model is told of them, what they get, what becomes of the result."""

from __future__ import annotations

import asyncio
import enum
import functools
import threading
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import jsonschema
import pytest
from scripted_server import ScriptedServer, call, calls, text

from qcode import Agent, tool
from qcode.api import (
    Context,
    Decision,
    Effect,
    FunctionTool,
    Tool,
    ToolError,
    ToolOutput,
    ToolResult,
    UsageError,
)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Range:
    first: int
    last: Annotated[int, "inclusive"] = 10

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError("first is behind last")


class Point(NamedTuple):
    x: float
    y: float = 0.0


class Where(TypedDict):
    city: str
    country: NotRequired[Literal["de", "fr"]]


@tool(effect=Effect.READ)
def everything(
    name: str,
    count: int,
    colour: Colour,
    spans: list[Range],
    where: Where,
    weights: dict[str, float],
    at: Point | None = None,
    tags: Annotated[set[str], "words without spaces"] = frozenset(),  # type: ignore[assignment]
    level: Literal[1, 2] | bool = 1,
    file: Path = Path(),
    rest: Any = None,
) -> str:
    """Take one of everything.

    It is for a test.

    Args:
        name: What it is called,
            in full.
        count (int): How many.

    Returns:
        Nothing of interest.
    """
    return ""


GIVEN = {
    "name": "n",
    "count": 3.0,
    "colour": "blue",
    "spans": [{"first": 1}, {"first": 2, "last": 3}],
    "where": {"city": "Bonn"},
    "weights": {"a": 1},
    "tags": ["x", "x"],
    "level": True,
    "file": "a/b",
    "at": {"x": 1},
    "rest": [None],
}


def test_a_function_is_told_by_its_types_and_its_docstring() -> None:
    schema = everything.parameters()

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(GIVEN, schema)
    assert everything.description == "Take one of everything.\n\nIt is for a test."
    told = schema["properties"]
    assert told["name"] == {"type": "string", "description": "What it is called, in full."}
    assert told["count"] == {"type": "integer", "description": "How many."}
    assert told["colour"] == {"type": "string", "enum": ["red", "blue"]}
    assert told["spans"]["items"] == {
        "type": "object",
        "properties": {
            "first": {"type": "integer"},
            "last": {"type": "integer", "description": "inclusive"},
        },
        "required": ["first"],
    }
    assert told["where"]["required"] == ["city"]
    assert told["at"]["anyOf"][1] == {"type": "null"}
    assert told["tags"]["description"] == "words without spaces"
    assert schema["required"] == ["name", "count", "colour", "spans", "where", "weights"]


def test_arguments_become_values_of_the_types() -> None:
    values = everything.build(GIVEN)

    assert values == {
        "name": "n",
        "count": 3,
        "colour": Colour.BLUE,
        "spans": [Range(1), Range(2, 3)],
        "where": {"city": "Bonn"},
        "weights": {"a": 1.0},
        "tags": {"x"},
        "level": True,
        "file": Path("a/b"),
        "at": Point(1.0),
        "rest": [None],
    }
    assert type(values["count"]) is int
    assert values["level"] is True
    assert "tags" not in everything.build({**GIVEN, "tags": None})


@pytest.mark.parametrize(
    "change, words",
    [
        ({"name": 1}, "`name` must be a string, not the number 1."),
        ({"count": 1.5}, "`count` must be a whole number, not 1.5."),
        ({"count": True}, "`count` must be a whole number, not true."),
        ({"colour": "green"}, '`colour` must be one of "red", "blue", not "green".'),
        ({"spans": [{"first": 1}, {}]}, "`spans[1].first` is missing."),
        ({"spans": [{"first": 9, "last": 1}]}, "`spans[0]` is not valid: first is behind last."),
        ({"where": {"city": "x", "county": "de"}}, "did you mean `where.country`?"),
        ({"weights": {"a": "1"}}, "`weights.a` must be a number, not a string."),
        ({"colours": 1}, "There is no parameter `colours`; did you mean `colour`?"),
        ({"level": 3}, "`level` must be one of 1, 2, not 3."),
    ],
)
def test_what_is_wrong_is_told_to_its_depth(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ToolError) as caught:
        everything.build({**GIVEN, **change})

    assert words in str(caught.value)


def test_the_other_ways_of_writing_docstrings_are_read() -> None:
    @tool
    def numpy(width: int, height: int = 1) -> None:
        """Draw.

        Parameters
        ----------
        width : int
            From left to right.
        height : int, optional
            From top
            to bottom.

        Returns
        -------
        None
        """

    @tool(name="sphinx-way")
    def sphinx(width: int) -> None:
        """Draw.

        :param width: From left
            to right.
        :returns: nothing
        """

    assert [numpy.description, sphinx.description] == ["Draw.", "Draw."]
    height = numpy.parameters()["properties"]["height"]
    assert height["description"] == "From top to bottom."
    assert sphinx.name == "sphinx-way"
    assert sphinx.parameters()["properties"]["width"]["description"] == "From left to right."


def test_what_a_model_cannot_give_is_refused_when_it_is_decorated() -> None:
    def untyped(x) -> None: ...  # type: ignore[no-untyped-def]

    def stream(x: Iterator[int]) -> None: ...

    def several(*x: int) -> None: ...

    def pair(x: tuple[int, str]) -> None: ...

    for function, words in (
        (untyped, "`x` of `untyped` has no type"),
        (stream, "cannot give a value of type `Iterator`"),
        (several, "cannot be given by its name"),
        (pair, "take a dataclass"),
    ):
        with pytest.raises(UsageError, match=words):
            FunctionTool(function)
    with pytest.raises(UsageError, match="cannot be the name"):
        tool(name="no spaces")(everything)
    with pytest.raises(UsageError, match="the effect of"):
        tool(effect="edit")(everything)


class Stock:
    def __init__(self) -> None:
        self.left = 5

    @tool(effect="state")
    async def take(self, number: int) -> dict[str, int]:
        """Take some."""
        self.left -= number
        return {"left": self.left}


async def test_functions_run_as_tools_of_a_session(project: Path) -> None:
    threads: list[threading.Thread] = []
    stock = Stock()

    @tool(effect=Effect.READ)
    def slow(context: Context, file: str) -> str:
        """Read slowly."""
        threads.append(threading.current_thread())
        context.show("reading")
        return context.path(file).read_text() * 20_000

    @tool(effect=Effect.READ)
    def broken(value: int) -> None:
        """Break."""
        raise KeyError("secret detail")

    @tool
    async def outside(points: Sequence[Point]) -> ToolResult:
        """Do something outside."""
        return ToolResult(f"sum {sum(p.x + p.y for p in points)}", "summed", is_error=False)

    @tool(effect=Effect.READ, timeout_s=0.01)
    async def endless() -> None:
        """Wait."""
        await asyncio.Event().wait()

    tools: list[Tool[Any]] = [slow, broken, outside, endless, stock.take]
    script = [
        calls(
            ("slow", {"file": "a.txt"}),
            ("broken", {"value": 1}),
            ("endless", {}),
            ("slow", {"file": "/etc/passwd"}),
        ),
        calls(("outside", {"points": [{"x": 1, "y": 2}]}), ("take", {"number": 2})),
        calls(("take", {"number": "all"})),
        text("done"),
    ]
    asked: list[str] = []

    def approve(request: Any) -> Decision:
        asked.append(f"{request.call.name} {request.summary}")
        return Decision(allowed=True)

    with ScriptedServer(script) as server:
        async with Agent(
            project, base_url=server.base_url, model="m", tools=tools, approve=approve
        ) as agent:
            assert agent.tools[-5:] == ("slow", "broken", "outside", "endless", "take")
            async with aclosing(agent.run("go")) as stream:
                shown = [e.text for e in stream_of([e async for e in stream])]
        told = [m["content"] for m in server.requests[-1].json["messages"] if m["role"] == "tool"]

    assert shown == ["reading", "reading"]
    assert threads[0] is not threading.main_thread()
    assert len(told[0]) < 40_000
    assert "the whole output is in" in told[0]
    assert told[1] == "broken failed: KeyError: 'secret detail'"
    assert told[2] == "endless was ended: it took longer than 0.01 s."
    assert "outside the workspace" in told[3]
    assert told[4:6] == ["sum 3.0", '{"left": 3}']
    assert "`number` must be a whole number" in told[6]
    assert asked == ["outside points=[[1.0, 2.0]]"]
    assert stock.left == 3


def stream_of(happened: Sequence[Any]) -> list[ToolOutput]:
    return [event for event in happened if isinstance(event, ToolOutput)]


async def test_a_rule_allows_a_tool_and_words_that_a_model_mistakes_are_settled(
    project: Path,
) -> None:
    given: list[object] = []

    def send(to: str, text: str, urgent: bool = False) -> None:
        """Send something."""
        given.append((to, text, urgent))

    sending = tool(name="send")(functools.partial(send, text="hello"))
    script = [call("send", to="me", urgent="true"), call("send", to="you"), text("done")]
    with ScriptedServer(script) as server:
        async with Agent(
            project, base_url=server.base_url, model="m", tools=[sending], allow=["send"]
        ) as agent:
            await agent.ask("go")
    assert given == [("me", "hello", True), ("you", "hello", False)]


async def test_an_interrupted_function_is_told_and_left(project: Path) -> None:
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    seen = threading.Event()

    @tool(effect="read")
    def wait(context: Context) -> None:
        """Wait."""
        loop.call_soon_threadsafe(begun.set)
        while not context.is_cancelled:
            seen.wait(0.001)
        seen.set()

    with ScriptedServer([call("wait"), text("so")]) as server:
        async with Agent(project, base_url=server.base_url, model="m", tools=[wait]) as agent:
            asking = asyncio.ensure_future(agent.ask("go", check=False))
            await begun.wait()
            agent.interrupt()
            assert (await asking).error == "the turn was interrupted"
            assert await asyncio.to_thread(seen.wait, 5)
            assert (await agent.ask("and now?")).text == "so"


async def test_the_model_can_ask_what_only_a_person_knows(project: Path) -> None:
    script = [call("ask_person", question="tabs or spaces?"), text("tabs it is")]

    async def answer(question: str) -> str:
        return "tabs" if "tabs" in question else ""

    with ScriptedServer(script) as server:
        async with Agent(project, base_url=server.base_url, model="m", on_question=answer) as agent:
            await agent.ask("indent")
        assert server.requests[1].json["messages"][-1]["content"] == "tabs"


async def test_tools_that_cannot_be_told_apart_or_run_are_refused(project: Path) -> None:
    @tool(name="edit")
    def mine() -> None:
        """Edit."""

    for wrong, words in ((mine, "two tools named `edit`"), (Stock.take, "`take` is a method")):
        with pytest.raises(UsageError, match=words):
            await Agent(project, base_url="http://127.0.0.1:9/v1", model="m", tools=[wrong]).open()
