"""Python's types as the model is told of them, and what a call gives as values of these types.

`str`, `int`, `float`, `bool`, `None`, `Any`, `Path`, `Literal`, enums, `list`, `tuple[T, ...]`,
`set`, `dict[str, T]`, unions, dataclasses, named tuples, `TypedDict`s, and `Annotated[T, "what it
is"]` around any of them. A shape is what one of them comes to: its JSON Schema, and a reader that
checks a JSON value to its depth and makes the Python value of it.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union

from qcode.errors import UsageError
from qcode.messages import JsonObject
from qcode.tools.clip import clip

_NONE = type(None)


class Wrong(Exception):
    """A value is not of its type; a whole sentence for the model."""


class Shape(NamedTuple):
    """What a type comes to."""

    schema: JsonObject
    read: Callable[[Any, str], Any]
    """Return the Python value of a JSON value that stands at a place; raises `Wrong`."""
    takes_null: bool = False


class Field(NamedTuple):
    """A parameter of a function, or a field of a record."""

    name: str
    shape: Shape
    required: bool
    text: str = ""
    """What the model is told of it."""


def shape_of(hint: Any, within: tuple[Any, ...] = ()) -> Shape:
    """Return what a type comes to; `within` are the records that it stands in.

    Raises:
        UsageError: it has no form in JSON.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        shape = shape_of(arguments[0], within)
        return shape._replace(schema=_described(shape.schema, _text_of(arguments[1:])))
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin is Literal:
        return _choice({value: value for value in arguments})
    if origin in (Union, types.UnionType):
        return _union([shape_of(each, within) for each in arguments])
    if origin in _SEQUENCES or hint in _SEQUENCES:
        return _sequence(origin or hint, arguments, within)
    if origin in (dict, Mapping) or hint in (dict, Mapping):
        return _mapping(hint, arguments, within)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choice({member.value: member for member in hint})
    if isinstance(hint, type):
        return _record(hint, within)
    raise _formless(hint)


def object_shape(fields: Sequence[Field], make: Callable[..., Any]) -> Shape:
    """Return the shape of an object with these fields; `make` is called with those given."""
    properties = {field.name: _described(field.shape.schema, field.text) for field in fields}
    schema: JsonObject = {"type": "object", "properties": properties}
    if required := [field.name for field in fields if field.required]:
        schema["required"] = required
    known = {field.name: field for field in fields}

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise Wrong(f"`{where}` must be an object, not {_kind(value)}.")
        values: dict[str, Any] = {}
        for name, given in value.items():
            if (field := known.get(name)) is None:
                raise Wrong(_unknown(name, list(known), where))
            if given is None and not field.required and not field.shape.takes_null:
                continue  # models write null for what they leave out
            values[name] = field.shape.read(given, _inside(where, name))
        for field in fields:
            if field.required and field.name not in values:
                raise Wrong(f"`{_inside(where, field.name)}` is missing.")
        return make(**values)

    return Shape(schema, read)


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _described(schema: JsonObject, text: str) -> JsonObject:
    return {**schema, "description": text} if text else schema


def _text_of(notes: Sequence[Any]) -> str:
    return next((note for note in notes if isinstance(note, str)), "")


def _formless(hint: Any) -> UsageError:
    name = getattr(hint, "__name__", None) or str(hint)
    return UsageError(
        f"a model cannot give a value of type `{name}`",
        hint="take str, int, float, bool, Literal, an enum, list, dict, a dataclass or a TypedDict",
    )


def _unknown(name: str, known: Sequence[str], where: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean `{_inside(where, near[0])}`?" if near else "."
    return f"There is no parameter `{_inside(where, clip(name))}`{hint}"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "a string"}
    return kinds.get(type(value)) or f"the number {clip(str(value))}"


def _plain(kind: str, words: str, *types_: type) -> Shape:
    def read(value: Any, where: str) -> Any:
        if isinstance(value, bool) and bool not in types_:
            raise Wrong(f"`{where}` must be {words}, not {_kind(value)}.")
        if not isinstance(value, types_):
            raise Wrong(f"`{where}` must be {words}, not {_kind(value)}.")
        return value

    return Shape({"type": kind}, read)


def _string(value: Any, where: str) -> str:
    text: str = _plain("string", "a string", str).read(value, where)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Wrong(f"`{where}` has half of a surrogate pair, which is no character.") from None
    return text


