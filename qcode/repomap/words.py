"""The words of a text: identifiers, and what they are made of, in lower case."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\dA-Za-z_]+")
_LONGEST = 64
"""Characters of a word; longer ones are data."""


def identifiers(text: str) -> list[str]:
    """Return the identifiers of a text, and whatever else looks like one."""
    return _IDENTIFIER.findall(text)


def counted(text: str) -> Counter[str]:
    """Return how often each word is in a text, identifiers whole and in parts."""
    found: Counter[str] = Counter()
    for identifier, count in Counter(_IDENTIFIER.findall(text)).items():
        for word in words(identifier):
            found[word] += count
    return found


@lru_cache(maxsize=1 << 14)
def words(identifier: str) -> tuple[str, ...]:
    """Return an identifier as a word, and its parts: `get_HTTPErrors` is get, http and error."""
    if not 2 <= len(identifier) <= _LONGEST:
        return ()
    parts = {stem(part.lower()) for part in _PART.findall(identifier) if len(part) > 1}
    return tuple(sorted({*parts, whole(identifier)}))


def whole(identifier: str) -> str:
    """Return an identifier as one word."""
    word = identifier.strip("_").lower()
    return stem(word) if word.isalpha() else word


def stem(word: str) -> str:
    """Return a word without the ending of its plural."""
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]
    return word


def placed(path: str) -> dict[str, int]:
    """Return the words of a file's name, each with `.`, and of its folder's, each with `/`."""
    folder, _, name = path.rpartition("/")
    found: dict[str, int] = {}
    for text, mark in (
        (name.partition(".")[0], "."),
        (folder[folder.rfind("/") + 1 :], "/"),
    ):
        for identifier in _IDENTIFIER.findall(text):
            for word in words(identifier):
                found[word + mark] = 1
    return found
