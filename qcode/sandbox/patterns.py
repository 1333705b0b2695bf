"""Path patterns that people write: `*.pem`, `config/**`, `~/notes`, `/srv/data`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

_WILD = re.compile(r"[*?\[]")


class Patterns:
    """Whether a path is meant by one of some patterns.

    A pattern without a slash means a name anywhere in the roots; one with a slash is
    relative to a root; `~/` is the home directory. `*` stays within a component, `**`
    does not. What means a directory means all in it.
    """

    def __init__(self, patterns: Sequence[str], *, roots: Sequence[Path], home: Path) -> None:
        self._roots = [str(root) for root in roots]
        self._patterns = tuple(patterns)
        self._globs = [_normal(pattern, str(home)) for pattern in patterns]
        self._forms = [_expression(glob) for glob in self._globs]
        self._names = [
            _expression(glob.removesuffix("/**").rpartition("/")[2])
            for glob in self._globs
            if not glob.startswith("/")
        ]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def match(self, real: str) -> str:
        """Return the pattern that means the path or a directory above it, or nothing."""
        if not self._forms:
            return ""
        inside = [real[len(r.rstrip("/")) + 1 :] for r in self._roots if below(real, r)]
        for pattern, glob, form in zip(self._patterns, self._globs, self._forms, strict=True):
            if glob.startswith("/"):
                is_meant = form.match(real) is not None
            elif "/" not in pattern.rstrip("/"):
                is_meant = any(form.match(name) for rest in inside for name in rest.split("/"))
            else:
                is_meant = any(form.match(rest) for rest in inside)
            if is_meant:
                return pattern
        return ""

    def may_name(self, name: str) -> bool:
        """Whether a file of this name is perhaps meant by a pattern relative to the roots."""
        return any(form.fullmatch(name) for form in self._names)

    def places(self) -> list[str]:
        """Return the paths that patterns say outright, existing or not."""
        found = []
        for pattern, glob in zip(self._patterns, self._globs, strict=True):
            plain = glob.removesuffix("/**")
            if plain and not _WILD.search(plain):
                if plain.startswith("/"):
                    found.append(plain)
                elif "/" in pattern.rstrip("/"):
                    found += [os.path.join(root, plain) for root in self._roots]
        return found


def _normal(pattern: str, home: str) -> str:
    if pattern == "~" or pattern.startswith("~/"):
        pattern = home + pattern[1:]
    return pattern.removeprefix("./").rstrip("/") or "/"


def below(path: str, top: str) -> bool:
    """Whether a path is a directory or lies in it; both absolute and normal."""
    return path == top or path.startswith(top if top.endswith("/") else top + "/")


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    """Return what matches a path or what is below it from the left."""
    out = ""
    at = 0
    while at < len(pattern):
        rest = pattern[at:]
        if rest.startswith("**/"):
            out, at = out + "(?:[^/]+/)*", at + 3
        elif rest == "/**":
            out, at = out + "(?:/.*)?", at + 3
        elif rest.startswith("**"):
            out, at = out + ".*", at + 2
        elif rest[0] == "*":
            out, at = out + "[^/]*", at + 1
        elif rest[0] == "?":
            out, at = out + "[^/]", at + 1
        elif rest[0] == "[" and (close := pattern.find("]", at + 2)) > 0:
            inner = pattern[at + 1 : close].replace("\\", r"\\")
            out += "[" + ("^/" + inner[1:] if inner[0] == "!" else inner.replace("^", r"\^")) + "]"
            at = close + 1
        else:
            out, at = out + re.escape(rest[0]), at + 1
    try:
        return re.compile(f"(?:{out})(?=/|\\Z)", re.DOTALL)
    except re.error:  # a range that is none, such as [z-a]: only the very characters are meant
        return re.compile(f"(?:{re.escape(pattern)})(?=/|\\Z)")
