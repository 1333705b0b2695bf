"""What is wrong in a syntax tree, found without walking all of it, and put into words.

Nodes are reached from their parents alone: tree-sitter 0.26 ends the process where it is
asked for the parent of some nodes that are missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcode.record import Record

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

_ENOUGH = 200
"""Faults looked for; a file with more is in another language."""
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_SHOWN = 40
"""Characters of a token that is quoted."""


class Fault(Record):
    """One place that does not parse."""

    start: int
    end: int
    at: int
    """The byte that is pointed out."""
    words: str


def faults(tree: Tree, data: bytes) -> list[Fault]:
    """Return the faults of a tree in the order of the text, at most some hundred."""
    found: list[Fault] = []
    root = tree.root_node
    waiting = [(root, root)]
    while waiting and len(found) < _ENOUGH:
        node, parent = waiting.pop()
        if node.is_missing or node.is_error:
            at, words = _told(node, parent, data)
            found.append(Fault(node.start_byte, node.end_byte, at, words))
        elif node.has_error:
            waiting += [(child, node) for child in reversed(node.children) if child.has_error]
    return found


def _told(node: Node, parent: Node, data: bytes) -> tuple[int, str]:
    """Return where and what the fault of a node is."""
    outermost = node
    while True:
        if node.is_missing:
            return node.start_byte, _missing(node, parent)
        children = node.children
        if node.is_error and (bracket := _bracket(children)):
            return bracket
        # What the parser skipped stands in errors of its own within the larger one.
        inner = next((child for child in children if child.is_error or child.has_error), None)
        if inner is None or (inner.is_error and not inner.child_count):
            return _unexpected(outermost, inner or _leaf(node), data)
        node, parent = inner, node


def _missing(node: Node, parent: Node) -> str:
    # Signs are named by what they are, other nodes by words of the grammar.
    name = node.type.replace("_", " ").strip() if node.is_named else f"`{node.type}`"
    for one in parent.children:
        if _CLOSERS.get(one.type) == node.type:
            return f"missing {name} for the `{one.type}` of line {one.start_point.row + 1}"
    return f"missing {name}"


def _bracket(children: list[Node]) -> tuple[int, str] | None:
    """Return which bracket among the children of an error has no partner."""
    open_ones: list[Node] = []
    for child in children:
        if child.is_missing:
            continue
        if child.type in _CLOSERS:
            open_ones.append(child)
        elif child.type in _CLOSERS.values():
            if not open_ones or _CLOSERS[open_ones[-1].type] != child.type:
                return child.start_byte, f"unexpected `{child.type}`"
            open_ones.pop()
    if open_ones:
        return open_ones[-1].start_byte, f"`{open_ones[-1].type}` is never closed"
    return None


def _unexpected(error: Node, token: Node, data: bytes) -> tuple[int, str]:
    text = data[token.start_byte : token.end_byte].decode(errors="replace").strip()
    text = text.partition("\n")[0]
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    if not text:
        return token.start_byte, "unexpected end"
    if not token.is_error and error.end_point.row > error.start_point.row + 1:
        return token.start_byte, f"no end or no sense from `{text}` on"
    return token.start_byte, f"unexpected `{text}`"


def _leaf(node: Node) -> Node:
    while node.child_count:
        node = node.children[0]
    return node
