"""Llama 3 and 4: JSON behind `<|python_tag|>`, or a list of Python calls.

Source: Meta's prompt formats for Llama 3.1, 3.3 and 4. A list without tokens
is calls only if it is the whole message and names nothing but offered tools.
Python is read as literals, never run.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any

from qcode.calls.cursor import Cursor, Ending
from qcode.calls.formats import Place
from qcode.calls.found import Fault, Found, Region
from qcode.calls.jsoncalls import read_calls
from qcode.calls.offered import Offered

_TAG = "<|python_tag|>"
_START = "<|python_start|>"
_ENDS = ("<|python_end|>", "<|eom_id|>", "<|eot_id|>", "<|eot|>")
_CALL = re.compile(r"\[\s*([A-Za-z_][\w.\-]{0,120})\s*\(")
_LEXEME = re.compile(
    r"\"\"\"(?:[^\\\"]|\\.|\"(?!\"\"))*\"\"\"|'''(?:[^\\']|\\.|'(?!''))*'''"
    r"|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[\[\](){}\"']",
    re.DOTALL,
)
_CONSTANTS = {"true": True, "false": False, "null": None}


class PythonTag:
    """One or more JSON objects behind the tag, separated by semicolons."""

    name = "llama-json"
    openers = (_TAG,)
    place = Place.ANYWHERE

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        cursor.take(_TAG)
        cursor.space()
        calls: list[Found] = []
        end = cursor.at
        while cursor.sees("{", "["):
            if cursor.sees("[") and cursor.match(_CALL, 130):
                return None
            found = read_calls(cursor, offered, _ENDS)
            if found is None:
                break
            calls += found
            end = cursor.at
            cursor.space()
            while cursor.take(";", ","):
                cursor.space()
            if cursor.ended():
                break
        return Region(end, tuple(calls)) if calls else None


class Pythonic:
    """`[tool(key=value), …]`, between tokens or as the whole message."""

    name = "llama-pythonic"

    def __init__(self, opener: str, place: Place) -> None:
        self.openers = (opener,)
        self.place = place

    def read(self, cursor: Cursor, offered: Offered) -> Region | None:
        marked = bool(cursor.take(_START))
        if not marked and not cursor.message_start:
            return None
        cursor.space()
        start = cursor.at
        first = cursor.match(_CALL, 130)
        if first is None or (not marked and first[1] not in offered):
            return None
        end = _end_of_list(cursor.text, start)
        if end < 0:
            cursor.await_more()
            return self._unclosed(cursor, offered, start, first[1])
        calls = _read_list(cursor.text[start:end])
        cursor.at = end
        cursor.reach = max(cursor.reach, end)
        if calls is None:
            fault = Found(first[1], {}, fault=Fault.INVALID, detail="It is not a list of calls.")
            return Region(end, (fault,)) if marked else None
        return self._region(cursor, offered, calls, marked=marked)

    def _region(
        self, cursor: Cursor, offered: Offered, calls: list[Found], *, marked: bool
    ) -> Region | None:
        if not marked and any(call.name not in offered for call in calls):
            return None
        end = cursor.at
        cursor.space()
        while cursor.take(*_ENDS):
            end = cursor.at
            cursor.space()
        if not marked and not cursor.ended():
            return None
        return Region(end, tuple(calls))

    def _unclosed(self, cursor: Cursor, offered: Offered, start: int, name: str) -> Region | None:
        rest = cursor.text[start:].rstrip()
        if rest.endswith(")") and cursor.ending is Ending.NATURAL:
            calls = _read_list(rest + "]")
            if calls is not None:
                cursor.at = len(cursor.text)
                return self._region(cursor, offered, calls, marked=True)
        cursor.at = len(cursor.text)
        cut = Found(name, {}, fault=Fault.TRUNCATED, detail=f"It ends after {rest[-40:]!r}.")
        return Region(cursor.at, (cut,))


def _end_of_list(text: str, start: int) -> int:
    depth = 0
    for match in _LEXEME.finditer(text, start):
        lexeme = match[0]
        if lexeme in "[({":
            depth += 1
        elif lexeme in "])}":
            depth -= 1
            if not depth:
                return match.end()
        elif len(lexeme) == 1:
            return -1  # a string that does not end
    return -1


def _read_list(text: str) -> list[Found] | None:
    """Return the calls of a Python list of calls with literal arguments."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
        if not isinstance(tree, ast.List) or not tree.elts:
            return None
        return [_read_call(node) for node in tree.elts]
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None


def _read_call(node: ast.expr) -> Found:
    if not isinstance(node, ast.Call) or node.args:
        raise ValueError("not a call with named arguments")
    arguments: dict[str, Any] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            if not isinstance(keyword.value, ast.Dict):
                raise ValueError("not a literal")
            arguments |= _literal(keyword.value)
        else:
            arguments[keyword.arg] = _literal(keyword.value)
    return Found(ast.unparse(node.func), arguments)


def _literal(node: ast.expr) -> Any:
    for child in ast.walk(node):
        for field, value in ast.iter_fields(child):
            if isinstance(value, ast.Name) and value.id in _CONSTANTS:
                setattr(child, field, ast.Constant(_CONSTANTS[value.id]))
            elif isinstance(value, list):
                value[:] = [
                    ast.Constant(_CONSTANTS[each.id])
                    if isinstance(each, ast.Name) and each.id in _CONSTANTS
                    else each
                    for each in value
                ]
    if isinstance(node, ast.Name) and node.id in _CONSTANTS:
        return _CONSTANTS[node.id]
    value = ast.literal_eval(node)
    if isinstance(value, (set, bytes, complex)):
        raise ValueError("no JSON value")
    return value


FORMATS = (PythonTag(), Pythonic(_START, Place.ANYWHERE), Pythonic("[", Place.MESSAGE))
