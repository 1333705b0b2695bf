"""What a call may ask for beyond the sandbox: `network`, `write:/path`, `read:/path`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qcode.errors import ToolError
from qcode.sandbox.policy import Grant

FORMS = "network, write:PATH, read:PATH (several with commas)"


def wanted(access: str, resolve: Callable[[str], Path]) -> Grant:
    """Return what a text asks for; it is a wish, and gives nothing.

    Raises:
        ToolError: it is not one of the forms.
    """
    network, write, read = False, list[str](), list[str]()
    for part in filter(None, (each.strip() for each in access.split(","))):
        kind, _, path = part.partition(":")
        kind = kind.strip().lower()
        if kind == "network" and not path:
            network = True
        elif kind in ("write", "read") and path.strip():
            (write if kind == "write" else read).append(str(resolve(path.strip())))
        else:
            raise ToolError(f"access cannot be {part[:80]!r}; it can be {FORMS}.")
    return Grant(network=network, write=tuple(write), read=tuple(read))


def in_words(grant: Grant) -> str:
    """Return what a grant allows, for a person; nothing if it allows nothing."""
    parts = ["the network"] if grant.network else []
    parts += [f"writing to {path}" for path in grant.write]
    parts += [f"reading {path}" for path in grant.read]
    return ", ".join(parts)
