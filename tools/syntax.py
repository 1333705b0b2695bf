"""Whether a write would break a file's syntax, in words for the model."""

from __future__ import annotations

from qcode.errors import ToolError
from qcode.syntax import newly_broken, problem


def check(name: str, before: str, after: str, *, insist: bool = False) -> None:
    """Refuse a change after which a file that parsed would not any more, unless it is insisted on.

    Raises:
        ToolError: it would not; nothing has been written yet.
    """
    broken = None if insist else newly_broken(name, before, after)
    if broken:
        raise ToolError(
            f"Refused: {name} would no longer parse (line {broken.line}, column {broken.column}: "
            f"{broken.words}). Nothing was changed. Send the edit again with correct code, "
            f"or with insist=true if this is right.\n{broken.excerpt}"
        )


def warning(name: str, content: str) -> str:
    """Return a warning if a new file does not parse."""
    found = problem(name, content)
    if found is None:
        return ""
    return (
        f"\nWarning: {name} does not parse (line {found.line}, column {found.column}: "
        f"{found.words}). Fix that next.\n{found.excerpt}"
    )
