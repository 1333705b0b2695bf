"""JSON Schema from a parameter record, and the check of a call's arguments.

Names and types that models get wrong have been settled by `qcode.calls` before;
what is still wrong here is refused with words that tell the model what to send.
"""

from __future__ import annotations

import json
import types
import typing
from typing import Annotated, Any, Literal, TypeVar, Union

from qcode.errors import ToolError
from qcode.messages import JsonObject
from qcode.record import Record
from qcode.tools.base import Tool
from qcode.tools.clip import clip

P = TypeVar("P")

HIDDEN = "\0hidden"
"""Annotation of a parameter that is understood but not told to the model."""

ASKED = "\0asked"
"""Annotation of a text that the model is told to give; left out, it is empty."""

_HARMLESS = frozenset(
    {"description", "explanation", "reason", "reasoning", "thought", "title", "summary",
     "activeform", "priority", "blockedby", "securityrisk", "tooltitle"}
)  # fmt: skip
"""Parameters that other harnesses have and that change nothing; compared without `_`."""


class _Field(Record):
    name: str
    kind: Any
    """The bare type: str, int, bool, float, a Literal, list[...] or a record."""
    text: str
    required: bool
    hidden: bool
    asked: bool
    """Whether the model is told that it is required."""


_known_fields: dict[type[Any], tuple[_Field, ...]] = {}
_known_schemas: dict[tuple[type[Any], bool], JsonObject] = {}


def _fields(params: type[Any]) -> tuple[_Field, ...]:
    if params not in _known_fields:
        _known_fields[params] = _read_fields(params)
    return _known_fields[params]


def _read_fields(params: type[Any]) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(params, include_extras=True)
    found = []
    for name in params.__match_args__:
        hint, texts = hints[name], []
        if typing.get_origin(hint) is Annotated:
            hint, *texts = typing.get_args(hint)
        if typing.get_origin(hint) in (Union, types.UnionType):
            hint = next(a for a in typing.get_args(hint) if a is not types.NoneType)
        asked = name not in params.__field_defaults__
        hidden = HIDDEN in texts
        text = next((str(each) for each in texts if not str(each).startswith("\0")), "")
        required = asked and ASKED not in texts
        found.append(_Field(name, hint, text, required, hidden, asked))
    return tuple(found)


def schema(params: type[Any], *, hidden: bool = False) -> JsonObject:
    """Return the JSON Schema of a parameter record, as small as it can be said.

    With `hidden`, parameters that the model is not told of are in it. The same
    object is returned each time; it must not be changed.
    """
    if (params, hidden) not in _known_schemas:
        _known_schemas[params, hidden] = _schema(params, hidden)
    return _known_schemas[params, hidden]


def _schema(params: type[Any], hidden: bool) -> JsonObject:
    shown = [field for field in _fields(params) if hidden or not field.hidden]
    properties = {field.name: _property(field, hidden) for field in shown}
    out: JsonObject = {"type": "object", "properties": properties}
    required = [field.name for field in shown if field.asked]
    if required:
        out["required"] = required
    return out


def _property(field: _Field, hidden: bool) -> JsonObject:
    out = _type(field.kind, hidden)
    if field.text:
        out = {**out, "description": field.text}
    return out


def _type(kind: Any, hidden: bool) -> JsonObject:
    if typing.get_origin(kind) is Literal:
        return {"type": "string", "enum": list(typing.get_args(kind))}
    if typing.get_origin(kind) is list:
        return {"type": "array", "items": _type(typing.get_args(kind)[0], hidden)}
    if isinstance(kind, type) and issubclass(kind, Record):
        return schema(kind, hidden=hidden)
    return {"type": {str: "string", int: "integer", float: "number", bool: "boolean"}[kind]}


