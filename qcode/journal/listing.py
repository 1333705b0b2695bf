"""The sessions in a folder, by the heads of their journals."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from qcode import titles
from qcode.errors import UsageError
from qcode.journal.loading import records
from qcode.messages import (
    UserMessage,
    from_json,
)
from qcode.secrets import Masker


@dataclass(frozen=True, slots=True)
class Entry:
    """One session in a list."""

    id: str
    path: Path
    cwd: str
    model: str
    created: str
    modified: float
    """Seconds since the epoch."""
    title: str
    """What a person calls it, or else the first words of its first message."""
    first: str = ""
    """The first words of its first message."""
    parent: str = ""
    """The id of the session that it began as a copy of."""


def entries(folder: Path) -> Iterator[Entry]:
    """Yield the sessions in a folder, the last used first; unreadable files are left out."""
    files = []
    named = set()
    try:
        with os.scandir(folder) as items:
            for item in items:
                if item.name.endswith(titles.SUFFIX):
                    named.add(item.name.removesuffix(titles.SUFFIX))
                elif item.name.endswith(".jsonl"):
                    try:
                        files.append((item.stat().st_mtime, Path(item.path)))
                    except FileNotFoundError:
                        continue  # removed just now
    except FileNotFoundError:
        return
    for modified, path in sorted(files, reverse=True):
        if entry := _entry(path, modified):
            title = titles.read(path) if path.stem in named else ""
            yield replace(entry, title=title) if title else entry


def _entry(path: Path, modified: float) -> Entry | None:
    # Only the head of the file is read: a list of long sessions stays quick.
    entry: Entry | None = None
    try:
        for number, record in enumerate(records(path)):
            if number == 0:
                if record is None or record.get("type") != "session":
                    return None
                entry = Entry(
                    id=str(record.get("id", path.stem)),
                    path=path,
                    cwd=str(record.get("cwd", "")),
                    model=str(record.get("model", "")),
                    created=str(record.get("created", "")),
                    modified=modified,
                    title="",
                    parent=str(record.get("parent") or ""),
                )
            elif record and record.get("type") == "message" and entry:
                first = from_json(record)
                if isinstance(first, UserMessage):
                    words = Masker().mask(first.text[:400])
                    first_words = " ".join(words.split())[:80]
                    return replace(entry, title=first_words, first=first_words)
            if number > 20:
                break
    except (OSError, KeyError, ValueError, TypeError):
        return entry
    return entry


def find(folder: Path, wanted: str) -> Entry:
    """Return the session whose id is, or alone begins or ends with, `wanted`.

    Raises:
        UsageError: there is none, or more than one.
    """
    all_entries = list(entries(folder))
    exact = [entry for entry in all_entries if entry.id == wanted]
    near = exact or [
        entry
        for entry in all_entries
        if wanted and (entry.id.startswith(wanted) or entry.id.endswith(wanted))
    ]
    if len(near) == 1:
        return near[0]
    if not near and (folder / f"{wanted}.jsonl").is_file():
        raise UsageError(
            f"session `{wanted}` is damaged in its first line",
            hint=f"`qcode sessions rm {wanted}` removes it",
        )
    if not near:
        raise UsageError(f"no session `{wanted}`", hint="`qcode sessions` lists them")
    raise UsageError(
        f"`{wanted}` fits {len(near)} sessions: {', '.join(e.id for e in near[:5])}",
        hint="give more of the id",
    )
