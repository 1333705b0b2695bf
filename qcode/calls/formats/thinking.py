"""Tags around reasoning that the server left in the text.

A closing tag alone means that the opening one stood in the prompt: all before
it is reasoning. In the middle of a sentence either is a word.
"""

from __future__ import annotations

from qcode.calls.cursor import Cursor
from qcode.calls.formats import Place
from qcode.calls.found import CLOSED, REASONING, Region
from qcode.calls.offered import Offered

_OPEN = ("<think>", "<thinking>", "[THINK]", "<mm:think>")
CLOSERS = ("</think>", "</thinking>", "[/THINK]", "</mm:think>")


class Thinking:
    """One tag; what it encloses is read on as text of another channel."""

    name = ""
    openers = (*_OPEN, *CLOSERS)
    place = Place.ANYWHERE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        starts = cursor.line_start or cursor.message_start
        before = cursor.text[cursor.at - 1] if cursor.at else "\n"
        if cursor.take(*_OPEN):
            return Region(cursor.at, channel=REASONING) if starts else None
        cursor.take(*CLOSERS)
        if starts or before not in " (\"'":
            return Region(cursor.at, channel=CLOSED)
        if cursor.ended() or cursor.sees("\n"):
            return Region(cursor.at, channel=CLOSED)
        return None


FORMATS = (Thinking(),)
