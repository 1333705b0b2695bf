"""Calls between special tokens: sections of calls, each with a header and JSON."""

from __future__ import annotations

import re

from qcode.calls.cursor import Cursor, Ending
from qcode.calls.formats import Place
from qcode.calls.found import Fault, Found, Region
from qcode.calls.jsoncalls import read_object
from qcode.calls.offered import Offered


class SectionFormat:
    """A section of calls: token, header, JSON object, token.

    Each token may have several spellings. `header` reads what stands between
    the token that begins a call and its arguments, to their very brace: the
    tool's name as group `name`, an id as group `id`.
    """

    place = Place.ANYWHERE

    def __init__(
        self,
        name: str,
        *,
        section: tuple[str, ...],
        call: tuple[str, ...],
        call_end: tuple[str, ...],
        section_end: tuple[str, ...],
        header: re.Pattern[str],
    ) -> None:
        self.name = name
        self.openers = (*section, *call)
        self._section = section
        self._call = call
        self._call_end = call_end
        self._section_end = section_end
        self._header = header

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        on_its_line = cursor.line_start
        wrapped = bool(cursor.take(*self._section))
        calls: list[Found] = []
        cursor.space()
        if wrapped and cursor.ended():
            if not on_its_line and cursor.ending is Ending.NATURAL:
                return None
            cut = Found("", {}, fault=Fault.TRUNCATED, detail="It ends after its opening token.")
            return Region(cursor.at, (cut,))
        if wrapped and not cursor.is_open and cursor.cut_in(*self._call):
            cut = Found("", {}, fault=Fault.TRUNCATED, detail="It ends after its opening token.")
            return Region(len(cursor.text), (cut,))
        end = cursor.at
        while cursor.take(*self._call):
            found = self._one(cursor, offered)
            if found is None:
                break
            calls.append(found)
            end = cursor.at
            cursor.space()
            if cursor.take(*self._section_end):
                end = cursor.at
                break
            if cursor.ended():
                break
        return Region(end, tuple(calls)) if calls else None

    def _one(self, cursor: Cursor, offered: Offered) -> Found | None:
        begin = cursor.at
        header = cursor.match(self._header, 300)
        if header is None:
            partial = cursor.text[begin:]
            if cursor.is_open or len(partial) > 300 or "{" in partial or "\n\n" in partial:
                return None
            cursor.at = len(cursor.text)
            return Found("", {}, fault=Fault.TRUNCATED, detail="It ends before its arguments.")
        groups = header.groupdict()
        name, call_id = groups["name"], groups.get("id") or ""
        if offered.is_placeholder(name):
            return None
        cursor.space()
        if not cursor.sees("{", "["):
            if cursor.take(*self._call_end):
                return Found(name, {}, id=call_id)
            if cursor.ended():
                detail = "It ends before its arguments."
                return Found(name, {}, id=call_id, fault=Fault.TRUNCATED, detail=detail)
            return None
        read = read_object(cursor, (*self._call_end, *self._section_end))
        if read.fault is not Fault.TRUNCATED:
            cursor.space()
            if cursor.take("```"):
                cursor.space()
            cursor.take(*self._call_end)
        return read.arguments_of(name, call_id)
