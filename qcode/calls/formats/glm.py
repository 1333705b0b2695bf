"""GLM-4.5 to 5: a name, then `<arg_key>` and `<arg_value>` in turn.

Source: the chat templates of GLM-4.5 and GLM-4.7. Values are verbatim; a
literal backslash-n between tags is a slip of the server's.
"""

from __future__ import annotations

import re

from qcode.calls.cursor import Cursor, Ending
from qcode.calls.formats import Place
from qcode.calls.found import Fault, Found, Region
from qcode.calls.offered import Offered
from qcode.calls.tags import Nested, make_tags, read_value

_OPEN = "<tool_call>"
_CLOSE = "</tool_call>"
_KEY = r"<arg_key>\s*(?P<key>[^<>\n]{1,150}?)\s*</arg_key>"
_BLANK = r"(?:\s|\\n)*"
_TAGS = make_tags(
    _KEY,
    "</arg_value>",
    nested=Nested(
        rf"{_OPEN}(?:\s|\\n){{0,20}}[\w.\-:/]{{1,150}}(?:\s|\\n){{0,20}}(?=<arg_key>)",
        _OPEN,
        _CLOSE,
    ),
    after=(_CLOSE, _OPEN),
    strips_newline=False,
    blank=_BLANK,
)
_SKIP = re.compile(_BLANK)
_OPENER = re.compile(_KEY)
_LONE_KEY = re.compile(r"([\w.\-]{1,150})</arg_key>")
_CUT = re.compile(r"<[^<>\n]{0,12}(?:>[^<>\n]{0,150})?(?:</[^<>\n]{0,12})?")
"""The beginning of a pair of tags, at the end of the text."""
_NAME = re.compile(r"[\w.\-:/]{1,150}")


class Glm:
    """One call in a wrapper."""

    name = "glm"
    openers = (_OPEN,)
    place = Place.ANYWHERE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        on_its_line = cursor.line_start
        cursor.take(_OPEN)
        cursor.skip(_SKIP)
        named = cursor.match(_NAME, 151)
        if named is None:
            if not cursor.sees("<arg_key>"):
                return None
            region = read_body(cursor, offered, "")
            if region is None:
                return None
            keys = ", ".join(region.calls[0].arguments) or "none"
            nameless = Found(
                "", {}, fault=Fault.MISSING_NAME, detail=f"Its arguments were: {keys}."
            )
            return Region(region.end, (nameless,))
        if on_its_line and cursor.ending is Ending.CUT and cursor.at == len(cursor.text):
            cut = Found("", {}, fault=Fault.TRUNCATED, detail="It ends behind its opening tag.")
            return Region(cursor.at, (cut,))
        return read_body(cursor, offered, named[0])


def read_body(cursor: Cursor, offered: Offered, name: str) -> Region | None:
    """Read what follows the name of a call, to the end of the call."""
    if name and offered.is_placeholder(name):
        return None
    arguments: dict[str, str] = {}
    cursor.skip(_SKIP)
    if cursor.take("</arg_key>"):
        name, key = _unglue(offered, name)
        if not name:
            return None
        call = _value(cursor, offered, name, key, arguments)
        if call is not None:
            return Region(cursor.at, (call,))
    elif key := _first_key(cursor, offered, name):
        call = _value(cursor, offered, name, key, arguments)
        if call is not None:
            return Region(cursor.at, (call,))
    elif not cursor.sees("<arg_key>"):
        if cursor.sees(_CLOSE) or (cursor.ended() and cursor.ending is Ending.NATURAL):
            # Without a single argument it is a word as well, but for a tool's name.
            if name not in offered:
                return None
        elif cursor.is_open or not cursor.cut_in("<arg_key>", _CLOSE):
            return None
    while True:
        cursor.skip(_SKIP)
        if cursor.take(_CLOSE):
            return Region(cursor.at, (Found(name, arguments, as_text=True),))
        if cursor.sees(_OPEN):
            return Region(cursor.at, (Found(name, arguments, as_text=True, unclosed=True),))
        if cursor.ended():
            fault = Fault.NONE if cursor.ending is Ending.NATURAL else Fault.TRUNCATED
            call = Found(name, arguments, as_text=True, fault=fault, unclosed=True)
            return Region(cursor.at, (call,))
        opener = cursor.match(_OPENER, 200)
        if opener is None and _CUT.fullmatch(cursor.text, cursor.at):
            cursor.await_more()
            is_closer = _CLOSE.startswith(cursor.text[cursor.at :])
            whole = is_closer and cursor.ending is Ending.NATURAL
            fault = Fault.NONE if whole else Fault.TRUNCATED
            detail = "" if whole else "It ends within a tag."
            call = Found(name, arguments, as_text=True, fault=fault, detail=detail, unclosed=True)
            return Region(len(cursor.text), (call,))
        if opener is None:
            return _junk(cursor, name, bool(arguments))
        call = _value(cursor, offered, name, opener["key"], arguments)
        if call is not None:
            return Region(cursor.at, (call,))


def _first_key(cursor: Cursor, offered: Offered, name: str) -> str:
    """Take the first key where its opening tag is missing."""
    if cursor.sees("<") or name not in offered:
        return ""
    begin = cursor.at
    match = cursor.match(_LONE_KEY, 170)
    if match is not None and offered.next_after(name, ())(match[1]):
        return match[1]
    cursor.at = begin
    return ""


def _value(
    cursor: Cursor, offered: Offered, name: str, key: str, arguments: dict[str, str]
) -> Found | None:
    """Take a value into `arguments`; return the call if it ends in the middle or is broken."""
    cursor.skip(_SKIP)
    if not cursor.take("<arg_value>"):
        if not cursor.ended() and not (not cursor.is_open and cursor.cut_in("<arg_value>")):
            near = cursor.text[cursor.at : cursor.at + 40]
            closer = cursor.text.find(_CLOSE, cursor.at)
            if closer < 0:
                cursor.await_more()
            cursor.at = closer + len(_CLOSE) if closer >= 0 else len(cursor.text)
            detail = f"{near!r} stands where the value of `{key}` should."
            return Found(name, {}, fault=Fault.INVALID, detail=detail)
        return Found(name, {}, fault=Fault.TRUNCATED, detail=f"`{key}` has no value.")
    value = read_value(cursor, _TAGS, offered.next_after(name, (*arguments, key)))
    if not value.closed:
        return Found(name, {}, fault=Fault.TRUNCATED, detail=f"It ends within `{key}`.")
    arguments.setdefault(key, value.text)
    return None


def _junk(cursor: Cursor, name: str, has_arguments: bool) -> Region | None:
    near = cursor.text[cursor.at : cursor.at + 40]
    closer = cursor.text.find(_CLOSE, cursor.at)
    if closer < 0:
        cursor.await_more()
        if not has_arguments:
            return None
        closer = len(cursor.text) - len(_CLOSE)
    cursor.at = closer + len(_CLOSE)
    detail = f"{near!r} stands where <arg_key> should."
    return Region(cursor.at, (Found(name, {}, fault=Fault.INVALID, detail=detail),))


def _unglue(offered: Offered, glued: str) -> tuple[str, str]:
    """Return tool and parameter of a name to which the first key is glued."""
    for tool in sorted(offered.names, key=len, reverse=True):
        key = glued.removeprefix(tool)
        if key != glued and key and offered.next_after(tool, ())(key):
            return tool, key
    return "", ""


FORMATS = (Glm(),)
