"""What models would send for the right answers: cases for the decoder, in both protocols.

A question of BFCL and its answer make a test of `qcode.calls`: written as native deltas and as
text in each style, in pieces of any size, the same calls have to come out.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qcode.calls.decoder import Decoded, Decoder
from qcode.evals.loaders.bfcl import Case
from qcode.evals.loaders.bfcl_score import Called
from qcode.messages import ToolCall
from qcode.providers import CallPart, ReasoningPart, TextPart
from qcode.providers.styles import STYLES
from qcode.record import Record

REFUSAL = "None of the functions that I have can do that. What shall I do instead?"
"""An answer without a call, for questions that none fits."""

Part = TextPart | ReasoningPart | CallPart


class Wire(Record):
    """One answer as it comes."""

    case: Case
    protocol: str
    """`native`, or a style of the prompted one."""
    parts: tuple[Part, ...]
    finish_reason: str


def wires(case: Case, *, size: int = 7) -> Iterator[Wire]:
    """Yield the right answer to a question in each way of writing it, in pieces of `size`.

    There is none where any call is right.
    """
    if case.wants == "any":
        return
    calls = list(right_calls(case))
    if not calls:
        yield Wire(case, "native", tuple(_text(REFUSAL, size)), "stop")
        return
    yield Wire(case, "native", tuple(_native(calls, size)), "tool_calls")
    for name, style in STYLES.items():
        yield Wire(case, name, tuple(_text(style.calls(calls), size)), "stop")


def right_calls(case: Case) -> Iterator[ToolCall]:
    """Yield calls that answer a question: of each parameter the first value that is possible."""
    for number, answer in enumerate(case.answers):
        ((name, wanted),) = answer.items()
        function = case.function(name)
        told = function.spec.name if function is not None else name
        arguments = {
            parameter: _first(options)
            for parameter, options in wanted.items()
            if any(option != "" for option in options)
        }
        yield ToolCall(f"call_{number}", told, json.dumps(arguments, ensure_ascii=False))


def decode(case: Case, parts: Sequence[Part], finish_reason: str | None) -> Decoded:
    """Decode an answer as a session would."""
    numbers = itertools.count(1)
    schemas = {each.spec.name: each.spec.parameters for each in case.functions}
    decoder = Decoder(schemas, lambda: f"new_{next(numbers)}")
    for part in parts:
        decoder.feed(part)
    return decoder.finish(finish_reason)[1]


def called(decoded: Decoded) -> tuple[Called, ...]:
    """Return the calls of an answer, for the score."""
    found = []
    for each in decoded.calls:
        arguments: Any = {}
        try:
            arguments = json.loads(each.call.arguments)
        except ValueError:
            pass
        is_readable = not each.fault and isinstance(arguments, dict)
        held = arguments if is_readable else {}
        found.append(Called(each.call.name, held, is_readable, bool(each.notes)))
    return tuple(found)


def _first(options: Sequence[Any]) -> Any:
    option = next((each for each in options if each != ""), "")
    return _value(option)


def _value(option: Any) -> Any:
    """Return a value that an option stands for; of an object, each key has options of its own."""
    if isinstance(option, Mapping):
        return {
            key: _first(allowed) if isinstance(allowed, list) else allowed
            for key, allowed in option.items()
            if not isinstance(allowed, list) or any(each != "" for each in allowed)
        }
    if isinstance(option, list):
        return [_value(each) for each in option]
    return option


def _native(calls: Sequence[ToolCall], size: int) -> Iterator[Part]:
    for index, call in enumerate(calls):
        yield CallPart(index, call.id, call.name, "")
        for piece in _pieces(call.arguments, size):
            yield CallPart(index, arguments=piece)


def _text(text: str, size: int) -> Iterator[Part]:
    for piece in _pieces(text, size):
        yield TextPart(piece)


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]
