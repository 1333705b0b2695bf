"""Four questions that find most trouble with tool calls.

One call with a word; two calls in one answer; a call with a text that has
quotes, backslashes, tags and a tab; a call after a tool's result. Of each it
is told which way the calls came and what the server said at the end.
"""

from __future__ import annotations

import json
from typing import Literal, TypeAlias

from qcode.calls.decoder import DecodedCall
from qcode.doctor.advice import fix
from qcode.doctor.answer import Answer, ask
from qcode.doctor.check import Check
from qcode.errors import ProviderError, ProviderFault
from qcode.messages import AssistantMessage, JsonObject, Message, ToolCall, ToolMessage, UserMessage
from qcode.prompts import load
from qcode.providers import Provider, Request, ToolSpec
from qcode.record import Record

Channel: TypeAlias = Literal["structured", "content", "reasoning", "none"]
"""Which way calls came: the API's own field, the answer's text, the reasoning's text."""


class Question(Record):
    """What is asked, and the calls that answer it."""

    name: str
    messages: tuple[Message, ...]
    wanted: tuple[tuple[str, JsonObject], ...]
    """Name and arguments of each call."""


class Outcome(Record):
    """What came of one question."""

    channel: Channel
    format: str
    """Of calls in a text."""
    got: tuple[DecodedCall, ...]
    right: int
    """How many of the calls wanted are among them, exactly."""
    answer: Answer | None
    error: ProviderError | None = None
    """Why there is no answer."""


def tools() -> tuple[ToolSpec, ToolSpec]:
    """Return the two tools offered; their schemas use what those of qcode's own use."""
    word = {"type": "string", "description": "one word"}
    how = {"type": "string", "enum": ["short", "long"], "description": "default: short"}
    path = {"type": "string", "description": "relative"}
    return (
        ToolSpec("look_up", load("doctor/look_up"), _schema({"word": word}, {"how": how})),
        ToolSpec(
            "write_note",
            load("doctor/write_note"),
            _schema({"path": path, "text": {"type": "string"}}, {}),
        ),
    )


def _schema(required: JsonObject, optional: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
    }


def questions() -> tuple[Question, ...]:
    """Return the four questions."""
    odd = load("doctor/odd_text")
    finding = load("doctor/finding")
    looked_up = ToolCall("call_0000a", "look_up", '{"word": "harbour"}')
    return (
        Question(
            "tool call",
            (UserMessage(load("doctor/one_call")),),
            (("look_up", {"word": "harbour"}),),
        ),
        Question(
            "parallel calls",
            (UserMessage(load("doctor/two_calls")),),
            (("look_up", {"word": "lantern"}), ("look_up", {"word": "meadow"})),
        ),
        Question(
            "long argument",
            (UserMessage(load("doctor/long_text", text=odd)),),
            (("write_note", {"path": "notes/odd.txt", "text": odd}),),
        ),
        Question(
            "call after a result",
            (
                UserMessage(load("doctor/look_and_write")),
                AssistantMessage(tool_calls=(looked_up,)),
                ToolMessage(looked_up.id, looked_up.name, finding),
            ),
            (("write_note", {"path": "notes/harbour.txt", "text": finding}),),
        ),
    )


async def put(provider: Provider, system: str, question: Question, max_tokens: int) -> Outcome:
    """Ask one question and read the answer, whichever way its calls came."""
    try:
        answer = await ask(provider, Request(system, question.messages, tools(), max_tokens))
    except ProviderError as error:
        return Outcome("none", "", (), 0, None, error)
    if not answer.calls:
        return Outcome("none", "", (), 0, answer)
    left = [(call.call.name, arguments(call)) for call in answer.calls if not call.fault]
    right = 0
    for wanted in question.wanted:
        match = next((one for one in left if _same(one, wanted)), None)
        if match is not None:
            left.remove(match)
            right += 1
    first = answer.calls[0]
    if first.format == "structured":
        return Outcome("structured", "", answer.calls, right, answer)
    channel: Channel = "reasoning" if first.is_promoted else "content"
    return Outcome(channel, first.format, answer.calls, right, answer)


def _same(got: tuple[str, JsonObject], wanted: tuple[str, JsonObject]) -> bool:
    """Whether a call is the one wanted; what nobody asked for, `how` say, may be added."""
    return got[0] == wanted[0] and all(
        isinstance(value := got[1].get(key), str) and _core(value) == _core(text)
        for key, text in wanted[1].items()
    )


