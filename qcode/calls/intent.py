"""What an answer without a call may have meant: a call that was not one, or a step to come.

Nothing here is ever run. It decides whether the model is asked once more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from qcode.calls.disclaims import disclaims
from qcode.calls.feedback import fitting_tool, shown_example, unknown_tool
from qcode.calls.jsoncalls import ARGUMENT_KEYS
from qcode.calls.lenient import Unreadable, end_of_value, loads
from qcode.calls.values import coerce, unknown, violations
from qcode.messages import JsonObject
from qcode.prompts import load
from qcode.record import Record

_CALL_LIKE = re.compile(
    r"[\"'](?:name|tool|function|tool_name)[\"']\s*:\s*[\"']([^\"'\n]{1,80})[\"']\s*,?\s*"
    rf"[\"'](?:{'|'.join(ARGUMENT_KEYS)})[\"']\s*:"
)
_ONLY_A_CALL = frozenset({"name", "tool", "function", "tool_name", "type", "id", *ARGUMENT_KEYS})
_OPEN_TAG = re.compile(
    r"(?:^|\n)[ \t]*</?(?:tool_call|function|invoke|function_call)\b[^>\n]{0,80}>\s*\Z"
)
_LAST_OBJECT = re.compile(r"(?:\A|\n)[ \t]*(?:```[a-z]*\s*)?(\{(?:.|\n)*\})\s*(?:```)?\s*\Z")
_WITHIN = 4000
"""Characters at the end of an answer in which a call may stand."""

_ANNOUNCES = re.compile(
    r"\b(?:let me(?! know)|let's|i'?ll|i will|i'm going to|i am going to|next,? i|now i)\b",
    re.IGNORECASE,
)
_OFFERS = re.compile(
    r"\?\s*$|\b(?:if you|would you|shall i|should i|you can|you could|feel free|happy to|glad to"
    r"|let me know|when you|once you|whenever)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?:])\s+|\n+")


class Unheard(Record):
    """Text that looks like a call and was not taken for one."""

    problem: str
    """Why, in sentences for the model."""
    is_attempt: bool
    """Whether it ends the answer and says nothing but a call: hardly an example."""


def unheard_call(text: str, schemas: Mapping[str, JsonObject]) -> Unheard | None:
    """Return what looks like a call at the end of an answer that has none."""
    tail = text[-_WITHIN:]
    matches = list(_CALL_LIKE.finditer(tail))
    if not matches:
        if _OPEN_TAG.search(tail):
            return Unheard("Its markup is not complete.", True)
        return _nameless(tail, schemas)
    name, begin = matches[-1][1], tail.rfind("{", 0, matches[-1].start())
    end = end_of_value(tail, begin) if begin >= 0 else -1
    behind = tail[end:].strip(" \t\r\n`}]") if end >= 0 else ""
    problem, arguments = "", None
    try:
        value: Any = loads(tail[begin : end if end >= 0 else len(tail)]).value
        if not isinstance(value, dict) or not value.keys() <= _ONLY_A_CALL:
            return None
        arguments = next((value[key] for key in ARGUMENT_KEYS if key in value), None)
    except Unreadable as error:
        problem = error.reason
    if behind and name not in schemas:
        return None
    is_attempt = not behind and not disclaims(tail[:begin].removesuffix("```json\n"))
    if name not in schemas:
        return Unheard(unknown_tool(name, schemas, json.dumps(arguments)), is_attempt)
    shown = f"A correct call has these arguments: {shown_example(schemas[name])}"
    if not problem and isinstance(arguments, dict):
        settled = coerce(arguments, schemas[name], raw=False).arguments
        problem = " ".join((*violations(settled, schemas[name]), *unknown(settled, schemas[name])))
    if not problem:
        problem = "Other text stands behind it." if behind else "It has to stand alone."
    return Unheard(f"{problem} {shown}", is_attempt)


def _nameless(tail: str, schemas: Mapping[str, JsonObject]) -> Unheard | None:
    """Return what is said of arguments without a call around them, at the end of an answer."""
    block = _LAST_OBJECT.search(tail)
    if block is None or disclaims(tail[: block.start()]):
        return None
    try:
        value = loads(block[1]).value
    except Unreadable:
        return None
    tool = fitting_tool(value, schemas)
    if not tool:
        return None
    problem = f"It has no name: arguments alone call nothing. {load('calls/fitting', tool=tool)}"
    return Unheard(problem, is_attempt=True)


def announces(text: str) -> bool:
    """Whether an answer ends by saying what will be done next, without doing it."""
    sentences = [each for each in _SENTENCE.split(text.strip()[-600:]) if each.strip()]
    if not sentences:
        return False
    last = sentences[-1]
    if _OFFERS.search(last):
        return False
    return _ANNOUNCES.search(last) is not None and len(last) < 300
