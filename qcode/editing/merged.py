"""A Python file of which only some definitions were written, put together with the rest.

A small model that is to write a file whole often writes the function it changed and nothing
else. Two readings are left: the rest is to go, or was forgotten. Where nobody has named what
is missing, the one that loses nothing is taken, and said. Pure.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from typing import NamedTuple, TypeAlias

from qcode.record import Record

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Merged(Record):
    """The file with what was written in it."""

    text: str
    kept: tuple[str, ...]
    """Names that were left out, and stay."""


class _Edit(NamedTuple):
    begin: int
    """Lines of the old text, from 0; `end` is behind the last."""
    end: int
    lines: Sequence[str]


class _Unclear(Exception):
    """What was written has no single place in the file."""


def merged(before: str, after: str, named: Collection[str]) -> Merged | None:
    """Return the old text with the definitions of the new one; None if that is not clear.

    Also None where nothing is missing. Definitions in `named` go where they are missing.
    """
    try:
        old, new = ast.parse(before), ast.parse(after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    work = _Merging(before.splitlines(keepends=True), after.splitlines(keepends=True), named)
    try:
        work.bodies(old.body, new.body, 2, len(work.old))
    except _Unclear:
        return None
    if not work.kept:
        return None
    return Merged(work.text(), tuple(work.kept))


class _Merging:
    def __init__(self, old: list[str], new: list[str], named: Collection[str]) -> None:
        self.old = old
        self.new = new
        self._named = named
        self.kept: list[str] = []
        self._edits: list[_Edit] = []

    def text(self) -> str:
        """Return the old text with the edits made."""
        lines = list(self.old)
        # From the end; of two at one place the one that was made last goes behind.
        order = sorted(enumerate(self._edits), key=lambda pair: (pair[1].begin, pair[0]))
        for _, edit in reversed(order):
            lines[edit.begin : edit.end] = edit.lines
        return "".join(lines)

    def bodies(self, old: Sequence[ast.stmt], new: Sequence[ast.stmt], gap: int, end: int) -> None:
        """Merge two blocks; `gap`: blank lines between definitions, `end`: behind the old one."""
        has = {node.name: node for node in old if isinstance(node, _DEFINITIONS)}
        wanted = {node.name: node for node in new if isinstance(node, _DEFINITIONS)}
        if new and old and new[0].col_offset != old[0].col_offset:
            raise _Unclear
        at = 0
        for node in new:
            if isinstance(node, _DEFINITIONS):
                at = self._definition(node, has.get(node.name), gap, at or end)
            else:
                self._statement(node, old)
        for name, node in has.items():
            if name in wanted:
                continue
            if name in self._named:
                self._edits.append(_Edit(*_span(node), ()))
            else:
                self.kept.append(name)
        # Statements stay where they are: none is taken out.
        said = {_subject(node) for node in new}
        self.kept += [
            subject
            for node in old
            if isinstance(node, ast.Assign | ast.AnnAssign)
            and (subject := _subject(node)) not in said
        ]

    def _definition(self, node: Definition, there: Definition | None, gap: int, at: int) -> int:
        """Put a definition in its place; return the line behind it."""
        begin, end = _span(node)
        lines = self.new[begin:end]
        if there is None:
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += "\n"
            self._edits.append(_Edit(at, at, ["\n"] * gap + lines))
            return at
        if isinstance(node, ast.ClassDef) and isinstance(there, ast.ClassDef):
            methods = {each.name for each in node.body if isinstance(each, _DEFINITIONS)}
            had = {each.name for each in there.body if isinstance(each, _DEFINITIONS)}
            if had - methods - set(self._named):
                self.bodies(there.body, node.body, 1, _span(there)[1])
                return _span(there)[1]
        old_begin, old_end = _span(there)
        if lines and not lines[-1].endswith("\n") and self.old[old_end - 1].endswith("\n"):
            lines[-1] += "\n"
        self._edits.append(_Edit(old_begin, old_end, lines))
        return old_end

    def _statement(self, node: ast.stmt, old: Sequence[ast.stmt]) -> None:
        """Put a statement that is no definition in the place of the one that it replaces."""
        same = ast.dump(node)
        if any(ast.dump(each) == same for each in old):
            return
        begin, end = _span(node)
        lines = self.new[begin:end]
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._edits.append(_Edit(_below_imports(old), _below_imports(old), lines))
            return
        twins = [each for each in old if _subject(each) and _subject(each) == _subject(node)]
        if len(twins) != 1:
            raise _Unclear
        self._edits.append(_Edit(*_span(twins[0]), lines))


def _span(node: ast.stmt) -> tuple[int, int]:
    """Return the lines of a statement with its decorators, from 0, and the one behind."""
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    return first - 1, node.end_lineno or node.lineno


def _below_imports(body: Sequence[ast.stmt]) -> int:
    """Return the line behind the last import of a block, or in front of what follows its text."""
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    if imports:
        return _span(imports[-1])[1]
    for node in body:
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            return _span(node)[0]
    return 0


def _subject(node: ast.stmt) -> str:
    """Return what a statement is about: the names that it sets, or the condition of an `if`."""
    if isinstance(node, ast.Assign):
        return ", ".join(ast.unparse(target) for target in node.targets)
    if isinstance(node, ast.AnnAssign | ast.AugAssign):
        return ast.unparse(node.target)
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return "text"
    return ""
