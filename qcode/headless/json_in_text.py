"""The JSON that a text holds: alone, in a fence of Markdown, or among prose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from qcode.markdown import fence_of, is_end_of

_KINDS = frozenset({"", "json", "jsonc", "json5", "text"})
"""What a fence may say it holds when it holds an answer."""


class NotJsonError(ValueError):
    """A text is no JSON; the message says where, in a few words."""


def parse(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        NotJsonError: it is none.
    """
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise NotJsonError(f"line {error.lineno}, column {error.colno}: {what}") from error
    except RecursionError as error:
        raise NotJsonError("it is nested too deep") from error
    except ValueError as error:  # a number of thousands of digits, or `NaN`
        raise NotJsonError(str(error)) from error


def _no_constant(name: str) -> Any:
    raise NotJsonError(f"`{name}` is no JSON")


def candidates(text: str) -> list[Any]:
    """Return the values that a text may be meant to give, each once.

    The whole text if it is JSON; or else what stands in its fences; or else each object and
    array among its prose.

    Raises:
        NotJsonError: it tries to be JSON, as a whole or in its only fence, and is not.
    """
    whole = text.strip()
    try:
        return [parse(whole)]
    except NotJsonError as error:
        reason = error
    fenced = list(_fenced(whole))
    found: list[Any] = []
    for inside in fenced:
        try:
            found.append(parse(inside))
        except NotJsonError as error:
            reason = error
    found = found or list(_among(whole))
    if not found and (whole[:1] in ("{", "[") or len(fenced) == 1):
        raise reason
    return [value for at, value in enumerate(found) if not _is_in(value, found[:at])]


def _is_in(value: Any, values: list[Any]) -> bool:
    # As text: 1, 1.0 and true are equal in Python, and not the same JSON.
    return json.dumps(value) in map(json.dumps, values)


def _fenced(text: str) -> Iterator[str]:
    fence, wanted = "", False
    lines: list[str] = []
    for line in text.split("\n"):
        if fence:
            if is_end_of(fence, line):
                if wanted:
                    yield "\n".join(lines)
                fence = ""
            else:
                lines.append(line)
        elif fence := fence_of(line):
            kind = line.strip().strip("`~").split(None, 1)
            wanted, lines = (kind[0].lower() if kind else "") in _KINDS, []
    if fence and wanted:
        yield "\n".join(lines)  # it was never closed


def _among(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    at, tries = 0, 0
    while (at := _next(text, at)) >= 0 and tries < MOST_TRIES:
        tries += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
        else:
            yield value


MOST_TRIES = 1_000
"""Brackets in a text that are looked at: each may cost the rest of the text."""


def _next(text: str, at: int) -> int:
    places = [place for sign in "{[" if (place := text.find(sign, at)) >= 0]
    return min(places, default=-1)
