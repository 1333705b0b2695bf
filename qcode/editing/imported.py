"""The imports that a written Python file forgot, taken from files that have them. Pure.

A small model that moves a function leaves its imports where they were, and tests what it does
not import. A name that nothing in the file binds is an error for sure; where all files of the
project that import it do so in one way, or one file beside it defines it, that is meant. So is
a well-known module of that name, where all that is taken from it is there.
"""

from __future__ import annotations

import ast
import builtins
import importlib
from collections.abc import Iterable, Sequence

from qcode.editing.merged import python_lines
from qcode.record import Record

_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
_OF_MODULES = frozenset({"__file__", "__name__", "__doc__", "__package__", "__spec__", "__path__"})
_KNOWN = frozenset((
    "base64", "collections", "copy", "csv", "datetime", "decimal", "functools", "hashlib",
    "itertools", "json", "logging", "math", "os", "pathlib", "random", "re", "shutil",
    "statistics", "subprocess", "sys", "tempfile", "textwrap", "time", "typing",
))  # fmt: skip
"""Modules of Python that are imported by no other name, and whose import does nothing else."""
_PYTEST = frozenset((
    "approx", "fail", "fixture", "importorskip", "main", "mark", "param", "raises", "skip",
    "warns", "xfail",
))  # fmt: skip


class Other(Record):
    """Another Python file of the project."""

    text: str
    module: str = ""
    """How the written file would import it; empty: that is not known."""


class Imported(Record):
    """The file with the imports that were missing."""

    text: str
    added: tuple[str, ...]
    """The import statements, one each."""


def imported(text: str, others: Iterable[Other]) -> Imported | None:
    """Return a Python file with the imports it lacks that other files have; None: there are none.

    Names that files import in different ways are left alone, and so is a file with `import *`.
    """
    try:
        tree = ast.parse(text)
    except _UNREADABLE:
        return None
    lacks = _lacks(tree)
    if not lacks:
        return None
    ways: dict[str, set[str]] = {}
    homes: dict[str, set[str]] = {}
    for other in others:
        try:
            body = ast.parse(other.text).body
        except _UNREADABLE:
            continue
        for name, statement in _imports(body):
            ways.setdefault(name, set()).add(statement)
        for name in _defines(body) if other.module else ():
            homes.setdefault(name, set()).add(f"from {other.module} import {name}")
    meant = [ways.get(name) or homes.get(name) or _known(name, tree) for name in lacks]
    added = sorted({next(iter(each)) for each in meant if len(each) == 1})
    if not added:
        return None
    lines = python_lines(text)
    at = _place(tree) or _below_comments(lines)
    if at and not lines[at - 1].endswith("\n"):
        return None  # all of it is in one line
    gap = [] if _is_import_at(tree, at) or not lines[at:] else ["\n", "\n"]
    lines[at:at] = [*(f"{each}\n" for each in added), *gap]
    return Imported("".join(lines), tuple(added))


def _lacks(tree: ast.Module) -> set[str]:
    """Return the names that a module reads, and that nothing in it or in Python binds."""
    read: set[str] = set()
    bound: set[str] = set(dir(builtins)) | _OF_MODULES
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case ast.Name(id=name):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)
            case ast.ClassDef(name=name):
                bound.add(name)
            case ast.arg(arg=name):
                bound.add(name)
            case ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                bound.add(name)
            case ast.MatchMapping(rest=str(name)):
                bound.add(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                bound.update(names)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                if any(each.name == "*" for each in names):
                    return set()
                bound.update(each.asname or each.name.partition(".")[0] for each in names)
            case _:
                pass
    return read - bound


def _known(name: str, tree: ast.Module) -> set[str]:
    """Return how a well-known module is imported, if a name can be nothing else."""
    if name not in _KNOWN and name != "pytest":
        return set()
    nodes = list(ast.walk(tree))
    taken = [
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == name
    ]
    read = sum(isinstance(node, ast.Name) and node.id == name for node in nodes)
    if len(taken) < read:
        return set()  # it is a value as well
    there = _PYTEST if name == "pytest" else dir(importlib.import_module(name))
    return {f"import {name}"} if set(taken) <= set(there) else set()


def _defines(body: Sequence[ast.stmt]) -> list[str]:
    """Return the functions and classes of a file that are there for others."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node.name for node in body if isinstance(node, kinds) and not node.name.startswith("_")]


def _imports(body: Sequence[ast.stmt]) -> list[tuple[str, str]]:
    """Return the names that a file imports at its top, and how; not those of its own package."""
    found = []
    for node in body:
        if isinstance(node, ast.Import):
            for each in node.names:
                name = each.asname or each.name.partition(".")[0]
                found.append((name, ast.unparse(ast.Import([each]))))
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module != "__future__":
            for each in node.names:
                statement = ast.unparse(ast.ImportFrom(node.module, [each], 0))
                found.append((each.asname or each.name, statement))
    return found


def _place(tree: ast.Module) -> int:
    """Return the line, from 0, at which an import is put: behind those at the top."""
    at = 0
    for node in tree.body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not isinstance(node, ast.Import | ast.ImportFrom) and not (is_text and at == 0):
            break
        at = node.end_lineno or node.lineno
    return at


def _below_comments(lines: Sequence[str]) -> int:
    """Return the line behind the comments that a file begins with: `#!` has to be its first."""
    return next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))


def _is_import_at(tree: ast.Module, line: int) -> bool:
    """Whether the statement that ends at a line is an import."""
    return any(
        node.end_lineno == line and isinstance(node, ast.Import | ast.ImportFrom)
        for node in tree.body
    )
