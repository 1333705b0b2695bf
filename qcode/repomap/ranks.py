"""What a file is worth to the others: how many of them use the names that it defines.

Cheaper than passing weights around until they settle, and nearly the same: a name counts
less the more files define it, and a file is read for its few most used names.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from math import log2

from qcode.repomap.store import Store
from qcode.repomap.words import whole

_MOST_DEFINING = 20
"""Files that define a name, from which on it says nothing about any of them."""
_SHORTEST = 3


def of_all(store: Store) -> dict[int, float]:
    """Return the rank of each file that defines something."""
    counts = store.counts()
    found: dict[int, float] = {}
    for name, rows in groupby(store.names(), key=lambda row: row[0]):
        numbers = [number for _, number in rows]
        worth = _worth(name, counts.get(whole(name), 0), len(numbers))
        if worth:
            for number in numbers:
                found[number] = found.get(number, 0.0) + worth
    return {number: log2(1 + value) for number, value in found.items()}


def of_some(store: Store, numbers: Iterable[int]) -> dict[int, float]:
    """Return the rank of some files; that of the others changes little by them."""
    found: dict[int, float] = {}
    for number in numbers:
        value = 0.0
        for name in sorted(store.names_of(number)):
            count = store.count_having(whole(name))
            value += _worth(name, count, len(store.defining(name)))
        if value:
            found[number] = log2(1 + value)
    return found


def _worth(name: str, having: int, defining: int) -> float:
    users = having - defining
    if users <= 0 or defining > _MOST_DEFINING or len(name) < _SHORTEST:
        return 0.0
    return log2(1 + users) / defining
