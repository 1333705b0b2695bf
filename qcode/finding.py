"""Finding sessions by words that stand anywhere in them.

Thousands of journals are looked through: a line is only read as what it says when the words
are in its bytes, and a file no further than to where all of them were found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from qcode.escapes import plain
from qcode.journal.listing import Entry
from qcode.masked import masked
from qcode.secrets import Masker

WHOLE_BYTES = 1 << 26
"""Larger journals are read line by line alone."""
AROUND = 40
"""Characters shown before and behind what was found."""


def words_of(query: str) -> list[str]:
    """Return the words to look for; upper and lower case are the same."""
    return [word.casefold() for word in query.split()]


def search(entries: Iterable[Entry], query: str) -> Iterator[tuple[Entry, str | None]]:
    """Yield each session with the words around what was found; None: not all words are in it.

    Words count in what was said, run and answered, and in a session's title, id, model and
    directory. What was taken back since counts, too: it was said.
    """
    words = words_of(query)
    for entry in entries:
        known = f"{entry.title} {entry.first} {entry.id} {entry.model} {entry.cwd}".casefold()
        missing = [word for word in words if word not in known]
        yield entry, (found_in(entry.path, missing) if missing else "")


def found_in(path: Path, words: Sequence[str]) -> str | None:
    """Return the text around the first word found in a journal; None if one is not in it."""
    missing = list(words)
    shown = ""
    looked_for = {word: _written(word) for word in missing}
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size <= WHOLE_BYTES:
                # Most sessions do not have the words: that is seen soonest in all of one.
                folded = _folder(looked_for.values())(file.read())
                if not all(each in folded for each in looked_for.values()):
                    return None
                file.seek(0)
            next(file, b"")  # the header has what qcode tells every model
            for line in file:
                folded = _folder(looked_for.values())(line)
                if not any(looked_for[word] in folded for word in missing):
                    continue
                for text in _said(line):
                    words_here = text.casefold()
                    here = [word for word in missing if word in words_here]
                    if here and not shown:
                        shown = _around(text, words_here.find(here[0]), len(here[0]))
                    missing = [word for word in missing if word not in here]
                    if not missing:
                        return shown
    except OSError:
        return None
    return None


def _written(word: str) -> bytes:
    """Return a word as it stands in a journal."""
    return json.dumps(word, ensure_ascii=False)[1:-1].encode("utf-8", "replace")


def _folder(words: Iterable[bytes]) -> Callable[[bytes], bytes]:
    """Return what makes upper and lower case the same, in no more time than these words need."""
    return bytes.lower if all(word.isascii() for word in words) else _folded


def _folded(data: bytes) -> bytes:
    return data.decode("utf-8", "replace").casefold().encode("utf-8", "replace")


def _said(line: bytes) -> Iterator[str]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return
    if isinstance(record, dict) and record.get("type") == "message":
        for name in ("text", "reasoning"):
            if isinstance(text := record.get(name), str):
                yield text
        calls: Any = record.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict) and isinstance(text := call.get("arguments"), str):
                yield text


def _around(text: str, at: int, length: int) -> str:
    start, end = max(0, at - AROUND), at + length + AROUND
    # Masked whole: a part of a secret would not be known for one.
    words = text[max(0, start - 200) : end + 200]
    cut = masked(words, Masker())
    place = cut.casefold().find(text[at : at + length].casefold())
    if place < 0:
        return ""
    begin = max(0, place - AROUND)
    piece = plain(cut[begin : place + length + AROUND])
    return (
        ("…" if begin or start else "")
        + " ".join(piece.split())
        + ("…" if place + length + AROUND < len(cut) else "")
    )
