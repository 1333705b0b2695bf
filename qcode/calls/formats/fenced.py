"""Calls in a code block, in any form: they count if they fill it and nothing follows.

An example with prose behind it is documentation.
"""

from __future__ import annotations

import re
from functools import cache

from qcode.calls.cursor import Cursor
from qcode.calls.formats import Format, Place, at, strays
from qcode.calls.formats.bare_json import BareJson, read_objects
from qcode.calls.found import Found, Region
from qcode.calls.offered import Offered

FENCES = ("```", "~~~")
_INFO = re.compile(r"[`~]{0,20}[^\n`]{0,60}(?=\n|\{|\[)")


class Fenced:
    """One code block after another to the end of the message, each full of calls."""

    name = "fenced"
    openers = FENCES
    place = Place.LINE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        calls: list[Found] = []
        is_bare = True
        while fence := cursor.take(*FENCES):
            if cursor.match(_INFO, 90) is None:
                return None
            cursor.space()
            begin = len(calls)
            while not cursor.sees(fence):
                if len(calls) > begin and cursor.ended():
                    break  # the closing fence of the last block is often missing
                region = _inner(cursor, offered)
                if region is None or not region.calls:
                    return None
                calls += region.calls
                is_bare = is_bare and region.is_bare
                cursor.at = region.end
                cursor.space()
            if len(calls) == begin:
                return None
            cursor.take(fence)
            strays.skip(cursor)
        return Region(cursor.at, tuple(calls), is_bare=is_bare) if cursor.ended() else None


def _inner(cursor: Cursor, offered: Offered) -> Region | None:
    """Return the calls at the cursor, written in any of the forms."""
    if cursor.sees(*BareJson.openers):
        found = read_objects(cursor, offered)
        return Region(cursor.at, tuple(found), is_bare=True) if found else None
    table = at(Place.ANYWHERE)
    if cursor.text[cursor.at : cursor.at + 1] not in _first_characters():
        return None  # as most code begins
    opener = cursor.sees(*table)
    for form in table.get(opener, ()):
        inner = Cursor(cursor.text, cursor.at, cursor.ending, line_start=True)
        region = form.read(inner, offered)
        cursor.reach = max(cursor.reach, inner.reach)
        if region is not None:
            return region
    return None


@cache
def _first_characters() -> frozenset[str]:
    """Return what a call in a block may begin with; nothing stands for what is still to come."""
    return frozenset({"", *(opener[0] for opener in at(Place.ANYWHERE))})


FORMATS: tuple[Format, ...] = (Fenced(),)
