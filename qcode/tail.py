"""The last that was said in a session, without reading all of its journal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from qcode.errors import QcodeError
from qcode.journal.loading import load
from qcode.messages import AssistantMessage, Message, UserMessage, from_json

WHOLE_BYTES = 1 << 19
"""Journals that are no longer are read whole, so that what was taken back is left out."""
READ_BYTES = 1 << 18
"""Of longer ones, from the end."""
SHOWN = 6


def last_said(path: Path, count: int = SHOWN) -> list[Message]:
    """Return the last messages of a person and a model that have words; none if there are none."""
    try:
        size = os.stat(path).st_size
        messages = load(path).messages if size <= WHOLE_BYTES else _from_the_end(path, size)
    except (OSError, QcodeError):
        return []
    return [each for each in messages if _has_words(each)][-count:]


def _has_words(message: Message) -> bool:
    match message:
        case UserMessage():
            return not message.is_nudge and bool(message.text.strip())
        case AssistantMessage():
            return bool(message.text.strip())
    return False


def _from_the_end(path: Path, size: int) -> list[Message]:
    with path.open("rb") as file:
        file.seek(size - READ_BYTES)
        return list(_messages(file.read().split(b"\n")[1:]))


def _messages(lines: list[bytes]) -> Iterator[Message]:
    for line in lines:
        if not line.startswith(b'{"type":"message"'):
            continue
        try:
            yield from_json(json.loads(line))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
