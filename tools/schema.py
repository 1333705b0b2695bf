"""JSON Schema from a parameter record, and the check of a call's arguments.

What models get wrong in arguments and cannot be misunderstood (`path` for
`file_path`, `"10"` for 10) is accepted; all else is refused with words that
tell the model what to send instead. Truncated JSON is never completed: what
was cut off is the end of somebody's file.
"""

from __future__ import annotations

import json
import re
import types
import typing
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union

from qcode.errors import ToolError
from qcode.messages import JsonObject
from qcode.record import Record
from qcode.tools.base import Tool
from qcode.tools.clip import clip

P = TypeVar("P")

HIDDEN = "\0hidden"
"""Annotation of a parameter that is understood but not told to the model."""

_ALIASES: dict[str, tuple[str, ...]] = {
    "file_path": ("path", "filename", "file", "absolutepath", "targetfile"),
    "path": ("dir", "directory", "dirpath", "directorypath", "folder", "filepath",
             "searchpath"),
    "directory": ("cwd", "workdir", "workingdirectory", "dir", "path"),
    "content": ("text", "contents", "filetext", "filecontent", "data"),
    "old_string": ("oldstr", "oldtext", "old", "search", "original"),
    "new_string": ("newstr", "newtext", "new", "replace", "replacement"),
    "replace_all": ("all", "global"),
    "pattern": ("query", "regex", "regexp", "search", "searchpattern"),
    "glob": ("include", "filepattern", "globpattern", "includepattern"),
    "limit": ("maxresults", "headlimit", "maxlines", "count"),
    "command": ("cmd", "script", "shellcommand", "commandline"),
    "is_background": ("background", "runinbackground"),
    "timeout": ("timeoutms",),
    "todos": ("todolist", "items", "tasks"),
    "status": ("state",),
}  # fmt: skip
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


_known_fields: dict[type[Any], tuple[_Field, ...]] = {}
_known_schemas: dict[type[Any], JsonObject] = {}


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
        required = name not in params._defaults  # noqa: SLF001
        hidden = HIDDEN in texts
        text = "" if hidden or not texts else str(texts[0])
        found.append(_Field(name, hint, text, required, hidden))
    return tuple(found)


def schema(params: type[Any]) -> JsonObject:
    """Return the JSON Schema of a parameter record, as small as it can be said.

    The same object is returned each time; it must not be changed.
    """
    if params not in _known_schemas:
        _known_schemas[params] = _schema(params)
    return _known_schemas[params]


def _schema(params: type[Any]) -> JsonObject:
    shown = [field for field in _fields(params) if not field.hidden]
    out: JsonObject = {"type": "object", "properties": {f.name: _property(f) for f in shown}}
    required = [field.name for field in shown if field.required]
    if required:
        out["required"] = required
    return out


def _property(field: _Field) -> JsonObject:
    out = _type(field.kind)
    if field.text:
        out = {**out, "description": field.text}
    return out


def _type(kind: Any) -> JsonObject:
    if typing.get_origin(kind) is Literal:
        return {"type": "string", "enum": list(typing.get_args(kind))}
    if typing.get_origin(kind) is list:
        return {"type": "array", "items": _type(typing.get_args(kind)[0])}
    if isinstance(kind, type) and issubclass(kind, Record):
        return schema(kind)
    return {"type": {str: "string", int: "integer", float: "number", bool: "boolean"}[kind]}


def parse(tool: Tool[P], arguments: str) -> P:
    """Return the parameters that a call's JSON text means.

    Raises:
        ToolError: they cannot be understood without guessing.
    """
    try:
        data = _load(arguments or "{}")
        return typing.cast(P, _build(tool.params, data, ""))
    except _Wrong as wrong:
        raise ToolError(f"{tool.name} was not run: {wrong} {usage(tool.params)}") from None


def usage(params: type[Any]) -> str:
    """Return one line that names the parameters, `?` behind those that may be left out."""
    shown = [f for f in _fields(params) if not f.hidden]
    names = ", ".join(f.name if f.required else f"{f.name}?" for f in shown)
    return f"Parameters: {names}."


class _Wrong(Exception):
    """What is wrong with the arguments; a whole sentence."""