def parse(tool: Tool[P], arguments: str) -> P:
    """Return the parameters that a call's JSON object means.

    Raises:
        ToolError: they are not those of the tool.
    """
    try:
        data = json.loads(arguments or "{}")
        if not isinstance(data, dict):
            raise _Wrong(f"The arguments must be one JSON object, not {_kind_of(data)}.")
    except _Wrong as wrong:
        raise ToolError(f"{tool.name} was not run: {wrong}") from None
    except (ValueError, RecursionError) as error:
        is_json = not isinstance(error, json.JSONDecodeError)
        fault = "have too many digits or brackets" if is_json else f"are not valid JSON: {error}"
        raise ToolError(f"{tool.name} was not run: The arguments {fault}.") from None
    return tool.build(data)


def build(name: str, params: type[P], data: JsonObject) -> P:
    """Return the parameter record that the arguments of the tool of that name mean.

    Raises:
        ToolError: they are not the record's.
    """
    try:
        return typing.cast(P, _build(params, data, ""))
    except _Wrong as wrong:
        raise ToolError(f"{name} was not run: {wrong} {usage(params)}") from None


def usage(params: type[Any]) -> str:
    """Return one line that names the parameters, `?` behind those that may be left out."""
    shown = [f for f in _fields(params) if not f.hidden]
    names = ", ".join(f.name if f.asked else f"{f.name}?" for f in shown)
    return f"Parameters: {names}."


class _Wrong(Exception):
    """What is wrong with the arguments; a whole sentence."""


def _build(params: type[Any], data: dict[str, Any], where: str) -> Any:
    fields = {field.name: field for field in _fields(params)}
    given = _named(fields, data, where)
    missing = [f"`{where}{f.name}`" for f in fields.values() if f.required and f.name not in given]
    if missing:
        raise _Wrong(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing.")
    values = {name: _value(fields[name].kind, value, where + name) for name, value in given.items()}
    left_out = {f.name: "" for f in fields.values() if f.asked and f.name not in given}
    return params(**left_out, **values)


def _named(fields: dict[str, _Field], data: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the values by field name; null means left out."""
    given: dict[str, Any] = {}
    unknown = []
    for name, value in data.items():
        if name not in fields:
            if _bare(name) not in _HARMLESS:
                unknown.append(name)
        elif value is not None or fields[name].required:
            given[name] = value
    if unknown:
        raise _Wrong(" ".join(_unknown(name, fields, where) for name in unknown[:5]))
    return given


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _unknown(name: str, fields: dict[str, _Field], where: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [f.name for f in fields.values() if not f.hidden], 1)
    hint = f"; did you mean `{near[0]}`?" if near else "."
    return f"There is no parameter `{where}{clip(name)}`{hint}"


def _value(kind: Any, value: Any, where: str) -> Any:
    if typing.get_origin(kind) is Literal:
        return _choice(typing.get_args(kind), value, where)
    if typing.get_origin(kind) is list:
        return _list(typing.get_args(kind)[0], value, where)
    if kind is str:
        return _text(value, where)
    if kind is bool:
        if isinstance(value, bool):
            return value
        raise _Wrong(f"`{where}` must be true or false, not {_kind_of(value)}.")
    if kind in (int, float):
        return _number(kind, value, where)
    if not isinstance(value, dict):
        raise _Wrong(f"`{where}` must be an object, not {_kind_of(value)}.")
    return _build(kind, value, where + ".")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"`{where}` must be a string, not {_kind_of(value)}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Wrong(f"`{where}` has half of a surrogate pair, which is no character.") from None
    return value


def _number(kind: type[Any], value: Any, where: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Wrong(f"`{where}` must be a number, not {_kind_of(value)}.")
    if kind is int and isinstance(value, float):
        if not value.is_integer():
            raise _Wrong(f"`{where}` must be a whole number, not {value}.")
        return int(value)
    return kind(value)


def _choice(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value in choices:
        return value
    known = ", ".join(map(str, choices))
    raise _Wrong(f"`{where}` must be one of {known}, not {json.dumps(value)[:40]}.")


def _list(kind: Any, value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _Wrong(f"`{where}` must be a list, not {_kind_of(value)}.")
    return [_value(kind, item, f"{where}[{index}]") for index, item in enumerate(value)]


def _kind_of(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else kinds.get(type(value), f"the number {clip(str(value))}")
