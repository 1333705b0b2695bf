"""Noticing that an answer says the same again and again, as small models do up to the limit."""

from __future__ import annotations

LEAST_CHARS = 1_200
"""So much of the same at the end of a text is none that anybody wants."""
LEAST_TIMES = 6
"""So often it has to stand there."""

_PROBE = 40
_LOOK_EVERY = 256
_KEPT = 8_192


class Stammer:
    """Takes a text as it comes; its work for each piece does not grow with the text."""

    def __init__(self) -> None:
        self._tail = ""
        self._unseen = 0

    def hears(self, piece: str) -> bool:
        """Whether, with this piece, the end of the text is one stretch over and over."""
        self._tail = (self._tail + piece)[-_KEPT:]
        self._unseen += len(piece)
        if self._unseen < _LOOK_EVERY:
            return False
        self._unseen = 0
        return _stammers(self._tail)


def _stammers(text: str) -> bool:
    if len(text) < LEAST_CHARS:
        return False
    probe = text[-_PROBE:]
    before = text.rfind(probe, 0, -1)
    if before < 0:
        return False
    period = len(text) - _PROBE - before
    length = max(LEAST_CHARS, period * LEAST_TIMES)
    if length > len(text):
        return False
    end = text[-length:]
    return end[period:] == end[:-period]
