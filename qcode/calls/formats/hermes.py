"""Qwen2.5, Qwen3 and Hermes: JSON in a tag.

Source: the chat templates of Qwen2.5 and Hermes 2 Pro; `<tool_calls>` with one
object a line is MiniMax-M1's. The end of a call is the end of its JSON, so a
closing tag inside a string ends nothing.
"""

from __future__ import annotations

import re

from qcode.calls.cursor import Cursor
from qcode.calls.formats import Place
from qcode.calls.found import Fault, Found, Region
from qcode.calls.jsoncalls import read_calls
from qcode.calls.offered import Offered

_WRAPPERS = ("tool_call", "tools", "function_call", "tool_calls", "function_calls")
_OPENERS = tuple(f"<{name}>" for name in _WRAPPERS)
_CLOSERS = tuple(f"</{name}>" for name in _WRAPPERS)
_INFO = re.compile(r"[\w-]{0,30}")
"""What stands behind the backticks of a code block."""


class Hermes:
    """One or more JSON objects, or a list of them, in one tag."""

    name = "hermes"
    openers = _OPENERS
    place = Place.ANYWHERE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        on_its_line = cursor.line_start
        opener = cursor.take(*_OPENERS)
        cursor.space()
        if cursor.take(opener):  # doubled
            cursor.space()
        if cursor.take("```"):
            cursor.match(_INFO, 40)
            cursor.space()
        if cursor.ended():
            # Nothing follows the tag: at the end of a sentence it is a word, else a call was begun.
            if not on_its_line or opener == "<tools>":
                return None
            cut = Found("", {}, fault=Fault.TRUNCATED, detail="It ends after its opening tag.")
            return Region(cursor.at, (cut,))
        calls: list[Found] = []
        while cursor.sees("{", "["):
            found = read_calls(cursor, offered, _CLOSERS)
            if found is None:
                break
            calls += found
            end = cursor.at
            if found[-1].fault is Fault.TRUNCATED:
                break
            while True:
                cursor.space()
                if not cursor.take(",", "}", "]", ";", "```"):
                    break
            if cursor.take(*_CLOSERS):
                return Region(cursor.at, tuple(calls))
            if not cursor.sees("{", "["):
                cursor.ended()
                cursor.at = end
                break
        return Region(cursor.at, tuple(calls)) if calls else None


FORMATS = (Hermes(),)
