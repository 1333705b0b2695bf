"""What a file defines: names, kinds, places and signatures."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from qcode.record import Record
from qcode.repomap.definitions import BODIES, DEFINITIONS, NAME_FIELDS, NEEDS_BODY, VALUES
from qcode.syntax.languages import language
from qcode.syntax.trees import Trees

if TYPE_CHECKING:
    from tree_sitter import Node, Query, Tree

LARGEST = 1_000_000
"""Bytes of a file that is still read."""
_SIGNATURE = 160
"""Characters."""

_trees = Trees()


class Symbol(Record):
    """Something with a name that a file defines."""

    name: str
    kind: str
    line: int
    """From 1; where its name stands."""
    end: int
    """Its last line."""
    depth: int
    """In how many others it lies."""
    signature: str
    """In one line, without its body."""


def grammar_of(path: str, data: bytes) -> str:
    """Return the grammar whose definitions are known; empty: none for such a file."""
    if len(data) > LARGEST:
        return ""
    found = language(path, data[:2000].decode("utf-8", "replace"))
    grammars = found.grammars if found else ()
    return next((each for each in grammars if each in DEFINITIONS), "")


def symbols(path: str, data: bytes) -> list[Symbol] | None:
    """Return what a file defines, in order; None if that cannot be told."""
    grammar = grammar_of(path, data)
    tree = _trees.parse(grammar, data) if grammar else None
    return None if tree is None else _found(grammar, tree, data)


def is_code(path: str, data: bytes, start: int, end: int) -> bool:
    """Whether bytes of a file are code and not part of a comment or string.

    In a language whose definitions are not known nothing is; where a file of another one
    cannot be parsed, all is.
    """
    grammar = grammar_of(path, data)
    if not grammar:
        return False
    tree = _trees.parse(grammar, data)
    if tree is None:
        return True
    node = tree.root_node.descendant_for_byte_range(start, end)
    # A part of a string that is code again (`f"{name}"`) is a node of its own below it.
    return node is None or not ("comment" in node.type or _is_text(node.type))


def _is_text(kind: str) -> bool:
    return "string" in kind or kind in ("char_literal", "heredoc_body", "text_fragment")


def _found(grammar: str, tree: Tree, data: bytes) -> list[Symbol]:
    from tree_sitter import QueryCursor

    kinds = DEFINITIONS[grammar]
    captured = QueryCursor(_query(grammar)).captures(tree.root_node).get("def", [])
    out: list[Symbol] = []
    open_ends: list[int] = []
    for node in sorted(captured, key=lambda each: (each.start_byte, -each.end_byte)):
        name = _name(node)
        if name is None:
            continue
        while open_ends and open_ends[-1] <= node.start_byte:
            open_ends.pop()
        kind = kinds[node.type]
        if kind == "function" and open_ends and grammar == "python" and _is_in_class(node):
            kind = "method"
        out.append(
            Symbol(
                data[name.start_byte : name.end_byte].decode("utf-8", "replace"),
                kind,
                name.start_point.row + 1,
                node.end_point.row + 1,
                len(open_ends),
                _signature(node, data),
            )
        )
        open_ends.append(node.end_byte)
    return out


@cache
def _query(grammar: str) -> Query:
    from tree_sitter import Query
    from tree_sitter_language_pack import get_language

    types = " ".join(f"({kind})" for kind in DEFINITIONS[grammar])
    return Query(get_language(grammar), f"[{types}] @def")  # type: ignore[arg-type]


def _name(node: Node) -> Node | None:
    """Return where the name of a definition stands; None if it is none."""
    if node.type == "variable_declarator":
        value = node.child_by_field_name("value")
        if value is None or value.type not in VALUES:
            return None
    if node.type in NEEDS_BODY and node.child_by_field_name("body") is None:
        return None
    if node.type == "type_definition":
        return _innermost(node.child_by_field_name("declarator"))
    for field in NAME_FIELDS:
        found = node.child_by_field_name(field)
        if found is not None:
            return _innermost(found)
    named = (child for child in node.named_children if child.type.endswith("identifier"))
    return next(named, None)


def _innermost(node: Node | None) -> Node | None:
    """Return the name in a declarator, which may be wrapped in pointers and parameters."""
    while node is not None:
        inner = node.child_by_field_name("declarator") or node.child_by_field_name("name")
        if inner is None:
            if node.type in ("parenthesized_declarator", "reference_declarator"):
                inner = node.named_children[0] if node.named_children else None
            if inner is None:
                return node
        node = inner
    return None


def _is_in_class(node: Node) -> bool:
    block = node.parent
    if block is not None and block.type == "decorated_definition":
        block = block.parent
    return block is not None and block.parent is not None and block.parent.type.startswith("class")


def _signature(node: Node, data: bytes) -> str:
    end = node.end_byte
    body = node.child_by_field_name("body")
    if body is None:
        value = node.child_by_field_name("value")
        if value is not None and value.type in VALUES:
            body = value.child_by_field_name("body")
    if body is None:
        body = next((child for child in node.named_children if child.type in BODIES), None)
    if body is not None:
        end = body.start_byte
    # A comment before the body is none of it.
    remark = next((child for child in node.children if "comment" in child.type), None)
    if remark is not None and node.start_byte < remark.start_byte < end:
        end = remark.start_byte
    text = " ".join(data[node.start_byte : end].decode("utf-8", "replace").split())
    text = text.rstrip("{:=> ").rstrip()
    return text if len(text) <= _SIGNATURE else f"{text[: _SIGNATURE - 1]}…"
