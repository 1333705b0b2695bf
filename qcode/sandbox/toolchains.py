"""The programs of a person that lie in a place each session otherwise has for itself."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

_PRIVATE = ("/tmp/", "/var/tmp/")
_ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX")
_OF_PROGRAMS = ("bin", "sbin")


def toolchains(environ: Mapping[str, str], roots: Collection[str]) -> list[str]:
    """Return the directories below /tmp that commands have to read to run programs of PATH.

    A virtual environment there is one: what its `bin` starts needs all of it. `/tmp` itself
    never is, nor what lies in the roots, which are seen anyway.
    """
    found = [environ[name] for name in _ACTIVE if environ.get(name)]
    for entry in environ.get("PATH", "").split(":"):
        parent, _, name = entry.rstrip("/").rpartition("/")
        found.append(parent if name in _OF_PROGRAMS and f"{parent}/" not in _PRIVATE else entry)
    real = dict.fromkeys(os.path.realpath(path) for path in found if path.startswith("/"))
    tops = tuple(f"{os.path.realpath(root)}/" for root in roots)
    return [
        path
        for path in real
        if path.startswith(_PRIVATE) and os.path.isdir(path) and not f"{path}/".startswith(tops)
    ]
