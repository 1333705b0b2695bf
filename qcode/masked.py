"""What is written down of a conversation, without the secrets in it.

What is sent and run stays as it was said; only the journal, exports and reports get this.
"""

from __future__ import annotations

import json
from typing import Any

from qcode.messages import JsonObject
from qcode.secrets import Masker, StreamMasker

_SAID = frozenset({"text", "before", "after", "reasoning", "arguments", "items", "notes", "title"})
"""Fields of a record in which somebody may have said a secret."""

_JSON = frozenset({"arguments", "items"})
"""Fields whose texts are JSON."""


def masked(value: Any, masker: Masker) -> Any:
    """Return JSON with its texts masked; `value` stays as it is."""
    if isinstance(value, str):
        return masker.mask(value)
    if isinstance(value, list | tuple):
        return [masked(each, masker) for each in value]
    if isinstance(value, dict):
        return {name: masked(each, masker) for name, each in value.items()}
    return value


def masked_message(value: Any, masker: Masker, *, field: str = "") -> Any:
    """Return a message or record as JSON with what was said in it masked, and its ids as they are.

    `field` is the one that `value` stands in.
    """
    if isinstance(value, dict):
        return {
            name: masked_message(each, masker, field=name if name in _SAID else field)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked_message(each, masker, field=field) for each in value]
    if field not in _SAID or not isinstance(value, str):
        return value
    return masked_json(value, masker) if field in _JSON else masker.mask(value)


def masked_json(text: str, masker: Masker) -> str:
    """Return JSON text masked; without a secret it stays the same to the byte."""
    try:
        value = json.loads(text)
        inside = masked(value, masker)
    except (ValueError, RecursionError):
        return masker.mask(text)  # as a model wrote it
    return text if inside == value else json.dumps(inside, ensure_ascii=False)


class WrittenDown:
    """Makes journal records of a session fit to be written, piece by piece."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._pieces: dict[str, StreamMasker] = {}

    def record(self, record: JsonObject) -> JsonObject | None:
        """Return the record as it is written; None if nothing of it can be yet.

        The last word of a piece waits for the next one if it may become a secret.
        """
        if record.get("type") != "delta":
            if self._pieces and record.get("type") in ("message", "void", "fresh"):
                self._pieces.clear()  # the whole message takes the pieces' place
            whole: JsonObject = masked_message(record, self._masker)
            return whole
        out = {"type": "delta"}
        for name, text in record.items():
            if name != "type":
                stream = self._pieces.setdefault(name, StreamMasker(self._masker))
                if shown := stream.feed(str(text)):
                    out[name] = shown
        return out if len(out) > 1 else None
