"""What a file defines, and what it defines no more once it is written whole. Pure."""

from __future__ import annotations

from collections.abc import Collection

_MOST = 1 << 20
"""Characters of a file that is looked at."""


def lost(path: str, before: str, after: str, named: Collection[str] = ()) -> tuple[str, ...]:
    """Return the names that a file defines before and not after, in their order.

    Names in `named` are left out: whoever speaks of them may mean just that. So is everything
    where a syntax tree cannot be had, or where the new text defines as much under other names.
    """
    had, has = defined(path, before), set(defined(path, after))
    gone = [name for name in dict.fromkeys(had) if name not in has]
    renamed = len(has.difference(had)) - sum(name in named for name in gone)
    unnamed = tuple(name for name in gone if name not in named)
    return unnamed if renamed < len(unnamed) else ()


def defined(path: str, text: str) -> list[str]:
    """Return the names that a text defines, by the language of its path; none if unknown."""
    from qcode.repomap.languages import grammar
    from qcode.repomap.symbols import symbols

    if len(text) > _MOST or not (kind := grammar(path, text[:200])):
        return []
    return [symbol.name for symbol in symbols(kind, text.encode())]
