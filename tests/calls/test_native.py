from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcode.calls.decoder import Decoder
from qcode.calls.native import Assembler, CallBegun, CallGrew
from qcode.calls.offered import Offered
from qcode.messages import ToolCall
from qcode.providers import CallPart


def assemble(*parts: CallPart, offered: tuple[str, ...] = ()) -> tuple[ToolCall, ...]:
    assembler = Assembler(Offered({name: {"type": "object"} for name in offered}))
    for part in parts:
        assembler.feed(part)
    return tuple(ToolCall(f.id, f.name, f.arguments) for f in assembler.found())


A, B = '{"path":"a.py"}', '{"path":"b.py"}'


def test_pieces_become_one_call_and_are_told() -> None:
    assembler = Assembler(Offered({}))

    told = [
        *assembler.feed(CallPart(0, "x", "read", "")),
        *assembler.feed(CallPart(0, None, None, '{"path"')),
        *assembler.feed(CallPart(0, "", "", ':"a.py"}')),
    ]

    assert told == [CallBegun(0, "read"), CallGrew(0, '{"path"'), CallGrew(0, ':"a.py"}')]
    (found,) = assembler.found()
    assert (found.id, found.name, found.arguments) == ("x", "read", A)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([CallPart(0, "x", "read", A), CallPart(1, "y", "read", B)], id="plain"),
        pytest.param([CallPart(0, "x", "read", A), CallPart(0, "y", "read", B)], id="index 0"),
        pytest.param([CallPart(None, "x", "read", A), CallPart(None, "y", "read", B)], id="none"),
        pytest.param(
            [
                CallPart(0, "x", "read", A[:5]),
                CallPart(1, "y", "read", B[:5]),
                CallPart(0, None, None, A[5:]),
                CallPart(1, None, None, B[5:]),
            ],
            id="interleaved",
        ),
        pytest.param(
            [
                CallPart(None, "x", "read", A[:5]),
                CallPart(None, "y", "read", B[:5]),
                CallPart(None, "x", None, A[5:]),
                CallPart(None, "y", None, B[5:]),
            ],
            id="interleaved by id",
        ),
        pytest.param(
            [
                CallPart(0, "x", "read", A[:5]),
                CallPart(0, "x", "read", A[5:]),
                CallPart(1, "y", "read", B),
            ],
            id="name repeated",
        ),
        pytest.param(
            [
                CallPart(0, "x", "read", A),
                CallPart(0, None, None, A),
                CallPart(1, "y", "read", B),
                CallPart(1, "y", "read", json.dumps(json.loads(B))),
            ],
            id="arguments sent twice",
        ),
        pytest.param(
            [
                CallPart(0, "x", "read", A[:4]),
                CallPart(0, None, None, A[:9]),
                CallPart(0, None, None, A),
                CallPart(1, "y", "read", B),
            ],
            id="snapshots",
        ),
        pytest.param(
            [
                CallPart(0, "x", "read", A[:5]),
                CallPart(0, "z", None, A[5:]),
                CallPart(1, "y", "read", B),
            ],
            id="id changes without a name",
        ),
        pytest.param(
            [
                CallPart(0, "x", None, A[:5]),
                CallPart(0, None, "read", A[5:]),
                CallPart(1, "y", "read", B),
            ],
            id="name after the arguments",
        ),
    ],
)
def test_two_calls_are_told_apart(parts: list[CallPart]) -> None:
    assert assemble(*parts) == (ToolCall("x", "read", A), ToolCall("y", "read", B))


def test_missing_and_repeated_ids_are_made_up() -> None:
    numbers = itertools.count(1)
    decoder = Decoder(
        {name: {"type": "object"} for name in ("read", "list")},
        lambda: f"call_{next(numbers)}",
        taken={"old"},
    )
    for part in (
        CallPart(0, None, "read", A),
        CallPart(0, None, "read", B),
        CallPart(1, "x", "list", "{}"),
        CallPart(2, "x", "list", "{}"),
        CallPart(3, "old", "list", "{}"),
    ):
        decoder.feed(part)

    _shown, decoded = decoder.finish("tool_calls")

    ids = [each.call.id for each in decoded.calls]
    assert ids == ["call_1", "call_2", "x", "call_3", "call_4"]


@pytest.mark.parametrize("arguments", ["", None, "null", " "])
def test_no_arguments_are_an_empty_object(arguments: str | None) -> None:
    decoder = Decoder({"list": {"type": "object"}}, lambda: "new")
    decoder.feed(CallPart(0, "x", "list", arguments))

    _shown, decoded = decoder.finish("stop")

    assert [each.call for each in decoded.calls] == [ToolCall("x", "list", "{}")]


def test_malformed_arguments_stay_as_written() -> None:
    growing = [CallPart(0, "x", "read", '{"a":"x"}'), CallPart(0, None, None, '{"a":"xy"}')]

    assert assemble(*growing) == (ToolCall("x", "read", '{"a":"x"}{"a":"xy"}'),)


def test_a_call_without_a_name_keeps_its_place() -> None:
    assert assemble(CallPart(0, "x", None, A), CallPart(1, "y")) == (ToolCall("x", "", A),)


def test_a_name_in_fragments_is_joined_where_tools_are_known() -> None:
    parts = [CallPart(0, "x", "read"), CallPart(0, None, "_file"), CallPart(0, None, None, A)]

    assert assemble(*parts, offered=("read_file",)) == (ToolCall("x", "read_file", A),)


@given(
    st.dictionaries(st.text(), st.text() | st.dictionaries(st.text(), st.text())),
    st.lists(st.integers(0, 300)),
)
def test_any_pieces_of_arguments_give_them_whole(value: object, cuts: list[int]) -> None:
    text = json.dumps(value)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]

    calls = assemble(CallPart(0, "x", "f"), *(CallPart(0, None, None, p) for p in pieces))

    assert calls == (ToolCall("x", "f", text),)