def _load(text: str) -> Any:
    try:
        # strict=False: a raw newline inside a string can only mean itself.
        data = json.loads(text, strict=False, object_pairs_hook=_no_duplicates)
        if isinstance(data, str):  # encoded twice, as some servers do
            data = json.loads(data, strict=False, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        raise _Wrong(_not_json(error)) from None
    except ValueError:
        raise _Wrong("The arguments have a number with too many digits.") from None
    except RecursionError:
        raise _Wrong("The arguments are nested too deeply.") from None
    if not isinstance(data, dict):
        raise _Wrong(f"The arguments must be one JSON object, not {_kind_of(data)}.")
    return data


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in pairs:
        if name in out and out[name] != value:
            raise _Wrong(f"`{clip(name)}` is there twice with different values.")
        out[name] = value
    return out


def _not_json(error: json.JSONDecodeError) -> str:
    text, at = error.doc, error.pos
    if error.msg.startswith("Unterminated string") or at >= len(text.rstrip()):
        return (
            f"The arguments end in the middle, after {len(text)} characters "
            f"(… {text[-40:]!r}); they were cut off. Send the whole call again; "
            "if it is long, write less at once (a part first, then edit)."
        )
    near = text[max(0, at - 20) : at + 20]
    return (
        f"The arguments are not valid JSON: {error.msg} at character {at}, near {near!r}. "
        "Send the whole call again as one JSON object."
    )


def _build(params: type[Any], data: dict[str, Any], where: str) -> Any:
    fields = {field.name: field for field in _fields(params)}
    given = _named(fields, data, where)
    missing = [f"`{where}{f.name}`" for f in fields.values() if f.required and f.name not in given]
    if missing:
        raise _Wrong(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing.")
    return params(
        **{name: _value(fields[name].kind, value, where + name) for name, value in given.items()}
    )


def _named(fields: dict[str, _Field], data: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the values by field name; null means left out."""
    aliases = _alias_table(tuple(fields))
    given: dict[str, Any] = {}
    unknown = []
    for name, value in data.items():
        field = name if name in fields else aliases.get(_bare(name))
        if field is None:
            if _bare(name) not in _HARMLESS:
                unknown.append(name)
        elif value is None and not fields[field].required:
            continue
        elif field in given and given[field] != value:
            raise _Wrong(f"`{where}{field}` is there twice with different values.")
        else:
            given[field] = value
    if unknown:
        raise _Wrong(" ".join(_unknown(name, fields, where) for name in unknown[:5]))
    return given


@cache
def _alias_table(fields: tuple[str, ...]) -> dict[str, str]:
    table: dict[str, str] = {}
    for field in fields:
        for alias in _ALIASES.get(field, ()):
            table.setdefault(alias, field)
    return table | {_bare(field): field for field in fields}


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
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            return value.strip().lower() == "true"
        if isinstance(value, bool):
            return value
        raise _Wrong(f"`{where}` must be true or false, not {_kind_of(value)}.")
    if kind in (int, float):
        return _number(kind, value, where)
    if not isinstance(value, dict):
        raise _Wrong(f"`{where}` must be an object, not {_kind_of(value)}.")
    return _build(kind, value, where + ".")


def _text(value: Any, where: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _Wrong(f"`{where}` must be a string, not {_kind_of(value)}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Wrong(f"`{where}` has half of a surrogate pair, which is no character.") from None
    return value


def _number(kind: type[Any], value: Any, where: str) -> Any:
    if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,18}(\.[0-9]{1,18})?\s*", value):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Wrong(f"`{where}` must be a number, not {_kind_of(value)}.")
    if kind is int and isinstance(value, float):
        if not value.is_integer():
            raise _Wrong(f"`{where}` must be a whole number, not {value}.")
        return int(value)
    return kind(value)


def _choice(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if isinstance(value, str):
        bare = _bare(value.replace(" ", "_"))
        for choice in choices:
            if _bare(choice) == bare:
                return choice
    known = ", ".join(map(str, choices))
    raise _Wrong(f"`{where}` must be one of {known}, not {json.dumps(value)[:40]}.")


def _list(kind: Any, value: Any, where: str) -> list[Any]:
    if isinstance(value, str):
        try:
            decoded = json.loads(value, strict=False)
        except (ValueError, RecursionError):
            decoded = None
        if isinstance(decoded, list):
            value = decoded
    if not isinstance(value, list):
        raise _Wrong(f"`{where}` must be a list, not {_kind_of(value)}.")
    return [_value(kind, item, f"{where}[{index}]") for index, item in enumerate(value)]


def _kind_of(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else kinds.get(type(value), f"the number {clip(str(value))}")
