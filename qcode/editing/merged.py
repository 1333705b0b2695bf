"""A Python file of which only some definitions were written, put together with the rest.

A small model that is to write a file whole often writes the function it changed and nothing
else. Two readings are left: the rest is to go, or was forgotten. Where nobody has named what
is missing, the one that loses nothing is taken, and said. Pure.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from qcode.record import Record

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


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
    except _UNREADABLE:
        return None
    work = _Merging(python_lines(before), python_lines(after), named)
    try:
        work.bodies(old.body, new.body, 2, len(work.old))
        text = work.text()
        ast.parse(text)
    except (_Unclear, *_UNREADABLE):
        return None
    if not work.kept:
        return None
    return Merged(text, tuple(dict.fromkeys(work.kept)))


def python_lines(text: str) -> list[str]:
    """Return the lines that Python counts: a form feed, say, ends none."""
    return list(io.StringIO(text, newline=""))


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
        # From the end, so that the places of the others stay. What is put in goes before what
        # takes the place of the lines there; of two that are put in the later one goes behind.
        order = sorted(self._edits, key=lambda edit: (edit.begin, edit.end > edit.begin))
        if any(here.end > behind.begin for here, behind in pairwise(order)):
            raise _Unclear
        for edit in reversed(order):
            lines[edit.begin : edit.end] = edit.lines
        return "".join(lines)

    def bodies(self, old: Sequence[ast.stmt], new: Sequence[ast.stmt], gap: int, end: int) -> None:
        """Merge two blocks; `gap`: blank lines between definitions, `end`: behind the old one."""
        has, wanted = _definitions(old), _definitions(new)
        if new and old and new[0].col_offset != old[0].col_offset:
            raise _Unclear
        if any(_span(one)[1] > _span(two)[0] for body in (old, new) for one, two in pairwise(body)):
            raise _Unclear  # two statements in one line
        at = 0
        for node in new:
            if isinstance(node, _DEFINITIONS):
                at = self._definition(node, _twin(node, has, wanted), gap, at or end)
                if _key(node) not in has and any(_subject(each) == node.name for each in old):
                    raise _Unclear
            else:
                self._statement(node, old)
        for key, nodes in has.items():
            if key in wanted:
                continue
            if key[0] in self._named:
                self._edits += [_Edit(*_span(node), ()) for node in nodes]
            else:
                self.kept.append(key[0])
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
                self._header(node, there)
                self.bodies(there.body, node.body, 1, _span(there)[1])
                return _span(there)[1]
        old_begin, old_end = _span(there)
        if lines and not lines[-1].endswith("\n") and self.old[old_end - 1].endswith("\n"):
            lines[-1] += "\n"
        self._edits.append(_Edit(old_begin, old_end, lines))
        return old_end

    def _header(self, node: ast.ClassDef, there: ast.ClassDef) -> None:
        """Take what stands above a class's body, if it says more than before."""
        if _above(node) <= _above(there):
            return
        lines = self.new[_span(node)[0] : _span(node.body[0])[0]]
        self._edits.append(_Edit(_span(there)[0], _span(there.body[0])[0], lines))

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
            is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
            at = _below_text(old) if is_future else _below_imports(old)
            self._edits.append(_Edit(at, at, lines))
            return
        twins = [each for each in old if _subject(each) and _subject(each) == _subject(node)]
        if len(twins) != 1:
            raise _Unclear
        self._edits.append(_Edit(*_span(twins[0]), lines))


_Key: TypeAlias = tuple[str, str]


def _definitions(body: Sequence[ast.stmt]) -> Mapping[_Key, Sequence[Definition]]:
    """Return a block's definitions; of one name there are several, as of a property."""
    found: dict[_Key, list[Definition]] = {}
    for node in body:
        if isinstance(node, _DEFINITIONS):
            found.setdefault(_key(node), []).append(node)
    return found


def _key(node: Definition) -> _Key:
    """Return a definition's name, and what it is of it: a property's setter, an overload."""
    for each in node.decorator_list:
        if isinstance(each, ast.Attribute) and ast.unparse(each.value) == node.name:
            return node.name, each.attr
        if ast.unparse(each).rpartition(".")[2] == "overload":
            return node.name, "overload"
    return node.name, ""


def _twin(
    node: Definition,
    has: Mapping[_Key, Sequence[Definition]],
    wanted: Mapping[_Key, Sequence[Definition]],
) -> Definition | None:
    """Return the definition that a new one takes the place of; None if there is none.

    Raises:
        _Unclear: several are alike.
    """
    old, new = has.get(_key(node), ()), wanted[_key(node)]
    if not old:
        return None
    if len(old) != len(new):
        raise _Unclear
    return old[new.index(node)]


def _above(node: ast.ClassDef) -> set[str]:
    """Return what a class is made of besides its body."""
    return {ast.dump(each) for each in (*node.bases, *node.keywords, *node.decorator_list)}


def _span(node: ast.stmt) -> tuple[int, int]:
    """Return the lines of a statement with its decorators, from 0, and the one behind."""
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    return first - 1, node.end_lineno or node.lineno


def _below_imports(body: Sequence[ast.stmt]) -> int:
    """Return the line behind the last import of a block, or in front of what follows its text."""
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    return _span(imports[-1])[1] if imports else _below_text(body)


def _below_text(body: Sequence[ast.stmt]) -> int:
    """Return the line of the first statement of a block that is no text."""
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
