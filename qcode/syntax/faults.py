"""What is wrong in a syntax tree, found without walking all of it, and put into words."""

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
    is_structural: bool
    """Whether a sign is missing or a bracket has no partner: wrong in every dialect."""


def faults(tree: Tree, data: bytes) -> list[Fault]:
    """Return the faults of a tree in the order of the text, at most some hundred."""
    found: list[Fault] = []
    waiting = [tree.root_node]
    while waiting and len(found) < _ENOUGH:
        node = waiting.pop()
        if node.is_missing:
            found.append(_missing(node))
        elif node.is_error:
            found.append(_error(node, data))
        elif node.has_error:
            waiting += reversed([child for child in node.children if child.has_error])
    return found


def _missing(node: Node) -> Fault:
    words = f"missing {_name(node)}"
    opener = _opener(node)
    if opener:
        line = opener.start_point.row + 1
        words += f" for the `{opener.type}` of line {line}"
    return Fault(node.start_byte, node.end_byte, node.start_byte, words, True)


def _name(node: Node) -> str:
    """Return a node's kind in words: a sign as it is written, others by the grammar's name."""
    return node.type.replace("_", " ").strip() if node.is_named else f"`{node.type}`"


def _opener(node: Node) -> Node | None:
    parent = node.parent
    if parent is None:
        return None
    return next((one for one in parent.children if _CLOSERS.get(one.type) == node.type), None)


def _error(node: Node, data: bytes) -> Fault:
    open_ones: list[Node] = []
    for child in node.children:
        if child.type in _CLOSERS and not child.is_missing:
            open_ones.append(child)
        elif child.type in _CLOSERS.values() and not child.is_missing:
            if not open_ones or _CLOSERS[open_ones[-1].type] != child.type:
                return _fault(node, child, f"unexpected `{child.type}`", is_structural=True)
            open_ones.pop()
    if open_ones:
        last = open_ones[-1]
        return _fault(node, last, f"`{last.type}` is never closed", is_structural=True)
    # What the parser skipped stands in errors of its own within the larger one.
    inner = next((child for child in node.children if child.is_error or child.has_error), None)
    if inner is not None and inner.child_count:
        nested = _first_fault(inner, data)
        if nested:
            return Fault(
                node.start_byte, node.end_byte, nested.at, nested.words, nested.is_structural
            )
    token = inner or _leaf(node)
    text = data[token.start_byte : token.end_byte].decode(errors="replace").strip()
    text = text.partition("\n")[0]
    if not text:
        return _fault(node, token, "unexpected end", is_structural=False)
    if inner is None and node.end_point.row > node.start_point.row + 1:
        return _fault(
            node, token, f"no end or no sense from `{text[:_SHOWN]}` on", is_structural=False
        )
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return _fault(node, token, f"unexpected `{text}`", is_structural=text in ")]}([{")


def _first_fault(node: Node, data: bytes) -> Fault | None:
    while not (node.is_error or node.is_missing):
        inner = next((child for child in node.children if child.has_error), None)
        if inner is None:
            return None
        node = inner
    return _missing(node) if node.is_missing else _error(node, data)


def _fault(node: Node, at: Node, words: str, *, is_structural: bool) -> Fault:
    return Fault(node.start_byte, node.end_byte, at.start_byte, words, is_structural)


def _leaf(node: Node) -> Node:
    while node.child_count:
        node = node.children[0]
    return node
