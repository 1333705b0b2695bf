"""The map as text: files that matter with the signatures that matter, within a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2

from qcode.context import estimate_tokens
from qcode.repomap.index import Index
from qcode.repomap.rank import Ranked
from qcode.repomap.request import Request
from qcode.repomap.symbols import Symbol
from qcode.repomap.words import words

_MOST_FILES = 400
_SYMBOLS = ((3, 40), (10, 16), (30, 8), (_MOST_FILES, 4))
"""Up to which file of the order how many symbols of each are shown."""
_DEEP = 2
_WIDTH = 120
"""Characters of a signature."""


def render(
    index: Index,
    order: Sequence[Ranked],
    request: Request,
    budget_tokens: int,
    count: Callable[[str], int] = estimate_tokens,
) -> str:
    """Return the first files of an order with their symbols; never more than the budget."""
    used = 0
    parts: list[str] = []
    for number, one in enumerate(order[:_MOST_FILES]):
        if not one.row.grammar:
            continue
        most = next(most for last, most in _SYMBOLS if number < last)
        found = index.outline(one.row.path)
        lines = _lines(found, request, most)
        # As much of the file as there is room for; a path alone says little.
        while True:
            text = "\n".join([f"{one.row.path}:", *lines, ""])
            cost = count(text)
            if used + cost <= budget_tokens or not lines:
                break
            lines = lines[: len(lines) * 2 // 3]
        if used + cost > budget_tokens:
            break
        used += cost
        parts.append(text)
    return "".join(parts)


def _lines(found: Sequence[Symbol], request: Request, most: int) -> list[str]:
    """Return the lines of a file's best symbols, in the file's order."""
    worth = [(_worth(symbol, request), -number) for number, symbol in enumerate(found)]
    best = {-number for value, number in sorted(worth, reverse=True)[:most] if value > 0}
    # What stands in something is shown with it.
    shown: set[int] = set()
    for number in best:
        shown.add(number)
        depth = found[number].depth
        for before in range(number - 1, -1, -1):
            if found[before].depth < depth:
                shown.add(before)
                depth = found[before].depth
            if not depth:
                break
    return [_line(found[number]) for number in sorted(shown)]


def _line(symbol: Symbol) -> str:
    text = symbol.signature or symbol.name
    text = text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"
    return f"{symbol.line}:{'  ' * symbol.depth} {text}"


def _worth(symbol: Symbol, request: Request) -> float:
    if symbol.depth > _DEEP:
        return 0.0
    value = 1.0 if symbol.depth == 0 else 0.6
    if symbol.name in request.names:
        value += 4 * request.names[symbol.name]
    value += sum(request.words.get(word, 0.0) for word in words(symbol.name))
    if symbol.kind == "value":
        value *= 0.4
    if symbol.kind == "function" and symbol.depth:  # within another
        value *= 0.1
    if symbol.name.startswith("_"):
        value *= 0.5
    if symbol.kind in ("class", "interface", "trait", "struct"):
        value *= 1.5
    return value + 0.05 * log2(1 + symbol.end - symbol.line)
