"""Whether a place in a file lies in a string, as its grammar reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcode.syntax.languages import language
from qcode.syntax.trees import Trees

if TYPE_CHECKING:
    from tree_sitter import Node

LARGEST = 1_000_000
"""Characters of a file that is parsed."""
_LITERALS = ("string", "template_literal", "heredoc", "char_literal", "raw_text_literal")

_trees = Trees()


def in_string(name: str, text: str, at: int) -> bool:
    """Return whether a character of a file stands in a string; False where that cannot be told."""
    kind = language(name, text) if len(text) <= LARGEST else None
    if kind is None:
        return False
    try:
        data, offset = text.encode(), len(text[:at].encode())
    except UnicodeEncodeError:
        return False
    tree = _trees.parse(kind.grammars[0], data)
    node: Node | None = tree and tree.root_node.descendant_for_byte_range(offset, offset)
    while node is not None:
        if "comment" in node.type:
            return False
        if any(word in node.type for word in _LITERALS):
            return True
        node = node.parent
    return False
