"""Text of the model quoted back to it: never more than it takes to know it again."""

from __future__ import annotations

QUOTED = 200
"""Characters."""


def clip(text: str) -> str:
    """Return a text with its middle cut if it is long."""
    if len(text) <= QUOTED:
        return text
    half = QUOTED // 2
    return f"{text[:half]}…[{len(text) - 2 * half:,} characters]…{text[-half:]}"
