"""In which way a small model is to go at a task; each further try takes another one.

A model of a few billion parameters that fixed a bug wrongly fixes it so again. Asked to reason
first, or to write the function anew from its description, it does something else. Asked for
the one line that is wrong, it needs a fifth of the words, and is right about as often.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from enum import Enum

from qcode.editing.merged import python_lines
from qcode.record import Record


class Kind(Enum):
    """What the model is asked for."""

    PLAIN = "plain"
    """The files alone."""
    LINE = "line"
    """The one line that is wrong, and what it should be."""
    PLAN = "plan"
    """First what has to change, then the files."""
    THINK = "think"
    """First what is wrong, then the files."""
    ANEW = "anew"
    """A function from its description; it is shown without its body."""


class Approach(Record):
    """How one try goes at it."""

    kind: Kind = Kind.PLAIN
    path: str = ""
    """The file that is to change, relative to the workspace; empty: that is for the model to see,
    not with LINE and ANEW."""
    names: tuple[str, ...] = ()
    """With ANEW: the functions that are written anew."""
    task: str = ""
    """What is asked for, where the message has more: what fails names what nobody spoke of."""

    is_measured: bool = False
    """Whether tests that fail are to pass, so that they stay as they are."""

    is_one_answer: bool = False
    """Whether the try is over with one answer that wrote files, even if that could not be done.

    Told so, a small model writes the like again; where tests judge, the next try is better.
    """


MOST_ANEW = 2
"""Functions that are written anew at once."""


def described(text: str, names: Collection[str]) -> tuple[str, ...]:
    """Return which of the names are functions of a Python text that say what they do.

    Where none of them does, all of them: then the tests alone say it.
    """
    found = [(name, node) for name, node in _functions(text) if name in names]
    known = [name for name, node in found if _says(node)]
    return tuple(dict.fromkeys(known or [name for name, _ in found]))


def without_bodies(text: str, names: Collection[str]) -> str:
    """Return a Python text with the bodies of these functions left out, but their descriptions."""
    lines = python_lines(text)
    bodies: list[tuple[int, int, str]] = []
    for _, node in [pair for pair in _functions(text) if pair[0] in names]:
        first, last = node.body[0], node.body[-1]
        begin, end = (first.end_lineno if _says(node) else first.lineno - 1), last.end_lineno
        blanks = lines[first.lineno - 1][: first.col_offset]
        is_inner = bodies and node.lineno <= bodies[-1][1]
        if begin is None or end is None or begin == end or is_inner or blanks.strip():
            continue
        bodies.append((begin, end, blanks))
    for begin, end, blanks in reversed(bodies):
        lines[begin:end] = [f"{blanks}raise NotImplementedError\n"]
    return "".join(lines)


def _says(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function has a description, and more than that."""
    return bool(ast.get_docstring(node, clean=False)) and len(node.body) > 1


def _functions(text: str) -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    nodes = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    nodes.sort(key=lambda node: node.lineno)
    return [
        (node.name, node)
        for node in nodes
        if len(node.body) > 1 or not ast.get_docstring(node, clean=False)
    ]
