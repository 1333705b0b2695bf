"""JSON without any markup, as small models write it: an object, a list, one object a line.

It is the hardest to tell from an answer that holds JSON, so it is a call only
if it ends the message and names a tool and its parameters exactly.
"""

from __future__ import annotations

import re
from typing import Any

from qcode.calls.cursor import Cursor
from qcode.calls.formats import Place, strays
from qcode.calls.found import Fault, Found, Region
from qcode.calls.jsoncalls import calls_of, read_object
from qcode.calls.lenient import Unreadable, loads
from qcode.calls.offered import Offered
from qcode.calls.values import coerce, unknown
from qcode.record import replace

_LIKELY = re.compile(
    r"(?:\[\s*)?\{\s*[\"'](?:name|tool_name|function_name|tool|function|type|id"
    r"|arguments|parameters|args|input|params|tool_calls)[\"']\s*:"
)
_ENDS = ("```",)


class BareJson:
    """Objects up to the end of the message."""

    name = "json"
    openers = ("{", "[")
    place = Place.LINE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        begin = cursor.at
        calls = read_objects(cursor, offered)
        end = cursor.at
        if calls is not None:
            strays.skip(cursor)
            if cursor.ended():
                return Region(cursor.at, tuple(calls), is_bare=True)
        # Markup inside the strings of an object is no markup, whatever the object is.
        return Region(end, is_text=True) if end > begin else None


def read_objects(cursor: Cursor, offered: Offered) -> list[Found] | None:
    """Take the calls that stand here as JSON; None if there are none, or not certainly."""
    calls: list[Found] = []
    while True:
        begin = cursor.at
        if cursor.match(_LIKELY, 100) is None:
            return calls or None
        cursor.at = begin
        read = read_object(cursor, _ENDS)
        if read.fault is Fault.TRUNCATED:
            cursor.at = begin
        found = calls_of(read.value, offered, strict=True) if read.fault is Fault.NONE else None
        if not found or not all(_is_certain(call, offered) for call in found):
            return None
        calls += [replace(call, notes=read.notes) for call in found]
        cursor.space()
        while cursor.take(";", ",", "}"):
            cursor.space()
        if not cursor.sees("{", "["):
            return calls


def _is_certain(call: Found, offered: Offered) -> bool:
    """Whether a call names a tool exactly, and parameters of its alone, all required among them."""
    if call.name not in offered:
        return False
    arguments: Any = call.arguments
    if isinstance(arguments, str):
        try:
            arguments = loads(arguments).value
        except Unreadable:
            return False
    if not isinstance(arguments, dict):
        return False
    schema = offered.schema(call.name)
    settled = coerce(arguments, schema, raw=False).arguments
    missing = set(schema.get("required", ())) - settled.keys()
    return not missing and not unknown(settled, schema)


FORMATS = (BareJson(),)
