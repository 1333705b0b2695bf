"""Where the parts of a JSON text stand, so that one can be changed and no other byte is."""

from __future__ import annotations

import json
import re

from qcode.record import Record

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class Span(Record):
    """One value of a JSON text: `text[start:end]`, with what it says."""

    start: int
    end: int
    value: object
    key: str = ""
    """Of a member of an object: its name."""
    key_start: int = -1


class Container(Record):
    """An array or object with what stands directly in it, in the order of the text."""

    start: int
    end: int
    parts: tuple[Span, ...]

    def part(self, key: str) -> Span | None:
        """Return the member that counts: the last one of that name, as for any reader of JSON."""
        return next((part for part in reversed(self.parts) if part.key == key), None)


def container(text: str, at: int = 0) -> Container:
    """Return the parts of the array or object that begins at `at`, blanks before it left out.

    Raises:
        ValueError: the text is no JSON, or something else stands there.
        RecursionError: it is nested too deeply to be read.
    """
    start = skip(text, at)
    opener = text[start : start + 1]
    if not opener or opener not in "[{":
        raise json.JSONDecodeError("Expecting an object or an array", text, start)
    closer = "]" if opener == "[" else "}"
    parts: list[Span] = []
    here = skip(text, start + 1)
    if text[here : here + 1] == closer:
        return Container(start, here + 1, ())
    while True:
        key, key_start = "", -1
        if opener == "{":
            if text[here : here + 1] != '"':
                raise json.JSONDecodeError("Expecting property name in double quotes", text, here)
            key_start = here
            name, here = _value(text, here)
            key = str(name)
            here = _expect(text, here, ":")
        value, end = _value(text, here)
        parts.append(Span(here, end, value, key, key_start))
        here = skip(text, end)
        if text[here : here + 1] == closer:
            return Container(start, here + 1, tuple(parts))
        here = _expect(text, here, ",")


def skip(text: str, at: int) -> int:
    """Return where the blanks at `at` end."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def skip_string(text: str, at: int) -> int:
    """Return where the string that begins at `at` ends."""
    return _value(text, at)[1]


def _expect(text: str, at: int, sign: str) -> int:
    """Return where the value behind a sign begins."""
    at = skip(text, at)
    if text[at : at + 1] != sign:
        raise json.JSONDecodeError(f"Expecting {sign!r} delimiter", text, at)
    return skip(text, at + 1)


def _value(text: str, at: int) -> tuple[object, int]:
    try:
        value, end = _DECODER.raw_decode(text, at)
    except IndexError as error:  # of `raw_decode` at the end of the text
        raise json.JSONDecodeError("Expecting value", text, at) from error
    return value, end
