r"""Paths as models write them: relative to the root, with `/`, and never out of it."""

from __future__ import annotations

import re
from collections.abc import Callable

from qcode.editing.outcome import Reason, Refused

Relative = Callable[[str], str | None]
"""Makes an absolute path relative to the root; None if it is not below it."""


class Refusal(Exception):
    """Ends the reading of a patch; nothing is changed."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.refused = Refused(reason, text)


def bare(path: str) -> str:
    """Return a path without quotes, backticks and blanks around it."""
    path = path.strip()
    while len(path) > 1 and path[0] == path[-1] and path[0] in "\"'`":
        if path[0] == '"' and "\\" in path:
            path = _unquoted(path)
        path = path[1:-1].strip()
    return path.strip("`").strip()


def normal(path: str, relative: Relative | None = None) -> str:
    """Return a path relative to the root.

    Raises:
        Refusal: it is empty, or leaves the root.
    """
    name = bare(path).replace("\\", "/")
    if not name or "\0" in name:
        raise Refusal(Reason.MALFORMED, f"There is no path in {path[:200]!r}.")
    if name.startswith(("/", "~/")) or re.match(r"[A-Za-z]:", name) or name == "~":
        inside = relative(name) if relative else None
        if inside is None:
            raise _outside(path)
        name = inside.replace("\\", "/")
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                raise _outside(path)
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if not parts:
        raise Refusal(Reason.MALFORMED, f"{path.strip()[:200]} names a directory, not a file.")
    return "/".join(parts)


def _outside(path: str) -> Refusal:
    return Refusal(
        Reason.OUTSIDE_ROOT,
        f"{path.strip()[:200]} is outside the workspace. Nothing was changed. Give paths relative "
        "to the workspace's root.",
    )


def _unquoted(path: str) -> str:
    r"""Undo git's quoting of unusual names: octal bytes and `\"`."""
    if not re.search(r'\\[0-7]{3}|\\["\\]', path):
        return path
    try:
        text = re.sub(
            rb'\\([0-7]{3}|["\\])',
            lambda m: bytes([int(m[1], 8) & 255]) if len(m[1]) == 3 else m[1],
            path.encode(),
        )
        return text.decode()
    except UnicodeDecodeError:
        return path
