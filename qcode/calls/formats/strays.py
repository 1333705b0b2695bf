"""Special tokens that servers leave at the edges of a message: no text, no calls."""

from __future__ import annotations

from qcode.calls.cursor import Cursor
from qcode.calls.formats import Place
from qcode.calls.found import Region
from qcode.calls.offered import Offered

TOKENS = (
    "<|im_end|>",
    "<|im_start|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|python_end|>",
    "<|user|>",
    "<|observation|>",
    "<|tool_calls_section_end|>",
    "<｜end▁of▁sentence｜>",
    "</s>",
    "[e~[",
    "</tool_call>",
    "</function>",
)


def skip(cursor: Cursor) -> None:
    """Go on behind blanks and such tokens."""
    cursor.space()
    while cursor.take(*TOKENS):
        cursor.space()


class Strays:
    """Tokens with nothing but blanks before or behind them."""

    name = ""
    openers = TOKENS
    place = Place.ANYWHERE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        if cursor.message_start:
            cursor.take(*TOKENS)
            return Region(cursor.at)
        skip(cursor)
        return Region(cursor.at) if cursor.ended() else None


FORMATS = (Strays(),)
