"""Arguments as models write them, to the types that a tool's schema asks for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from qcode.calls.lenient import Unreadable, loads
from qcode.calls.names import nearest, resolve_parameter
from qcode.calls.shapes import (
    TESTS,
    additional_of,
    alternatives_of,
    choices_of,
    is_of,
    kind_of,
    properties_of,
    required_of,
    takes_null,
)
from qcode.messages import JsonObject
from qcode.record import Record

_WRAPPERS = ("arguments", "input", "parameters")
_MOST = 8
"""Faults of one call that are told; more would not help the model."""


class Coerced(Record):
    arguments: dict[str, Any]
    notes: tuple[str, ...] = ()
    """What was repaired, in phrases."""


def coerce(arguments: dict[str, Any], schema: JsonObject, *, raw: bool) -> Coerced:
    """Return the arguments under the schema's names and, where that is sure, in its types.

    With `raw`, values that are strings are text between tags, which has no types
    of its own. What does not fit stays as it is, for `violations` to name.
    """
    notes: list[str] = []
    inner = _unwrapped(arguments, schema)
    if inner is not None:
        notes.append(f"the arguments were wrapped in `{next(iter(arguments))}`")
        arguments, raw = inner, False
    out = _object(arguments, schema, "", notes, raw=raw)
    return Coerced(out, tuple(dict.fromkeys(notes)))


def _unwrapped(arguments: dict[str, Any], schema: JsonObject) -> dict[str, Any] | None:
    """Return the object that is the value of the only argument, an unknown one."""
    if len(arguments) != 1 or "properties" not in schema:
        return None
    ((name, value),) = arguments.items()
    if name not in _WRAPPERS or resolve_parameter(name, properties_of(schema), ()):
        return None
    if isinstance(value, str):
        try:
            value = loads(value).value
        except Unreadable:
            return None
    return value if isinstance(value, dict) else None


def _object(
    given: dict[str, Any], schema: JsonObject, where: str, notes: list[str], *, raw: bool = False
) -> dict[str, Any]:
    properties = properties_of(schema)
    settled: dict[str, tuple[str, Any]] = {}
    taken: set[str] = set()
    # Null where nothing is meant leaves its name to another spelling, so own names go first.
    for written in sorted(given, key=lambda name: name not in properties):
        name = resolve_parameter(written, properties, taken) or written
        value = _settled(given[written], name, schema, where, notes, raw=raw)
        if value is not _NOTHING:
            taken.add(name)
            settled[written] = (name, value)
            if name != written:
                notes.append(f"`{where}{written}` was taken for `{where}{name}`")
    return dict(settled[written] for written in given if written in settled)


def _settled(
    value: Any, name: str, schema: JsonObject, where: str, notes: list[str], *, raw: bool
) -> Any:
    """Return the value of a parameter in its type, or that there is none."""
    of = properties_of(schema).get(name, additional_of(schema))
    if of is None:
        return value
    if raw and isinstance(value, str):
        value = _typed(value, of, where + name, notes)
    else:
        value = _fitted(value, of, where + name, notes)
    may_be_null = name not in properties_of(schema) or name in required_of(schema)
    return _NOTHING if value is None and not may_be_null and not takes_null(of) else value


_NOTHING: Any = object()


# Text to types.

_ORDER = ("null", "boolean", "integer", "number", "array", "object", "string", "")
_INTEGER = re.compile(r"-?[0-9]+(?:\.0+)?")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NULLS = ("null", "None")


def _typed(text: str, schema: JsonObject, where: str, notes: list[str]) -> Any:
    """Return what a text without types means, the text itself if it fits nothing."""
    alternatives = sorted(alternatives_of(schema), key=lambda one: _ORDER.index(kind_of(one)))
    may_be_text = any(kind_of(one) in ("string", "") for one in alternatives)
    for one in alternatives:
        value = _reading(text, one, wary=may_be_text)
        if value is not _NOTHING and is_of(value, one):
            if isinstance(value, (dict, list)):
                return _container(value, alternatives, where, notes)
            return value
    # A placeholder for nothing, left out if the parameter may be.
    return None if text.strip() in _NULLS and not may_be_text else text


def _reading(text: str, schema: JsonObject, *, wary: bool) -> Any:
    """Return a text as a value of one type; `wary` if it could be meant as text."""
    kind, word = kind_of(schema), text.strip()
    if kind == "string":
        return _choice(text, choices_of(schema))
    if kind == "null":
        return None if word in _NULLS else _NOTHING
    if kind == "boolean":
        return {"true": True, "false": False}.get(word.lower(), _NOTHING)
    if kind in ("integer", "number"):
        return _number(word, whole=kind == "integer", wary=wary)
    if kind in ("array", "object"):
        return _loaded(text, ended=not wary)
    value = _any(text)
    return value if is_of(value, schema) else _choice(text, choices_of(schema))


def _choice(text: str, choices: list[Any] | None) -> Any:
    """Return the text, or the only choice that is the same but for case and signs."""
    if choices is None or text in choices:
        return text
    bare = _bare(text)
    found = [each for each in choices if isinstance(each, str) and _bare(each) == bare != ""]
    return found[0] if len(found) == 1 else text


def _bare(text: str) -> str:
    return re.sub(r"[\s_-]+", "", text).lower()


def _number(word: str, *, whole: bool, wary: bool) -> Any:
    if len(word) > 400 or not (_INTEGER if whole else _NUMBER).fullmatch(word):
        return _NOTHING
    number = int(word.split(".")[0]) if whole or word.lstrip("-").isdigit() else float(word)
    if not math.isfinite(number) or (wary and json.dumps(number) != word):
        return _NOTHING  # `007` and `3.10` are other texts than the numbers'
    return number


def _loaded(text: str, *, ended: bool) -> Any:
    try:
        return loads(text, ended=ended).value
    except Unreadable:
        return _NOTHING


def _any(text: str) -> Any:
    """Return a text of which no type is known: JSON if it is that as it stands."""
    word = text.strip()
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    if word[:1] in ("{", "["):
        try:
            loaded = loads(text, ended=False)
        except Unreadable:
            return text
        return text if loaded.notes else loaded.value
    number = _number(word, whole=False, wary=True)
    return text if number is _NOTHING else number


_CONSTANTS = {"true": True, "false": False, "null": None}


# JSON to the types of the schema.


def _fitted(value: Any, schema: JsonObject, where: str, notes: list[str]) -> Any:
    """Return a value of JSON as the schema wants it, itself if it cannot be."""
    alternatives = alternatives_of(schema)
    fits = [one for one in alternatives if is_of(value, one)]
    if isinstance(value, (dict, list)):
        return _container(value, fits, where, notes) if fits else value
    if fits:
        if isinstance(value, float) and all(kind_of(one) == "integer" for one in fits):
            return int(value)
        return value
    repaired = _NOTHING
    if isinstance(value, str):
        repaired = _typed(value, schema, where, notes)
    elif value is not None and any(kind_of(one) == "string" for one in alternatives):
        repaired = json.dumps(value)
    elif isinstance(value, float) and value.is_integer():
        repaired = int(value)
    fits_now = repaired is None or any(is_of(repaired, one) for one in alternatives)
    if repaired is _NOTHING or not fits_now:
        return value
    if isinstance(value, str) and isinstance(repaired, str):
        notes.append(f"`{where}` was taken for {json.dumps(repaired)}")
    else:
        notes.append(f"`{where}` was {_type_of(value)}, taken as {_type_of(repaired)}")
    return repaired


def _container(value: Any, alternatives: list[JsonObject], where: str, notes: list[str]) -> Any:
    """Return an object or a list as the alternative wants it that then fits best."""
    first: tuple[Any, list[str]] | None = None
    for one in alternatives:
        if not is_of(value, one):
            continue
        noted: list[str] = []
        filled = _filled(value, one, where, noted)
        if next(_inside(filled, one, where), None) is None:
            notes += noted
            return filled
        first = first or (filled, noted)
    if first is None:
        return value
    notes += first[1]
    return first[0]


def _filled(value: Any, schema: JsonObject, where: str, notes: list[str]) -> Any:
    if isinstance(value, dict):
        if not {"properties", "additionalProperties"} & set(schema):
            return value
        return _object(value, schema, f"{where}.", notes)
    items = schema.get("items")
    if not isinstance(items, dict):
        return value
    return [_fitted(item, items, f"{where}[{at}]", notes) for at, item in enumerate(value)]


# What is wrong.


def violations(arguments: dict[str, Any], schema: JsonObject) -> tuple[str, ...]:
    """Return what does not follow the schema, a sentence a field, at most the first few."""
    return _first(_inside(arguments, schema, ""))


def unknown(arguments: dict[str, Any], schema: JsonObject) -> tuple[str, ...]:
    """Return which parameters the schema does not know, a sentence each."""
    return _first(_strange(arguments, schema, ""))


def _first(faults: Iterator[str]) -> tuple[str, ...]:
    return tuple(fault for fault, _ in zip(faults, range(_MOST), strict=False))


def _inside(value: Any, schema: JsonObject, where: str) -> Iterator[str]:
    """Yield the faults inside an object or a list."""
    if isinstance(value, dict):
        prefix = f"{where}." if where else ""
        properties, more = properties_of(schema), additional_of(schema)
        for name in required_of(schema):
            if name not in value:
                expected = _expected(properties.get(name, more or {}))
                yield f"`{prefix}{name}` is missing, expected {expected}"
        for name, item in value.items():
            of = properties.get(name, more)
            if of is not None:
                yield from _wrong(item, of, f"{prefix}{_short(name)}")
    elif isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        for at, item in enumerate(value):
            yield from _wrong(item, items, f"{where}[{at}]")


def _wrong(value: Any, schema: JsonObject, where: str) -> Iterator[str]:
    fits = [one for one in alternatives_of(schema) if is_of(value, one)]
    if not fits:
        yield f"`{where}` is {_shown(value)}, expected {_expected(schema)}"
    elif all(next(_inside(value, one, where), None) for one in fits):
        yield from _inside(value, fits[0], where)


def _strange(value: Any, schema: JsonObject, where: str) -> Iterator[str]:
    if isinstance(value, dict):
        prefix = f"{where}." if where else ""
        properties, more = properties_of(schema), additional_of(schema)
        for name, item in value.items():
            of = properties.get(name, more)
            if of is None:
                yield f"`{prefix}{_short(name)}` is no parameter{_hint(name, properties)}"
            else:
                yield from _strange_in(item, of, f"{prefix}{_short(name)}")
    elif isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        for at, item in enumerate(value):
            yield from _strange_in(item, items, f"{where}[{at}]")


def _strange_in(value: Any, schema: JsonObject, where: str) -> Iterator[str]:
    fits = [one for one in alternatives_of(schema) if is_of(value, one)]
    if fits and all(next(_strange(value, one, where), None) for one in fits):
        yield from _strange(value, fits[0], where)


def _hint(name: str, properties: dict[str, JsonObject]) -> str:
    if not properties:
        return ", there are none"
    return f", the nearest is `{nearest(name, properties)[0]}`"


_WORDS = {
    "string": "a string", "integer": "an integer", "number": "a number",
    "boolean": "true or false", "array": "a list", "object": "an object", "null": "null",
    "": "any value",
}  # fmt: skip
_SHOWN = 60
"""Characters of a value or name that are quoted."""


def _expected(schema: JsonObject) -> str:
    said = []
    for one in alternatives_of(schema):
        choices = choices_of(one)
        if choices is None:
            said.append(_WORDS[kind_of(one)])
        else:
            said.append("one of " + ", ".join(_quoted(each) for each in choices[:20]))
    return " or ".join(dict.fromkeys(said))


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    return _WORDS[next(kind for kind, test in TESTS.items() if kind != "integer" and test(value))]


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)) or value is None:
        return _type_of(value)
    return _quoted(value) if isinstance(value, bool) else f"{_type_of(value)} ({_quoted(value)})"


def _quoted(value: Any) -> str:
    text = json.dumps(_short(value) if isinstance(value, str) else value, ensure_ascii=False)
    return _short(text) if not isinstance(value, str) else text


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
