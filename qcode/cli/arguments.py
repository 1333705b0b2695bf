"""What may follow a slash command, for completion: modes, models, sessions and the like."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from qcode import paths, profiles
from qcode.config import KEYS
from qcode.errors import UsageError
from qcode.journal import listing
from qcode.permissions import Mode

Known = Callable[[], Iterable[tuple[str, str]]]
"""What there is, each with a few words on it."""

_FRESH_S = 5.0
_SESSIONS = 50
"""The last used of this directory and of others, at most."""
_MODES = {
    Mode.PLAN: "only reads",
    Mode.DEFAULT: "asks before edits and commands",
    Mode.AUTO_EDIT: "asks before commands",
    Mode.YOLO: "never asks",
}
_FIXED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "mode": tuple((mode.value, about) for mode, about in _MODES.items()),
    "export": (("md", "Markdown"), ("json", "JSON"), ("html", "a page that loads nothing")),
    "memory": (("show", "prints the files"),),
    "facts": (("forget", "by NUMBER, or all"),),
    "cost": (
        ("steps", "each step"),
        ("turns", "each turn"),
        ("on", "MODEL: what it would have cost there"),
    ),
    "jobs": (("kill", "ends one, by NUMBER"),),
    "permissions": (
        ("allow", "RULE, e.g. shell(make *), from now on"),
        ("remove", "by NUMBER: to be asked again"),
    ),
    "doctor": (("deep", "sends a long prompt, too"),),
    "config": (
        *((f"set {key}", "writes it to your file") for key in KEYS),
        *((key, "shows its value") for key in KEYS),
    ),
}
"""What never changes, by command."""


class Arguments:
    """Answers a completer; asked again, it remembers for some seconds what it found on disk."""

    def __init__(self, known: Mapping[str, Known]) -> None:
        """`known`: by command what else there is."""
        self._known = known
        self._found: dict[str, tuple[float, list[tuple[str, str]]]] = {}

    def __call__(self, command: str, part: str) -> list[tuple[str, str]]:
        """Return what may follow a command, whatever is typed of it."""
        fixed = [*_FIXED.get(command, ())]
        if command not in self._known:
            return fixed
        at, found = self._found.get(command, (0.0, []))
        if not at or time.monotonic() - at > _FRESH_S:
            found = list(self._known[command]())
            self._found[command] = time.monotonic(), found
        return [*fixed, *found]


def sessions(folder: Path, cwd: Path) -> list[tuple[str, str]]:
    """Return the ids of the last sessions with their first words, those of a directory first."""
    last = [one for one in islice(listing.entries(folder), _SESSIONS) if one.title]
    last.sort(key=lambda one: one.cwd != str(cwd))
    return [(one.id, one.title) for one in last]


def models(present: Iterable[str]) -> list[tuple[str, str]]:
    """Return the names of models that are in use here, were examined once, or can be had.

    Those are the person's own, and the known ones of providers whose key is in the environment.
    """
    from qcode.local.keys import opened
    from qcode.models import every

    known = {name: "in use" for name in present if name}
    for profile in profiles.every():
        about = profile.base_url or "examined by qcode doctor"
        known.setdefault(profile.model, about)
    with contextlib.suppress(UsageError):  # of a broken file it is told where it counts
        providers = {one.model.partition("/")[0] for one in opened(os.environ) if "/" in one.model}
        for name, model in every().items():
            if model.base_url:
                known.setdefault(name, model.base_url)
            for place in model.places:
                if place.name.partition("/")[0] in providers:
                    known.setdefault(place.name, model.name)
    return list(known.items())


def usual(
    cwd: Path,
    present: Callable[[], Iterable[str]],
    more: Mapping[str, Known] = MappingProxyType({}),
) -> Arguments:
    """Return what is known in a session; `present` are the models of the settings and in use.

    `more` is by command what others know of.
    """
    return Arguments(
        {
            **more,
            "model": lambda: models(present()),
            "resume": lambda: sessions(paths.state_dir() / "sessions", cwd),
        }
    )
