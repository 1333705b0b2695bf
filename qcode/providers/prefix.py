"""Telling where a request stopped to begin with the one before it."""

from __future__ import annotations

_SHOWN = 40
"""Bytes of each that are shown."""


def first_difference(before: bytes, now: bytes) -> int | None:
    """Return the first byte at which `now` leaves `before`; None if it begins with all of it."""
    if now.startswith(before):
        return None
    low, high = 0, min(len(before), len(now))
    while low < high:  # the longest beginning that both have
        middle = (low + high + 1) // 2
        if before[:middle] == now[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def described(before: bytes, now: bytes) -> str:
    """Return in a line where and how a request leaves the one before it; empty if it does not."""
    at = first_difference(before, now)
    if at is None:
        return ""
    old, new = (text[at : at + _SHOWN].decode("utf-8", "replace") for text in (before, now))
    return (
        f"the server has to read anew from byte {at:,} of {len(now):,}: "
        f"there was {old!r}, now there is {new!r}"
    )
