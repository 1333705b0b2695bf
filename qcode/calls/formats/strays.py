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
)
_CLOSERS = ("</tool_call>", "</function>", "</invoke>", "</minimax:tool_call>", "</tool_calls>")
"""Of a call that had no opener, or one too many; elsewhere they are words."""


def skip(cursor: Cursor) -> None:
    """Go on behind blanks and such tokens."""
    cursor.space()
    while cursor.take(*TOKENS, *_CLOSERS):
        cursor.space()


def strip(text: str) -> str:
    """Return the text without blanks and such tokens at its edges."""
    while True:
        text = text.strip()
        for token in TOKENS:
            if text.startswith(token) or text.endswith(token):
                text = text.removeprefix(token).removesuffix(token)
                break
        else:
            return text


class Strays:
    """Tokens with nothing but blanks before or behind them."""

    name = ""
    openers = (*TOKENS, *_CLOSERS)
    place = Place.ANYWHERE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        if cursor.sees(*_CLOSERS) and not cursor.after_calls:
            return None
        if cursor.message_start:
            cursor.take(*TOKENS, *_CLOSERS)
            return Region(cursor.at)
        skip(cursor)
        return Region(cursor.at) if cursor.ended() else None


FORMATS = (Strays(),)
