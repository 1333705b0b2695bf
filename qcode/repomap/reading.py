"""What the map knows of one file, made from its content."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from qcode import beneath
from qcode.repomap import standing
from qcode.repomap.languages import grammar
from qcode.repomap.symbols import LARGEST, Symbol, symbols
from qcode.repomap.words import counted

_MOST_WORDS = 4_000
"""Words of a file; one with more is data."""


class Content(NamedTuple):
    """One file as the map sees it. A tuple, as it goes through JSON."""

    digest: str
    grammar: str
    weight: float
    symbols: list[Symbol]
    words: dict[str, int]


def content(root: Path, path: str) -> Content | None:
    """Return what is to be known of a file; None if it cannot be read."""
    try:
        file, status = beneath.open_stream(root / path)
        with file:
            data = b"" if status.st_size > LARGEST else file.read(LARGEST + 1)
    except OSError:
        return None
    return of(path, data)


def of(path: str, data: bytes) -> Content:
    """Return what is to be known of a file with that content."""
    digest = digested(data)
    kind = grammar(path, data[:200].decode("utf-8", "replace"))
    text = data.decode("utf-8", "replace")
    weight = standing.weight(path, text)
    if not kind or not data or len(data) > LARGEST or b"\0" in data or standing.is_minified(text):
        return Content(digest, "", weight, [], {})
    if kind == "cpp" and path.endswith(".h") and not _is_cpp(text):
        kind = "c"
    found = dict(counted(text).most_common(_MOST_WORDS))
    return Content(digest, kind, weight, symbols(kind, data), found)


def digested(data: bytes) -> str:
    """Return what tells contents apart."""
    from hashlib import blake2b

    return blake2b(data, digest_size=12).hexdigest()


def _is_cpp(text: str) -> bool:
    return any(word in text for word in ("class ", "namespace ", "template", "::"))
