"""The requests of sessions as their journals have them, read without the conversations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from typing import Any

from qcode.journal.writing import usage_from_json
from qcode.messages import Asked
from qcode.record import Record

_PREFIX = 96
"""Bytes of a line within which its type, time and role stand."""


class Entry(Record):
    """One request."""

    asked: Asked
    session: str
    project: str
    """The directory of the session."""
    model: str
    """Who answered."""
    turn: int
    """Of the session, from 1; 0: before the first message."""
    at: str
    """When it ended, in UTC as in `2026-01-02T03:04:05Z`; of older journals, when what was said
    before it was written; empty: not known."""


def of_folder(folder: Path, *, since: float = 0.0, project: str = "") -> Iterator[Entry]:
    """Yield the requests of all sessions, session by session in order of their ids.

    `since` (seconds of the epoch) leaves out journals that were not written to any more,
    `project` those of other directories; those that cannot be read are left out, too.
    """
    for path in sorted(folder.glob("*.jsonl")):
        try:
            status = path.stat()
            # Nobody writes to a pipe that lies there, and reading it would not end.
            if status.st_mtime < since or not S_ISREG(status.st_mode):
                continue
            yield from of_journal(path, project)
        except OSError:
            continue


def of_journal(path: Path, only: str = "") -> Iterator[Entry]:
    """Yield the requests of one session, in order; none where it is no journal.

    `only` is a directory: there are none of a session of another one.

    Raises:
        OSError: it cannot be read.
    """
    session, project, model, at, turn = path.stem, "", "", "", 0
    with path.open("rb") as file:
        for number, line in enumerate(file):
            # Most lines are long, and none of ours.
            head = line[:_PREFIX]
            if number == 0:
                header = _record(line)
                if header.get("type") != "session":
                    return
                session, project = str(header.get("id", session)), str(header.get("cwd", ""))
                if only and project != only:
                    return
                model = str(header.get("model", ""))
            elif head.startswith(b'{"type":"usage"'):
                record = _record(line)
                if record.get("type") == "usage":
                    asked = usage_from_json(record)
                    who = asked.model or model
                    yield Entry(asked, session, project, who, turn, asked.at or at)
            elif head.startswith(b'{"type":"message"'):
                at = _at(head) or at
                if b'"role":"user"' in head and b'"nudge":true' not in line[-40:]:
                    turn += 1
            elif head.startswith(b'{"type":"model"'):
                model = str(_record(line).get("model", model))


def _record(line: bytes) -> dict[str, Any]:
    """Return a line's record; empty where it has none: the last line of a killed session."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _at(head: bytes) -> str:
    before, _, after = head.partition(b'"at":"')
    return after[:20].decode("ascii", "replace") if before and after[19:20] == b"Z" else ""
