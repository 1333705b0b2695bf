"""Parsers of the standard library: strict where a grammar is lenient, and with better words."""

from __future__ import annotations

import re
import sys
from bisect import bisect_left, bisect_right
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from qcode.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tree_sitter import Node, Tree

    from qcode.syntax.faults import Fault

_RUNNING = sys.version_info[:2]


class Wrong(Record):
    """What a parser said."""

    line: int
    column: int
    """From 1; 0 where the parser did not say."""
    words: str


def statements(tree: Tree, data: bytes, start: int, end: int) -> bytes:
    """Return the whole lines of the outermost statements around a place, and of a neighbour each.

    The neighbours are read, too, for a change of indentation can move a line between them.
    """
    # Not `first_child_for_byte`: behind the last child, tree-sitter 0.26 crashes there.
    outermost = tree.root_node.children
    if not outermost:
        return data
    first = bisect_left(outermost, start, key=lambda node: node.end_byte) - 1
    last = bisect_right(outermost, end, key=lambda node: node.start_byte)
    while first >= 0 and _is_no_beginning(outermost[first]):
        first -= 1
    while last < len(outermost) and _is_no_beginning(outermost[last]):
        last += 1
    begin = min(outermost[first].start_byte, start) if first >= 0 else 0
    until = max(outermost[last].end_byte, end) if last < len(outermost) else len(data)
    return data[data.rfind(b"\n", 0, begin) + 1 : data.find(b"\n", until) + 1 or None]


def _is_no_beginning(node: Node) -> bool:
    """Whether a statement cannot be told to be one of its own by this node."""
    return node.type == "comment" or node.start_point.column > 0


@lru_cache(maxsize=8)
def python(text: str) -> Wrong | None:
    """Return what this interpreter has against a text, or None.

    The symbol table is made of the same parse as a syntax tree, at half the cost, since
    no tree of Python objects is built. It finds what only shows there, too: an argument
    twice, `nonlocal` outside of a function. What was said last is remembered, for a text
    that was the result of one edit is the beginning of the next.
    """
    import symtable
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            symtable.symtable(text, "", "exec")
    except SyntaxError as error:
        return Wrong(error.lineno or 1, error.offset or 0, error.msg)
    except ValueError as error:  # null characters
        return Wrong(1, 0, str(error))
    except (RecursionError, MemoryError):  # nested too deeply to be judged
        return None
    return None


def json(text: str) -> Wrong | None:
    """Return what is wrong with JSON, or None."""
    from json import JSONDecodeError, loads

    try:
        loads(text)
    except JSONDecodeError as error:
        return Wrong(error.lineno, error.colno, error.msg)
    except (ValueError, RecursionError):  # a number of too many digits
        return None
    return None


_TOML_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")


def toml(text: str) -> Wrong | None:
    """Return what is wrong with TOML, or None."""
    import tomllib

    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words = str(error)
        place = _TOML_PLACE.search(words)
        if place is None:  # at the end of the document
            return Wrong(text.count("\n") + 1, 0, words)
        return Wrong(int(place[1]), int(place[2]), words[: place.start()])
    except RecursionError:
        return None
    return None


_NEWER = re.compile(
    r"""\btype\s+\w|\b(def|class)\s+\w+\s*\[|\bexcept\b.*,|\blazy\s"""
    r"""|[\[({]\s*\*|\b[rRbB]?[fFtT][rR]?["']"""
)


def may_be_newer_python(text: str, wrong: Wrong) -> bool:
    """Whether it pays to ask the grammar if this is Python for a newer interpreter."""
    line = text.split("\n", wrong.line)[: wrong.line][-1]
    return "f-string" in wrong.words or bool(_NEWER.search(line))


def is_of_newer_python(
    tree: Tree, wrong: Wrong, faults: Sequence[Fault], version: tuple[int, int] = _RUNNING
) -> bool:
    """Whether a text that this interpreter refuses is Python for a newer one.

    It is if the line found fault with is within something that came after this interpreter
    and the grammar sees nothing else that is wrong. Only then: the grammar reads much that
    never was Python 3, `print 1` among it.
    """
    row = wrong.line - 1
    newer: list[Node] = []
    is_newer = False
    waiting = [tree.root_node]
    while waiting:
        parent = waiting.pop()
        for child, following in pairwise([*parent.children, None]):
            if child is None or not (
                child.has_error or child.start_point.row <= row <= child.end_point.row
            ):
                continue
            if _since(child, parent, following) > version:
                newer.append(child)
                is_newer |= child.start_point.row <= row <= child.end_point.row
            waiting.append(child)
    return is_newer and all(
        any(node.start_byte <= fault.start and fault.end <= node.end_byte for node in newer)
        for fault in faults
    )


def _since(node: Node, parent: Node, following: Node | None) -> tuple[int, int]:
    """Return the version of Python that a construct came with; (0, 0) if 3.11 has it."""
    kind, text = node.type, node.text or b""
    if kind == "type_alias_statement":
        return (3, 12)
    if kind == "type_parameter" and parent.type.endswith("_definition"):
        return (3, 13) if b"=" in text else (3, 12)
    if kind == "string":
        start = (node.children[0].text or b"").lower()
        if b"t" in start:
            return (3, 14)
        if b"f" in start and _nests_freely(node, start):
            return (3, 12)
    if kind == "except_clause" and _catches_several_bare(node):
        return (3, 14)
    if kind == "ERROR" and text == b"lazy" and following and following.type.startswith("import_"):
        return (3, 15)
    if kind.endswith(("_comprehension", "generator_expression")) and _unpacks(node):
        return (3, 15)
    return (0, 0)


def _nests_freely(string: Node, start: bytes) -> bool:
    """Whether the braces of an f-string hold what they could not before 3.12."""
    quote = start.lstrip(b"fr")
    for child in string.children:
        inner = child.text or b""
        if child.type == "interpolation" and (
            quote in inner
            or b"\\" in inner
            or b"#" in inner
            or (len(quote) == 1 and b"\n" in inner)
        ):
            return True
    return False


def _catches_several_bare(clause: Node) -> bool:
    """Whether it is `except A, B:`; with `as` that never was valid."""
    kinds = [child.type for child in clause.children]
    return "," in kinds and "as" not in kinds and "as_pattern" not in kinds


def _unpacks(comprehension: Node) -> bool:
    body = comprehension.child_by_field_name("body")
    return body is not None and body.type in {"list_splat", "dictionary_splat"}
