"""What a file defines: names, kinds, lines and signatures, read from its syntax tree."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from qcode.repomap.languages import BODIES, CONTAINERS, patterns
from qcode.syntax.trees import load_grammar, parse_once

if TYPE_CHECKING:
    from tree_sitter import Node, Query, Tree

LARGEST = 1_000_000
"""Bytes of a file whose symbols are read."""
_MOST = 5_000
"""Symbols of a file; more are data."""
_SIGNATURE = 200
"""Characters of a signature."""
_BLANKS = re.compile(r"\s+")
_KEYWORDS = re.compile(r"[\w\s]*")
_NAME = re.compile(r"[^\W\d][\w$!?=]*")


class Symbol(NamedTuple):
    """One definition. A tuple, as thousands of them go through JSON."""

    kind: str
    name: str
    scope: str
    """Names of what it stands in, with dots."""
    line: int
    """From 1, as `end`."""
    end: int
    depth: int
    """In how many others it stands."""
    signature: str


def symbols(grammar: str, data: bytes) -> list[Symbol]:
    """Return what a text defines, in its order; nothing where that cannot be told."""
    tree = parsed(grammar, data)
    return [] if tree is None else _found(grammar, tree, data)


def parsed(grammar: str, data: bytes) -> Tree | None:
    """Return the tree of a text; None if the grammar cannot be had, or takes too long."""
    language = load_grammar(grammar)
    if language is None or len(data) > LARGEST:
        return None
    return parse_once(language, data)


def _found(grammar: str, tree: Tree, data: bytes) -> list[Symbol]:
    from tree_sitter import QueryCursor

    asked = _query(grammar)
    if asked is None:
        return []
    query, kinds = asked
    seen: dict[tuple[int, int], tuple[str, Node]] = {}
    for number, captures in QueryCursor(query).matches(tree.root_node):
        for node in captures["d"]:
            place = (node.start_byte, -node.end_byte)
            if place not in seen or seen[place][0] == "value":
                seen[place] = (kinds[number], node)
    found: list[Symbol] = []
    open_: list[tuple[int, str, str]] = []
    """What the present one stands in: where it ends, its kind and name."""
    for (start, end), (kind, node) in sorted(seen.items(), key=lambda item: item[0])[:_MOST]:
        while open_ and open_[-1][0] < -end:
            open_.pop()
        name, scope = _names(node, kind, data)
        if not name:
            continue
        if kind == "function" and open_ and open_[-1][1] in CONTAINERS:
            kind = "method"
        scopes = [name for _, _, name in open_] + ([scope] if scope else [])
        found.append(
            Symbol(
                "method" if scope and kind == "function" else kind,
                name,
                ".".join(scopes),
                node.start_point.row + 1,
                node.end_point.row + 1,
                len(open_),
                _signature(node, start, data),
            )
        )
        open_.append((-end, kind, name))
    return found


@cache
def _query(grammar: str) -> tuple[Query, list[str]] | None:
    from tree_sitter import Query, QueryError

    language = load_grammar(grammar)
    assert language is not None
    kinds: list[str] = []
    queries: list[str] = []
    for pattern in patterns(grammar):
        if pattern.node:
            if language.id_for_node_kind(pattern.node, True) is None:
                continue
        else:
            try:
                Query(language, pattern.query)
            except QueryError:  # this version of the grammar is another
                continue
        kinds.append(pattern.kind)
        queries.append(pattern.query)
    return (Query(language, "\n".join(queries)), kinds) if queries else None


def _names(node: Node, kind: str, data: bytes) -> tuple[str, str]:
    """Return a definition's name, and what it is a part of where its own words say so."""
    if kind == "impl":
        target = node.child_by_field_name("type")
        return (_bare(_text(target, data)), "") if target is not None else ("", "")
    text = _text(_named(node), data)
    scope = ""
    if node.type == "method_declaration":
        receiver = node.child_by_field_name("receiver")  # Go's
        if receiver is not None and (words := re.findall(r"\w+", _text(receiver, data))):
            scope = words[1] if len(words) > 1 else words[0]
    for sign in ("::", ".", ":"):
        before, found, last = text.rpartition(sign)
        if found and not text.startswith(("operator", "~")):
            scope, text = before.removesuffix(".prototype").replace("::", "."), last
            break
    if scope in ("exports", "module.exports", "this", "self"):
        scope = ""
    if node.type == "init_declaration":
        text = "init"
    return text if len(text) <= 120 else "", scope


def _named(node: Node) -> Node | None:
    """Return the node of a definition's name."""
    for field in ("name", "left", "pattern", "declarator"):
        found = node.child_by_field_name(field)
        if found is not None:
            while (inner := found.child_by_field_name("declarator")) is not None:
                found = inner
            if found.type in ("variable_list", "pattern", "reference_declarator"):
                found = (*found.named_children, found)[0]
            return found
    for child in node.named_children:
        if child.type == "variable_declaration":  # Kotlin's properties
            return child.named_child(0)
        if "identifier" in child.type or child.type in ("name", "variable_list", "constant"):
            return child.named_child(0) if child.type == "variable_list" else child
    return None


def _text(node: Node | None, data: bytes) -> str:
    if node is None:
        return ""
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _bare(text: str) -> str:
    found = _NAME.findall(text.partition("<")[0])
    return found[-1] if found else ""


def _signature(node: Node, start: int, data: bytes) -> str:
    """Return how a definition begins, up to its body, in one line."""
    begin = data.rfind(b"\n", 0, start) + 1
    if not _KEYWORDS.fullmatch(data[begin:start].decode("utf-8", "replace")):
        begin = start
    end = _body(node)
    if end is None:
        line = data.find(b"\n", start, node.end_byte)
        end = line if line >= 0 else node.end_byte
    for child in node.children:  # what is said about the body
        if "comment" in child.type and start < child.start_byte < end:
            end = child.start_byte
    end = min(end, begin + 4 * _SIGNATURE)
    text = _BLANKS.sub(" ", data[begin:end].decode("utf-8", "replace")).strip()
    text = text.removesuffix("{").removesuffix("=>").rstrip(" :=" if end < node.end_byte else " ")
    text = text.replace("( ", "(").replace(", )", ")").replace(" )", ")").rstrip(";")
    return text if len(text) <= _SIGNATURE else f"{text[:_SIGNATURE]}…"


def _body(node: Node) -> int | None:
    """Return where the body of a definition begins."""
    for field in ("value", "right", "type"):
        inner = node.child_by_field_name(field)
        if inner is not None and (body := inner.child_by_field_name("body")) is not None:
            return body.start_byte
        if (
            inner is not None
            and field == "type"
            and inner.type in ("struct_type", "interface_type")
        ):
            return inner.start_byte + len(inner.type.removesuffix("_type"))
    body = node.child_by_field_name("body")
    if body is not None:
        return body.start_byte
    for child in node.named_children:
        if child.type in BODIES:
            return child.start_byte
    return None