def _core(text: str) -> str:
    """Return a text without what stood around it in the question: that is no fault of the way."""
    return text.strip("-\n")


def arguments(call: DecodedCall) -> JsonObject:
    """Return the call's arguments, which are always a JSON object."""
    value = json.loads(call.call.arguments)
    return value if isinstance(value, dict) else {}


def refused(outcome: Outcome) -> bool:
    """Whether the server would have none of the tools, rather than failed to answer."""
    return outcome.error is not None and outcome.error.fault is ProviderFault.TOOLS_REFUSED


def judge(question: Question, outcome: Outcome, kind: str) -> Check:
    """Make a check of what came of a question."""
    advice = fix("tools", kind)
    figures = {
        "channel": outcome.channel,
        "format": outcome.format,
        "finish_reason": outcome.answer.finish if outcome.answer else None,
        "calls": [
            {"name": call.call.name, "arguments": arguments(call), "fault": str(call.fault)}
            for call in outcome.got
        ],
        "wanted": len(question.wanted),
        "right": outcome.right,
    }
    if outcome.error is not None:
        message = outcome.error.message
        if refused(outcome):
            finding = f"tools are refused, so qcode will tell of them in its prompt: {message}"
            return Check(question.name, "warn", finding, advice, figures)
        bad_output = outcome.error.fault is ProviderFault.BAD_OUTPUT
        hint = advice if bad_output else outcome.error.hint
        return Check(question.name, "fail", message, hint, figures)
    answer = outcome.answer
    assert answer is not None, "without an error there is an answer"
    if outcome.channel == "none":
        return _without_calls(question, answer, advice, figures)
    way = _way(outcome, answer)
    if outcome.right < len(question.wanted):
        finding = f"{way}; {_difference(question, outcome)}"
        in_text = outcome.channel != "structured"
        return Check(question.name, "warn", finding, advice if in_text else "", figures)
    if outcome.channel == "structured":
        return Check(question.name, "ok", way, "", figures)
    return Check(question.name, "warn", f"{way}; qcode reads it there", advice, figures)


def _way(outcome: Outcome, answer: Answer) -> str:
    finish = f"finish reason {answer.finish}" if answer.finish else "no finish reason"
    if outcome.channel == "structured":
        return f"structured, {finish}"
    where = "text" if outcome.channel == "content" else "reasoning"
    return f"in the {where}, in the format {outcome.format}, {finish}"


def _without_calls(question: Question, answer: Answer, advice: str, figures: JsonObject) -> Check:
    if answer.finish == "length":
        what = "reasoning" if answer.reasoning and not answer.text else "answer"
        finding = f"no call came before the {what} was cut at the limit of this check"
        longer = "`qcode doctor --deep` gives it more room"
        return Check(question.name, "warn", finding, longer, figures)
    said = " ".join((answer.text or answer.reasoning).split())
    quoted = f": {said[:60]}{'…' if len(said) > 60 else ''}" if said else ""
    return Check(question.name, "fail", f"no call came, but words{quoted}", advice, figures)


def _difference(question: Question, outcome: Outcome) -> str:
    """Say in a few words what is not as wanted."""
    if len(outcome.got) < len(question.wanted):
        return f"{len(outcome.got)} of {len(question.wanted)} calls came"
    if len(question.wanted) > 1:
        return f"{outcome.right} of {len(question.wanted)} calls are as asked"
    name, wanted = question.wanted[0]
    call = outcome.got[0]
    if call.fault:
        return f"it cannot be run ({call.fault}): {call.detail}"
    if call.call.name != name:
        return f"it calls {call.call.name[:40]} instead of {name}"
    got = arguments(call)
    wrong = [key for key, text in wanted.items() if _core(str(got.get(key, ""))) != _core(text)]
    if not wrong:
        return "its arguments are not all texts"
    key = wrong[-1]
    if key not in got:
        return f"the argument {key} is missing"
    text, expected = _core(str(got[key])), _core(str(wanted[key]))
    if len(expected) < 60:
        return f"{key} is {text[:60]!r}"
    at = next(
        (n for n, pair in enumerate(zip(text, expected, strict=False)) if pair[0] != pair[1]),
        min(len(text), len(expected)),
    )
    there, here = expected[at : at + 16], text[at : at + 16]
    return f"{key} differs from character {at + 1} of {len(expected)} on: {here!r} for {there!r}"
