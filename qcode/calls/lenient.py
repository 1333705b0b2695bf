"""JSON as models write it: repaired where only one reading is left, else refused.

Strict JSON is read by the standard library at full speed; what it refuses goes
to `repairs`, which is loaded only then.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from qcode.record import Record

LEVELS = 100
"""Containers inside one another; deeper ones are refused, whatever the interpreter could do."""
_COPIES = 16
"""Values one after another that are still looked at as repetitions of the first."""
_NEAR = 30
"""Characters shown on each side of a fault."""


class Unreadable(Exception):
    """There is no single reading. `cut`: the text ends in the middle of a value."""

    def __init__(self, reason: str, *, cut: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cut = cut


CLOSED = "closing brackets added"
"""The note of a text whose end was missing, though no value's."""


class Loaded(Record):
    value: Any
    """An object or a list."""
    notes: tuple[str, ...] = ()
    """What was repaired, in short phrases."""
    is_json: bool = False
    """Whether the text, as it stands, is JSON for any reader."""


def loads(text: str, *, ended: bool = True) -> Loaded:
    """Return the object or list that a text means.

    `ended` says that the message ended by itself or a closing tag followed: only
    then may brackets that are missing at the very end be added.

    Raises:
        Unreadable: it means none, or could mean several; nothing else is raised.
    """
    return _loads(text, ended, 0)


_START = re.compile(r"\s*+(?:```[\w+-]*+\s*+)?+")
BEHIND = re.compile(
    r"""(?: \s++
        | ```\w*+
        | </[^<>\n]{1,60}+>
        | <s>
        | <\|[^|<>\n]{1,60}+\|>
        | <\uff5c[^\uff5c<>\n]{1,60}+\uff5c>
        | \[e~\[
        | \]<\]minimax\[>\[
        | (?P<surplus>[}\]])
        )*+""",
    re.VERBOSE,
)
"""What may stand behind a value and says nothing: special tokens, closers, a fence, brackets."""


def _loads(text: str, ended: bool, decoded: int) -> Loaded:
    at = end_of(_START.match(text))
    if at == len(text):
        raise Unreadable("The text ends before any JSON has begun.", cut=not decoded)
    if text[at] in "{[":
        return _values(text, at, ended)
    if text[at] in "\"'" and decoded < 2:
        from qcode.calls.repairs import string

        inner, end = string(text, at)
        behind = end_of(BEHIND.match(text, end))
        if behind < len(text):
            raise fault_at("unexpected text behind the string", text, behind)
        loaded = _loads(inner, ended, decoded + 1)
        return Loaded(loaded.value, ("decoded twice-encoded JSON", *loaded.notes))
    raise fault_at("it does not begin with a bracket", text, at)


def _values(text: str, at: int, ended: bool) -> Loaded:
    """Read a value, and what follows it as far as that says the same or nothing."""
    notes: list[str] = []
    value, end = _one(text, at, ended, notes)
    is_json = not notes and _is_strict(text, at, end)
    for _ in range(_COPIES):
        behind = BEHIND.match(text, end)
        end = end_of(behind)
        if behind and behind["surplus"]:
            notes.append("surplus brackets dropped")
        if end == len(text):
            return Loaded(value, tuple(dict.fromkeys(notes)), is_json)
        if text[end] not in "{[":
            raise fault_at("unexpected text behind the value", text, end)
        begin = end
        other, end = _one(text, begin, ended, notes)
        if value == {} and isinstance(other, dict) and other:
            value = other
            notes.append("empty object before the real one dropped")
        elif same(value, other):
            notes.append("repeated object dropped")
        else:
            raise fault_at("different values one after another", text, begin)
    raise fault_at("too many values one after another", text, end)


_CONTROL = re.compile(r"[\x00-\x1f]")


def _is_strict(text: str, at: int, end: int) -> bool:
    """Say whether a text is nothing but a value that was read, and without raw control signs."""
    if text[:at].strip() or text[end:].strip():
        return False
    if not _CONTROL.search(text):
        return True
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def same(one: Any, other: Any) -> bool:
    """Say whether two values of JSON are equal, booleans apart from numbers."""
    return one == other and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


class _Constant(ValueError):
    """NaN or an infinity, which the standard library would take."""


def _constant(name: str) -> NoReturn:
    raise _Constant(name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        seen: dict[str, Any] = {}
        for name, value in pairs:
            if name in seen and not same(seen[name], value):
                raise Unreadable(f"{name[:60]!r} is there twice with different values.")
            seen[name] = value
    return out


DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_once, parse_constant=_constant)
"""Not strict: a raw newline inside a string can only mean itself."""


def _one(text: str, at: int, ended: bool, notes: list[str]) -> tuple[Any, int]:
    """Return the value that begins at a bracket, and the offset behind it."""
    try:
        value, end = DECODER.raw_decode(text, at)
    except (json.JSONDecodeError, _Constant):
        from qcode.calls.repairs import repaired

        value, end = repaired(text, at, ended, notes)
    except ValueError:
        raise Unreadable("A number has too many digits.") from None
    except RecursionError:
        raise Unreadable(TOO_DEEP) from None
    _check(value)
    return value, end


