"""Qwen3-Coder, Qwen3.5 and MiMo: `<function=NAME><parameter=KEY>` in a `<tool_call>`.

Source: the chat templates of Qwen3-Coder and MiMo-V2-Flash. The wrapper is
often missing; then a call counts only at the start of a line and with the
exact name of a tool.
"""

from __future__ import annotations

import re

from qcode.calls.cursor import Cursor, Ending
from qcode.calls.formats import Place
from qcode.calls.found import Fault, Found, Region
from qcode.calls.jsoncalls import read_object
from qcode.calls.offered import Offered
from qcode.calls.tags import Nested, Tags, cut_in_tag, make_tags, read_value

_OPEN = "<tool_call>"
_CLOSE = "</tool_call>"
_FUNCTION = ("<function=", "<function name=")
_END = "</function>"


def _tags(opener: str, function: str) -> Tags:
    nested = Nested(function + r"[^<>\n]{1,150}>\s{0,20}(?=<parameter)", function, _END)
    return make_tags(
        opener, "</parameter>", nested=nested, after=(_END, _CLOSE), strips_newline=True
    )


_TAGS = _tags(r"<parameter=[\"']?(?P<key>[^\s<>=\"']{1,150})[\"']?\s*>", "<function=")
_ATTRIBUTE_TAGS = _tags(
    r"<parameter\s+name=[\"']?(?P<key>[^\s<>=\"']{1,150})[\"']?\s*>", r"<function\s+name="
)
"""A call keeps to one spelling; a file that it writes may hold the other."""
_INLINE = re.compile(r"<parameter=(?P<key>[\w.\-]{1,150})=")
"""`<parameter=KEY=VALUE</parameter>`, a slip."""


class Qwen3Coder:
    """One wrapper with one or more functions, or a function without a wrapper."""

    name = "qwen3-coder"
    openers = (_OPEN, *_FUNCTION)
    place = Place.ANYWHERE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        wrapped = bool(cursor.take(_OPEN))
        if wrapped:
            cursor.space()
            if cursor.take(_OPEN):  # doubled
                cursor.space()
        elif not cursor.line_start:
            return None
        if not cursor.sees(*_FUNCTION):
            if not wrapped or cursor.is_open or not cursor.cut_in(*_FUNCTION):
                return None
            cut = Found("", {}, fault=Fault.TRUNCATED, detail="It ends within a tag.")
            return Region(len(cursor.text), (cut,))
        calls: list[Found] = []
        while True:
            call = _function(cursor, offered, exact=not wrapped)
            if call is None:
                break
            calls.append(call)
            behind = cursor.at
            cursor.space()
            if cursor.take(_CLOSE):
                break
            if cursor.at >= len(cursor.text) and cursor.is_open:
                cursor.await_more()
            if not cursor.sees(*_FUNCTION):
                cursor.at = behind
                break
        return Region(cursor.at, tuple(calls)) if calls else None


def _function(cursor: Cursor, offered: Offered, *, exact: bool) -> Found | None:
    begin = cursor.at
    cursor.take(*_FUNCTION)
    name = cursor.line(">")
    if name is None:
        # The end came before the name did.
        partial = cursor.text[begin:]
        is_cut = not cursor.is_open and "\n" not in partial and len(partial) < 200 and not exact
        if not is_cut:
            return None
        cursor.at = len(cursor.text)
        return Found("", {}, fault=Fault.TRUNCATED, detail="It ends within the tool's name.")
    name = name.strip().strip("\"'")
    if offered.is_placeholder(name) or (exact and name not in offered):
        return None
    cursor.space()
    if cursor.take(f"<function={name}>"):  # doubled
        cursor.space()
    if cursor.sees("{"):
        read = read_object(cursor, (_END, _CLOSE))
        if read.fault is Fault.NONE:
            cursor.space()
            cursor.take(_END)
        return read.arguments_of(name)
    arguments: dict[str, str] = {}
    while True:
        cursor.space()
        if cursor.take(_END):
            return Found(name, arguments, as_text=True)
        if cursor.sees(_CLOSE, *_FUNCTION):
            return Found(name, arguments, as_text=True, unclosed=True)
        if cursor.ended():
            fault = Fault.NONE if cursor.ending is Ending.NATURAL else Fault.TRUNCATED
            return Found(name, arguments, as_text=True, fault=fault, unclosed=True)
        tags = _ATTRIBUTE_TAGS if cursor.sees("<parameter ") else _TAGS
        opener = cursor.match(_INLINE, 160) or cursor.match(tags.opener, 200)
        if opener is None and (cut := cut_in_tag(cursor, name, arguments)) is not None:
            return cut
        if opener is None:
            return _junk(cursor, name, arguments, exact=exact)
        key = opener["key"]
        value = read_value(cursor, tags, offered.next_after(name, (*arguments, key)))
        if not value.closed:
            # Its end is missing, whatever the server says of how the answer ended.
            return Found(name, arguments, fault=Fault.TRUNCATED, detail=f"It ends within `{key}`.")
        arguments.setdefault(key, value.text)


def _junk(cursor: Cursor, name: str, arguments: dict[str, str], *, exact: bool) -> Found | None:
    """Text stands where a parameter should: an error if the call is closed, else no call."""
    if exact and not arguments:
        return None
    near = cursor.text[cursor.at : cursor.at + 40]
    closer = cursor.text.find(_END, cursor.at)
    if closer < 0:
        cursor.await_more()
        if not arguments:
            return None
        cursor.at = len(cursor.text)
        return Found(name, {}, fault=Fault.TRUNCATED, detail=f"It ends after {near!r}.")
    cursor.at = closer + len(_END)
    cursor.reach = max(cursor.reach, cursor.at)
    return Found(
        name, {}, fault=Fault.INVALID, detail=f"{near!r} stands outside of any <parameter=…>."
    )


FORMATS = (Qwen3Coder(),)
