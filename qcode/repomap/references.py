"""Where an identifier stands as code: not in comments or strings, where the grammar tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qcode.repomap.languages import grammar
from qcode.repomap.symbols import parsed

if TYPE_CHECKING:
    from tree_sitter import Tree

_NO_CODE = re.compile(r"comment|string|heredoc|char_literal|text|regex|doc")
_CODE = re.compile(r"identifier|interpolation|substitution|expression|type|variable|constant")
_MOST = 2_000
"""Places in a file that are looked at."""


def references(path: str, data: bytes, name: str) -> list[tuple[int, str]]:
    """Return the lines, from 1, of a file in which a name is code, with their texts."""
    before = rb"(?<![\w$])" if name.startswith("$") else rb"(?<!\w)"
    wanted = re.compile(before + re.escape(name.encode()) + rb"(?![\w$])")
    places = [found.start() for found in wanted.finditer(data)][:_MOST]
    if not places:
        return []
    kind = grammar(path, data[:200].decode("utf-8", "replace"))
    tree = parsed(kind, data) if kind else None
    size = len(name.encode())
    lines: dict[int, str] = {}
    number, last = 1, 0
    for place in places:
        number += data.count(b"\n", last, place)
        last = place
        if number not in lines and (tree is None or _is_code(tree, place, place + size)):
            begin = data.rfind(b"\n", 0, place) + 1
            end = data.find(b"\n", place)
            line = data[begin : end if end >= 0 else len(data)]
            lines[number] = line.decode("utf-8", "replace").rstrip("\r")
    return list(lines.items())


def _is_code(tree: Tree, start: int, end: int) -> bool:
    node = tree.root_node.descendant_for_byte_range(start, end)
    if node is None:
        return True
    # A larger node that is no token has what stands between its tokens: that is no text.
    return bool(_CODE.search(node.type)) or not _NO_CODE.search(node.type)
