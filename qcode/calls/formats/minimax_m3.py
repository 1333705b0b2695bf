"""MiniMax M3: every structural tag has a token in front, and parameters are named by their tag.

Source: the chat template of MiniMax-M3. Only what has the token is structure,
so a value may hold any markup; a parameter's closing tag sometimes loses it.
"""

from __future__ import annotations

import re
from typing import Any

from qcode.calls.cursor import Cursor, Ending
from qcode.calls.formats import Place
from qcode.calls.found import Fault, Found, Region
from qcode.calls.offered import Offered

_TOKEN = "]<]minimax[>["
_OPEN = f"{_TOKEN}<tool_call>"
_CLOSE = f"{_TOKEN}</tool_call>"
_INVOKE = f"{_TOKEN}<invoke name="
_END = f"{_TOKEN}</invoke>"
_CHILD = re.compile(re.escape(_TOKEN) + r"<([^\s<>/\"=]{1,150})>")
_CUT = re.compile(
    "|".join(re.escape(_TOKEN[:n]) for n in range(len(_TOKEN), 0, -1))
    + r"|"
    + re.escape(_TOKEN)
    + r"</?[^\s<>]{0,150}"
)
"""The beginning of a tag, at the end of the text."""
_DEEPEST = 40


class MiniMaxM3:
    """One wrapper with one or more invokes."""

    name = "minimax-m3"
    openers = (_OPEN, _INVOKE)
    place = Place.ANYWHERE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        cursor.take(_OPEN)
        cursor.space()
        calls: list[Found] = []
        end = cursor.at
        while cursor.take(_INVOKE):
            name = cursor.line(">")
            if name is None or offered.is_placeholder(name.strip("\"' ")):
                break
            calls.append(_call(cursor, name.strip("\"' ")))
            end = cursor.at
            cursor.space()
            if cursor.take(_CLOSE):
                end = cursor.at
                break
            if cursor.ended():
                break
        return Region(end, tuple(calls)) if calls else None


def _call(cursor: Cursor, name: str) -> Found:
    given: list[tuple[str, Any]] = []
    while True:
        cursor.space()
        if cursor.take(_END):
            return Found(name, _mapping(given), as_text=True)
        if cursor.sees(_CLOSE, _INVOKE):
            return Found(name, _mapping(given), as_text=True, unclosed=True)
        is_cut = _CUT.fullmatch(cursor.text, cursor.at) is not None
        if cursor.ended() or is_cut:
            cursor.await_more()
            cursor.at = len(cursor.text)
            fault = (
                Fault.NONE if cursor.ending is Ending.NATURAL and not is_cut else Fault.TRUNCATED
            )
            detail = "It ends within a tag." if is_cut else ""
            return Found(
                name, _mapping(given), as_text=True, fault=fault, detail=detail, unclosed=True
            )
        child = cursor.match(_CHILD, 180)
        if child is None:
            near = cursor.text[cursor.at : cursor.at + 40]
            detail = f"{near!r} stands outside of any parameter."
            closer = cursor.text.find(_END, cursor.at)
            if closer < 0:
                cursor.await_more()
            cursor.at = closer + len(_END) if closer >= 0 else len(cursor.text)
            return Found(name, {}, fault=Fault.INVALID, detail=detail)
        value = _element(cursor, child[1], 0)
        if value is None:
            cursor.at = len(cursor.text)
            detail = f"It ends within `{child[1]}`."
            return Found(name, {}, fault=Fault.TRUNCATED, detail=detail)
        given.append((child[1], value[0]))


def _element(cursor: Cursor, tag: str, depth: int) -> tuple[Any] | None:
    """Return the content of an element whose opening tag was taken; None if it does not end."""
    closer = f"{_TOKEN}</{tag}>"
    start = cursor.at
    children: list[tuple[str, Any]] = []
    while True:
        text = cursor.text
        begin = cursor.at
        token = text.find(_TOKEN, begin)
        # A closing tag that lost its token is real where structure or the end follows.
        bare = text.find(f"</{tag}>", begin, token if token >= 0 else len(text))
        if bare >= 0:
            ahead = Cursor(text, bare + len(tag) + 3, cursor.ending)
            ahead.space()
            if ahead.ended() or ahead.sees(_TOKEN, "</invoke>"):
                cursor.at = bare + len(tag) + 3
                return (text[start:bare],) if not children else (_joined(children),)
        if token < 0:
            cursor.await_more()
            return None
        cursor.at = token
        if cursor.take(closer):
            return (text[start:token],) if not children else (_joined(children),)
        child = cursor.match(_CHILD, 180)
        if child is None or depth >= _DEEPEST or text[begin:token].strip():
            # Structure that is not this element's: it is text, or the element ended without a tag.
            if cursor.sees(_END, _CLOSE):
                return (text[start:token],) if not children else (_joined(children),)
            cursor.at = max(cursor.at, token + len(_TOKEN))
            continue
        value = _element(cursor, child[1], depth + 1)
        if value is None:
            return None
        children.append((child[1], value[0]))


def _joined(children: list[tuple[str, Any]]) -> Any:
    """Return what child elements mean: a list of items, or an object."""
    names = [name for name, _value in children]
    if all(name == "item" for name in names):
        return [value for _name, value in children]
    return _mapping(children)


def _mapping(children: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the values by name; a name that is repeated has a list of them."""
    names = [name for name, _value in children]
    out: dict[str, Any] = {}
    for name, value in children:
        if names.count(name) > 1:
            out.setdefault(name, []).append(value)
        else:
            out[name] = value
    return out


FORMATS = (MiniMaxM3(),)
