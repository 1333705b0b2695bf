"""`<invoke name="NAME"><parameter name="KEY">`: the grammar that several families share."""

from __future__ import annotations

import re

from qcode.calls.cursor import Cursor, Ending
from qcode.calls.formats import Place
from qcode.calls.found import Fault, Found, Region
from qcode.calls.jsoncalls import read_object
from qcode.calls.offered import Offered
from qcode.calls.tags import Nested, cut_in_tag, make_tags, read_value

_QUOTED = re.compile(r"""\s*["']?([^"'<>]*)""")


def _unquoted(attribute: str) -> str:
    """Return the value of an attribute, without what stands behind it."""
    match = _QUOTED.match(attribute)
    return match[1].strip() if match else ""


class InvokeFormat:
    """Invokes with or without a wrapper around them.

    `prefix` is what stands between `<` and each tag's name. `wrappers` are
    whole names of tags. Without a wrapper an invoke counts only at the start
    of a line and with the exact name of a tool, unless its own prefix says
    already that it is no prose (`bare_anywhere`).
    """

    place = Place.ANYWHERE

    def __init__(
        self, name: str, wrappers: tuple[str, ...], *, prefix: str = "", bare_anywhere: bool = False
    ) -> None:
        self.name = name
        self._wrappers = tuple(f"<{each}>" for each in wrappers)
        self._closers = tuple(f"</{each}>" for each in wrappers)
        self._invoke = f"<{prefix}invoke name="
        self._end = f"</{prefix}invoke>"
        self._bare_anywhere = bare_anywhere
        opener = (
            rf"<{re.escape(prefix)}parameter\s+name="
            r"[\"']?(?P<key>[^\s<>=\"']{1,150})[\"']?[^<>\n]{0,40}>"
        )
        self._parameter = re.compile(opener)
        self._tags = make_tags(
            opener,
            f"</{prefix}parameter>",
            nested=Nested(
                rf"{re.escape(self._invoke)}[^<>\n]{{1,150}}>\s{{0,20}}(?=<{re.escape(prefix)}parameter)",
                re.escape(self._invoke),
                self._end,
            ),
            after=(self._end, *self._closers),
            strips_newline=False,
        )
        self.openers = (*self._wrappers, self._invoke)

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        on_its_line = cursor.line_start
        wrapped = bool(cursor.take(*self._wrappers))
        if not wrapped and not (cursor.line_start or self._bare_anywhere):
            return None
        cursor.space()
        if wrapped and on_its_line and cursor.ended():
            cut = Found("", {}, fault=Fault.TRUNCATED, detail="It ends after its opening tag.")
            return Region(cursor.at, (cut,))
        if wrapped and not cursor.is_open and cursor.cut_in(self._invoke):
            cut = Found("", {}, fault=Fault.TRUNCATED, detail="It ends within a tag.")
            return Region(len(cursor.text), (cut,))
        calls: list[Found] = []
        end = cursor.at
        while cursor.sees(self._invoke):
            exact = not wrapped and not self._bare_anywhere
            call = self._call(cursor, offered, exact=exact)
            if call is None:
                break
            calls.append(call)
            end = cursor.at
            cursor.space()
            if cursor.take(*self._closers):
                end = cursor.at
                break
            if cursor.ended():
                break
        return Region(end, tuple(calls)) if calls else None

    def _call(self, cursor: Cursor, offered: Offered, *, exact: bool) -> Found | None:
        cursor.take(self._invoke)
        name = cursor.line(">")
        if name is None:
            if cursor.is_open or exact or "\n" in cursor.text[cursor.at :]:
                return None
            cursor.at = len(cursor.text)
            return Found("", {}, fault=Fault.TRUNCATED, detail="It ends within the tool's name.")
        name = _unquoted(name)
        if offered.is_placeholder(name) or (exact and name not in offered):
            return None
        cursor.space()
        if cursor.sees("{"):
            read = read_object(cursor, (self._end, *self._closers))
            if read.fault is Fault.NONE:
                cursor.space()
                cursor.take(self._end)
            return read.arguments_of(name)
        return self._parameters(cursor, offered, name, exact=exact)

    def _parameters(
        self, cursor: Cursor, offered: Offered, name: str, *, exact: bool
    ) -> Found | None:
        arguments: dict[str, str] = {}
        while True:
            cursor.space()
            if cursor.take(self._end):
                return Found(name, arguments, as_text=True)
            if cursor.sees(*self._closers, self._invoke):
                return Found(name, arguments, as_text=True, unclosed=True)
            if cursor.ended():
                fault = Fault.NONE if cursor.ending is Ending.NATURAL else Fault.TRUNCATED
                return Found(name, arguments, as_text=True, fault=fault, unclosed=True)
            opener = cursor.match(self._parameter, 250)
            if opener is None and (cut := cut_in_tag(cursor, name, arguments)) is not None:
                return cut
            if opener is None:
                return self._junk(cursor, name, has_arguments=bool(arguments), exact=exact)
            key = opener["key"]
            value = read_value(cursor, self._tags, offered.next_after(name, (*arguments, key)))
            if not value.closed:
                detail = f"It ends within `{key}`."
                return Found(name, arguments, fault=Fault.TRUNCATED, detail=detail)
            arguments.setdefault(key, value.text)

    def _junk(self, cursor: Cursor, name: str, *, has_arguments: bool, exact: bool) -> Found | None:
        if exact and not has_arguments:
            return None
        near = cursor.text[cursor.at : cursor.at + 40]
        closer = cursor.text.find(self._end, cursor.at)
        if closer < 0:
            cursor.await_more()
            if not has_arguments:
                return None
            cursor.at = len(cursor.text)
            return Found(name, {}, fault=Fault.TRUNCATED, detail=f"It ends after {near!r}.")
        cursor.at = closer + len(self._end)
        cursor.reach = max(cursor.reach, cursor.at)
        detail = f"{near!r} stands outside of any parameter."
        return Found(name, {}, fault=Fault.INVALID, detail=detail)