TOO_DEEP = f"The value is nested more than {LEVELS} levels deep."


def _check(value: Any) -> None:
    """Refuse what JSON text can say but nobody can use or send on."""
    todo = [(value, 1)]
    while todo:
        item, level = todo.pop()
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, (dict, list)):
            if level > LEVELS:
                raise Unreadable(TOO_DEEP)
            if isinstance(item, dict):
                for name in item:
                    _check_text(name)
                todo += [(one, level + 1) for one in item.values()]
            else:
                todo += [(one, level + 1) for one in item]
        elif isinstance(item, float) and not math.isfinite(item):
            raise Unreadable("A number is too large.")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        near = text[max(0, error.start - _NEAR) : error.start + _NEAR]
        raise Unreadable(
            f"A string has half of a surrogate pair, which is no character, near {near!r}."
        ) from None


# What the model is told.


def fault_at(fault: str, text: str, at: int) -> Unreadable:
    """Return the refusal of a text with a fault, and the characters around it."""
    begin, end = max(0, at - _NEAR), at + _NEAR
    near = f"{'…' * (begin > 0)}{text[begin:end]}{'…' * (end < len(text))}"
    return Unreadable(f"The text is not valid JSON: {fault} at character {at}, near {near!r}.")


def cut_off(text: str) -> Unreadable:
    """Return the refusal of a text that ends too early."""
    near = f"{'…' * (len(text) > 2 * _NEAR)}{text[-2 * _NEAR :]}"
    return Unreadable(
        f"The text ends in the middle, after {len(text)} characters: {near!r}.", cut=True
    )


def end_of(match: re.Match[str] | None) -> int:
    """Return where the match of a pattern that always matches ends."""
    assert match is not None
    return match.end()


# Where a value ends.

_SKIPPED = re.compile(
    r"""(?: [^"'{}\[\]]++ | "(?!"")(?:[^"\\]++|\\.)*+" )*+""", re.VERBOSE | re.DOTALL
)
"""Text without structure, and strings. Two quotes before a third are looked at alone."""
_REST = {
    '"': re.compile(r'(?:[^"\\]++|\\.)*+"', re.DOTALL),
    "'": re.compile(r"(?:[^'\\]++|\\.)*+'", re.DOTALL),
    '"""': re.compile(r'(?:[^"\\]++|\\.|"(?!""))*+"""', re.DOTALL),
    "'''": re.compile(r"(?:[^'\\]++|\\.|'(?!''))*+'''", re.DOTALL),
}
_BODY = {
    '"': re.compile(r'(?:[^"\\]++|\\.)*+', re.DOTALL),
    "'": re.compile(r"(?:[^'\\]++|\\.)*+", re.DOTALL),
}
_BEFORE = frozenset("{[(,:")


class ValueScan:
    """How far the search for a value's end has come, to go on when there is more text."""

    __slots__ = ("at", "depth", "inside")

    def __init__(self, at: int) -> None:
        self.at = at
        self.depth = 0
        self.inside = ""
        """The quote of the string that `at` is in."""


def end_of_value(text: str, at: int, scan: ValueScan | None = None) -> int:
    """Return the offset behind the object or list that begins at `text[at]`; -1 if it is open.

    JSON or a Python literal. Only strings and brackets are looked at, so the value
    need not be readable. More text behind a value never changes where it ends: with
    `scan`, made for this place, a later search goes on where this one stopped.
    """
    start = at
    scan = scan or ValueScan(at)
    at, depth, inside = scan.at, scan.depth, scan.inside
    while True:
        if inside:
            at = end_of(_BODY[inside].match(text, at))
            if at == len(text) or text[at] != inside:  # it is cut, perhaps in an escape
                scan.at, scan.depth, scan.inside = at, depth, inside
                return -1
            at, inside = at + 1, ""
        at = end_of(_SKIPPED.match(text, at))
        if at >= len(text):
            return -1
        # Up to three quotes belong together: what stands at the end may change with more.
        if at <= len(text) - 3:
            scan.at, scan.depth, scan.inside = at, depth, ""
        sign = text[at]
        at += 1
        if sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
            if depth == 0:
                return at
        elif (begins := _may_begin(text, at - 1, start)) or sign == '"':
            if begins and text.startswith(sign * 2, at):
                rest = _REST[sign * 3].match(text, at + 2)
                if rest is None:
                    return -1
                at = rest.end()
            elif at > len(text) - 3:
                rest = _REST[sign].match(text, at)
                if rest is None:
                    return -1
                at = rest.end()
            else:
                inside = sign


def _may_begin(text: str, at: int, start: int) -> bool:
    """Say whether a value or key may begin at an offset."""
    at -= 1
    while at > start and text[at].isspace():
        at -= 1
    return text[at] in _BEFORE