def _whole(value: Any, where: str) -> int:
    number = _plain("integer", "a whole number", int, float).read(value, where)
    if isinstance(number, float) and not number.is_integer():
        raise Wrong(f"`{where}` must be a whole number, not {number}.")
    return int(number)


def _number(value: Any, where: str) -> float:
    try:
        return float(_plain("number", "a number", int, float).read(value, where))
    except OverflowError:
        raise Wrong(f"`{where}` is too large a number.") from None


_PLAIN: dict[Any, Shape] = {
    str: Shape({"type": "string"}, _string),
    int: Shape({"type": "integer"}, _whole),
    float: Shape({"type": "number"}, _number),
    bool: _plain("boolean", "true or false", bool),
    Path: Shape({"type": "string"}, lambda value, where: Path(_string(value, where))),
    None: Shape({"type": "null"}, _plain("null", "null", _NONE).read, takes_null=True),
    _NONE: Shape({"type": "null"}, _plain("null", "null", _NONE).read, takes_null=True),
    Any: Shape({}, lambda value, _where: value, takes_null=True),
    object: Shape({}, lambda value, _where: value, takes_null=True),
}

_SEQUENCES: dict[Any, Callable[..., Any]] = {
    list: list,
    Sequence: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}


def _choice(choices: Mapping[Any, Any]) -> Shape:
    if not all(isinstance(value, str | int | _NONE) for value in choices):
        raise UsageError("a choice that is neither text nor a whole number has no form in JSON")
    kinds = {"string" if isinstance(value, str) else "integer" for value in choices}
    schema: JsonObject = {"enum": list(choices)}
    if len(kinds) == 1 and not any(isinstance(value, bool | _NONE) for value in choices):
        schema = {"type": kinds.pop(), **schema}

    def read(value: Any, where: str) -> Any:
        for known, meant in choices.items():
            if known == value and isinstance(known, bool) == isinstance(value, bool):
                return meant
        shown = ", ".join(json.dumps(known, ensure_ascii=False) for known in choices)
        raise Wrong(f"`{where}` must be one of {shown}, not {clip(json.dumps(value))}.")

    return Shape(schema, read, takes_null=None in choices)


def _union(shapes: Sequence[Shape]) -> Shape:
    """Return what is one of several; the first that a value fits counts."""
    takes_null = any(shape.takes_null for shape in shapes)
    real = [shape for shape in shapes if shape.schema.get("type") != "null"]
    kinds = [shape.schema.get("type") for shape in shapes]
    if all(list(shape.schema) == ["type"] for shape in shapes):
        schema: JsonObject = {"type": list(dict.fromkeys(kinds))}
    else:
        schema = {"anyOf": [shape.schema for shape in shapes]}

    def read(value: Any, where: str) -> Any:
        if value is None and takes_null:
            return None
        faults: list[str] = []
        for shape in _likely_first(real, value):
            try:
                return shape.read(value, where)
            except Wrong as wrong:
                faults.append(str(wrong))
        raise Wrong(" Or: ".join(dict.fromkeys(faults)) or f"`{where}` must be null.")

    return Shape(schema, read, takes_null)


def _likely_first(shapes: Sequence[Shape], value: Any) -> list[Shape]:
    """Return the shapes; of `int | float` a number with a point is not first tried as the former.

    5.0 would be read as 5 else, and so be of another type than was written.
    """
    return sorted(
        shapes,
        key=lambda shape: isinstance(value, float) and shape.schema.get("type") == "integer",
    )


def _sequence(kind: Any, arguments: tuple[Any, ...], within: tuple[Any, ...]) -> Shape:
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        raise UsageError(
            "a tuple of parts of their own types has no form that models keep to",
            hint="take a dataclass or a named tuple, or tuple[T, ...]",
        )
    item = shape_of(arguments[0] if arguments else Any, within)
    make = _SEQUENCES[kind]

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, list):
            raise Wrong(f"`{where}` must be a list, not {_kind(value)}.")
        try:
            return make([item.read(each, f"{where}[{at}]") for at, each in enumerate(value)])
        except TypeError:  # a set of what cannot be in one
            raise Wrong(f"`{where}` has items of which there can be no set.") from None

    return Shape({"type": "array", "items": item.schema}, read)


