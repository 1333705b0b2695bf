"""What an answer without a call may have meant: a call that was not one, or a step to come.

Nothing here is ever run. It decides whether the model is asked once more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from qcode.calls.feedback import shown_example, unknown_tool
from qcode.calls.jsoncalls import ARGUMENT_KEYS, calls_of
from qcode.calls.lenient import Unreadable, end_of_value, loads
from qcode.calls.offered import Offered
from qcode.calls.values import coerce, unknown, violations
from qcode.messages import JsonObject

_CALL_LIKE = re.compile(
    r"[\"'](?:name|tool|function|tool_name)[\"']\s*:\s*[\"']([^\"'\n]{1,80})[\"']\s*,?\s*"
    rf"[\"'](?:{'|'.join(ARGUMENT_KEYS)})[\"']\s*:"
)
_TAG = re.compile(r"</?(?:tool_call|function|invoke|function_call)\b[^>\n]{0,80}>")
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


def unheard_call(text: str, schemas: Mapping[str, JsonObject]) -> str:
    """Return why what looks like a call was none, or nothing if nothing looks like one."""
    tail = text[-_WITHIN:]
    matches = list(_CALL_LIKE.finditer(tail))
    if not matches:
        ending = tail.rstrip()[-200:]
        found = _TAG.search(ending)
        return "Its markup is not complete." if found and found.end() > len(ending) - 40 else ""
    name = matches[-1][1]
    begin = tail.rfind("{", 0, matches[-1].start())
    problem, calls = "", []
    try:
        end = end_of_value(tail, begin) if begin >= 0 else -1
        value: Any = loads(tail[begin : end if end >= 0 else len(tail)]).value
        calls = calls_of(value, Offered(schemas)) or []
    except Unreadable as error:
        problem = error.reason
    if name not in schemas:
        return unknown_tool(name, schemas, json.dumps(calls[0].arguments) if calls else "")
    if problem:
        return f"{problem} A correct call has these arguments: {shown_example(schemas[name])}"
    for call in calls:
        if isinstance(call.arguments, dict):
            settled = coerce(call.arguments, schemas[name], raw=False).arguments
            wrong = (*violations(settled, schemas[name]), *unknown(settled, schemas[name]))
            if wrong:
                return " ".join(wrong)
    return "Other text follows it."


def announces(text: str) -> bool:
    """Whether an answer ends by saying what will be done next, without doing it."""
    sentences = [each for each in _SENTENCE.split(text.strip()[-600:]) if each.strip()]
    if not sentences:
        return False
    last = sentences[-1]
    if _OFFERS.search(last):
        return False
    return _ANNOUNCES.search(last) is not None and len(last) < 300
