"""A session that begins as a copy of another one.

It has the conversation as the other one's journal tells it, with what was put aside of it,
and none of its tokens: those were spent there. It is written whole and synced where nobody
looks, then moved to the others, so that half a copy is never seen.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from qcode import __version__, titles
from qcode.conversation import is_summary
from qcode.errors import QcodeError, UsageError
from qcode.journal.loading import Loaded, load
from qcode.journal.writing import Journal, moment, new_id
from qcode.messages import JsonObject, Message, to_json
from qcode.secrets import Masker

_UNFINISHED = ".forks"
"""The folder of copies that are being written; no list looks into it."""
_ABANDONED_S = 3600.0


def fork(
    source: Path, folder: Path, masker: Masker, *, before: int | None = None, title: str = ""
) -> Path:
    """Copy a session's conversation into a new journal in `folder`; return its path.

    `before` is a person's message, counted from 1: it and all after it are left out.

    Raises:
        UsageError: the journal cannot be read, or has no such message.
        QcodeError: the copy cannot be written; then there is none.
    """
    loaded = load(source)
    if before is not None and loaded.conversation.rewind_said(before) is None:
        count = len(loaded.conversation.said())
        raise UsageError(
            f"session `{loaded.id}` has no message {before} of yours",
            hint=f"they are 1 to {count}" if count else "there is none yet",
        )
    if title := titles.clean(title) or (f"{loaded.title} (fork)" if loaded.title else ""):
        title = masker.mask(title)
    unfinished = folder / _UNFINISHED
    _clear(unfinished)
    journal = Journal.create(unfinished, _header(loaded))
    try:
        journal.mask_by(masker)
        for record in _records(loaded):
            journal.write(record)
        if title:
            journal.write({"type": "title", "title": title})
        journal.sync()
        path = folder / journal.path.name
        _show(journal.path, path)
    except BaseException:
        journal.path.unlink(missing_ok=True)
        raise
    finally:
        journal.close()
    if title:
        try:
            titles.write(path, title)
        except OSError:
            pass  # the journal has it
    return path


def _header(loaded: Loaded) -> JsonObject:
    return {
        "id": new_id(),
        "cwd": loaded.cwd,
        "model": loaded.model,
        "created": moment(),
        "qcode": __version__,
        "system": loaded.system,
        "parent": loaded.id,
    }


def _records(loaded: Loaded) -> Iterator[JsonObject]:
    """Yield what makes the same conversation of nothing."""
    conversation = loaded.conversation
    aside, live = conversation.archived, conversation.items
    opening: Message | None = live[0] if live and is_summary(live[0]) else None
    if opening is None:
        # Without what goes before the rest nothing can be put aside.
        aside, live = [], conversation.everything()
    for message in (*aside, *(each for each in live if each is not opening)):
        noted = loaded.notes.of(message)
        at = {"at": noted.at} if noted.at else {}
        yield {"type": "message", **at, **to_json(message)}
    if opening is not None:
        yield {"type": "compact", "opening": to_json(opening), "kept": len(live) - 1}
    for text in loaded.asides:
        yield {"type": "aside", "text": text}
    if loaded.protocol:
        yield {"type": "protocol", "protocol": loaded.protocol}


def _show(made: Path, path: Path) -> None:
    try:
        os.rename(made, path)
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise QcodeError(f"cannot write the session journal `{path}`: {error.strerror}") from error


def _clear(folder: Path) -> None:
    """Remove what was killed while it was being written."""
    try:
        with os.scandir(folder) as items:
            for item in items:
                if time.time() - item.stat().st_mtime > _ABANDONED_S:
                    os.unlink(item.path)
    except OSError:
        pass  # there is none, or it is tried again with the next copy
