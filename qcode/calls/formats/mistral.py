"""Mistral, Devstral and Magistral: `[TOOL_CALLS]`, then a list or name and object.

Source: the tokenizers of mistral-common, v3 to v13. Until v11 a JSON list
follows; from then on name, an optional id, `[ARGS]` (sometimes left out), an object.
"""

from __future__ import annotations

import re

from qcode.calls.cursor import Cursor
from qcode.calls.formats import Place
from qcode.calls.found import Fault, Found, Region
from qcode.calls.jsoncalls import read_calls, read_object
from qcode.calls.offered import Offered

_MARK = "[TOOL_CALLS]"
_HEADER = re.compile(
    r"\s*(?P<name>[\w.\-:/]{1,120})\s*(?:\[CALL_ID\]\s*(?P<id>\w{1,64})\s*)?(?:\[ARGS\]\s*)?(?=\{)"
)


class Mistral:
    """One call, or a list of them, behind the mark."""

    name = "mistral"
    openers = (_MARK,)
    place = Place.ANYWHERE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        cursor.take(_MARK)
        behind = Cursor(cursor.text, cursor.at, cursor.ending)
        behind.space()
        if behind.sees("[", "{"):
            cursor.at = behind.at
            found = read_calls(cursor, offered)
            return Region(cursor.at, tuple(found)) if found else None
        header = cursor.match(_HEADER, 260)
        if header is None:
            return _cut(cursor)
        if offered.is_placeholder(header["name"]):
            return None
        call = read_object(cursor).arguments_of(header["name"], header["id"] or "")
        return Region(cursor.at, (call,))


_PARTIAL = re.compile(r"\s*([\w.\-:/]{1,120})?\s*(\[CALL_ID\]\s*\w{0,64}\s*)?(\[A?R?G?S?\]?\s*)?$")


def _cut(cursor: Cursor) -> Region | None:
    rest = cursor.text[cursor.at :]
    if cursor.is_open or not _PARTIAL.fullmatch(rest) or not rest.strip():
        return None
    cursor.at = len(cursor.text)
    name = rest.partition("[")[0].strip() if "[" in rest else ""
    return Region(
        cursor.at, (Found(name, {}, fault=Fault.TRUNCATED, detail="It ends before its arguments."),)
    )


FORMATS = (Mistral(),)
