"""Python as it means: parsed, without what is only for readers; pure."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from typing import TypeAlias

LARGEST = 2 * 2**20
"""Bytes of a file that is parsed."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def parse(data: bytes) -> ast.Module | None:
    """Return the tree without docstrings, annotations and `pass`; None if it is none."""
    if len(data) > LARGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of is the author's business
            tree = ast.parse(data)
        for node in ast.walk(tree):
            _plain(node)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree


def _plain(node: ast.AST) -> None:
    if isinstance(node, _DOCUMENTED):
        first = node.body[0] if node.body else None
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            del node.body[0]
        node.body[:] = [each for each in node.body if not isinstance(each, ast.Pass)]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        node.returns = None
    elif isinstance(node, ast.arg):
        node.annotation = None
    elif isinstance(node, ast.Constant):
        node.kind = None


def form(node: ast.AST | Sequence[ast.AST]) -> str:
    """Return a text that is equal for what means the same."""
    if isinstance(node, ast.AST):
        return ast.dump(node)
    return "\n".join(map(ast.dump, node))


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for what is written so, called or not; else nothing."""
    if isinstance(node, ast.Call):
        return dotted(node.func)
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if isinstance(node, ast.Call):
        return ".".join([f"{dotted(node)}()", *reversed(names)])
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(names)])


def names_in(nodes: ast.AST | Sequence[ast.AST]) -> set[str]:
    """Return all plain names that are read, set or given as parameters."""
    found: set[str] = set()
    for node in walk(nodes):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def walk(nodes: ast.AST | Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes and all below them."""
    for node in [nodes] if isinstance(nodes, ast.AST) else nodes:
        yield from ast.walk(node)


def bound(statement: ast.stmt) -> set[str]:
    """Return the names that a statement binds in its own scope."""
    found: set[str] = set()
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(each.asname or each.name).partition(".")[0] for each in statement.names}
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(each.asname or each.name).partition(".")[0] for each in node.names}
    return found


def imports_of(nodes: Sequence[ast.stmt]) -> dict[str, str]:
    """Return what each imported name is: `to_int` → `roman.to_int`."""
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                name = each.asname or each.name.partition(".")[0]
                found[name] = each.name if each.asname else name
                if not each.asname and "." in each.name:
                    found[f"{each.name} "] = each.name  # `import a.b` loads more than `a`
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                start = "." * node.level + (node.module or "")
                found[each.asname or each.name] = f"{start}:{each.name}"
    return found