def _mapping(hint: Any, arguments: tuple[Any, ...], within: tuple[Any, ...]) -> Shape:
    if arguments and arguments[0] is not str:
        raise _formless(hint)
    item = shape_of(arguments[1] if arguments else Any, within)

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise Wrong(f"`{where}` must be an object, not {_kind(value)}.")
        return {name: item.read(each, _inside(where, name)) for name, each in value.items()}

    schema: JsonObject = {"type": "object"}
    return Shape({**schema, "additionalProperties": item.schema} if item.schema else schema, read)


def _record(hint: type, within: tuple[Any, ...]) -> Shape:
    """Return the shape of a dataclass, a named tuple or a `TypedDict`."""
    if hint in within:
        raise UsageError(f"`{hint.__name__}` holds itself, which models cannot be told of")
    hints = _hints(hint)
    inner = (*within, hint)
    if typing.is_typeddict(hint):
        usually: frozenset[str] = hint.__required_keys__  # type: ignore[attr-defined]
        fields = []
        for name, each in hints.items():
            bare, required = _bare(each, required=name in usually)
            fields.append(Field(name, shape_of(bare, inner), required))
        return object_shape(fields, dict)
    if dataclasses.is_dataclass(hint):
        fields = [
            Field(
                field.name,
                shape_of(hints[field.name], inner),
                field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING,
            )
            for field in dataclasses.fields(hint)
            if field.init
        ]
        return _checked_making(object_shape(fields, hint))
    if issubclass(hint, tuple) and hasattr(hint, "_fields"):
        defaults: Mapping[str, Any] = hint._field_defaults  # type: ignore[attr-defined]
        names: tuple[str, ...] = hint._fields
        fields = [
            Field(name, shape_of(hints.get(name, Any), inner), name not in defaults)
            for name in names
        ]
        return object_shape(fields, hint)
    raise _formless(hint)


def _checked_making(shape: Shape) -> Shape:
    """Return the shape with what a record itself finds wrong told to the model."""

    def read(value: Any, where: str) -> Any:
        try:
            return shape.read(value, where)
        except (ValueError, TypeError) as error:
            raise Wrong(f"`{where}` is not valid: {error}.") from None

    return shape._replace(read=read)


def _hints(hint: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(hint, include_extras=True)
    except (NameError, TypeError) as error:
        raise UsageError(f"the types of `{hint.__name__}` cannot be read: {error}") from None


def _bare(hint: Any, *, required: bool) -> tuple[Any, bool]:
    """Return the type in `Required[...]` or `NotRequired[...]`, and whether it is required.

    `__required_keys__` knows nothing of them where annotations are texts.
    """
    while (origin := typing.get_origin(hint)) in (typing.Required, typing.NotRequired):
        (hint,), required = typing.get_args(hint), origin is typing.Required
    return hint, required


def fields_of(
    function: Callable[..., Any], leave_out: Sequence[Any], texts: Mapping[str, str]
) -> tuple[list[Field], list[str]]:
    """Return a function's parameters, and the names of those whose type is to be left out.

    `texts` say what a parameter is where its type does not.

    Raises:
        UsageError: one has no type or one without a form in JSON, or cannot be given by name.
    """
    name = getattr(function, "__name__", "the function")
    typed = inspect.unwrap(function)
    while isinstance(typed, functools.partial):
        typed = typed.func
    try:
        hints = typing.get_type_hints(typed, include_extras=True)
    except (NameError, TypeError) as error:
        raise UsageError(f"the types of `{name}` cannot be read: {error}") from None
    fields, left_out = [], []
    for at, parameter in enumerate(inspect.signature(function).parameters.values()):
        hint = hints.get(parameter.name, parameter.empty)
        if at == 0 and parameter.name == "self" and hint is parameter.empty:
            continue  # a method, which has it once it is an object's
        if hint in leave_out:
            left_out.append(parameter.name)
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise UsageError(f"`{parameter}` of `{name}` cannot be given by its name")
        if hint is parameter.empty:
            raise UsageError(f"`{parameter.name}` of `{name}` has no type")
        try:
            shape = shape_of(hint)
        except UsageError as error:
            raise UsageError(
                f"`{parameter.name}` of `{name}`: {error.message}", hint=error.hint
            ) from None
        text = "" if "description" in shape.schema else texts.get(parameter.name, "")
        fields.append(Field(parameter.name, shape, parameter.default is parameter.empty, text))
    return fields, left_out
