"""Which files a shell text names, for file rules; what is not named, the sandbox holds."""

from __future__ import annotations

import os

from qcode.shell.pieces import ANY
from qcode.shell.through import Seen, program

PATHS = 60
LONGEST = 256
"""So many paths of at most this length are looked at: the sandbox holds the others too."""

_WRITERS = frozenset(
    {"rm", "rmdir", "unlink", "mv", "cp", "tee", "dd", "touch", "truncate", "ln", "install",
     "chmod", "chown", "chgrp", "shred", "rsync", "mkdir", "patch", "sponge", "ed", "ex",
     "vi", "vim", "nano", "emacs", "split", "csplit", "mktemp"}
)  # fmt: skip
_GIT_WRITERS = frozenset({"checkout", "restore", "rm", "mv", "apply", "stash", "clean"})


_OPERANDS = frozenset({"rm", "unlink", "rmdir", "shred", "truncate", "touch", "tee", "mv"})
_LAST = frozenset({"cp", "install", "ln"})
"""Of what they name, they write to the last alone."""


def made_or_removed(seen: Seen, directory: str) -> tuple[str, ...]:
    """Return the absolute paths that a text surely makes, removes or writes anew, if it names them.

    Fewer than `touched` has: no word is among them that only may be a path.
    """
    places = _places(seen, directory)
    found: dict[str, None] = {}
    for words in seen.commands:
        name = program(words)
        operands = [word for word in words[1:] if not word.startswith("-")]
        if name == "git":
            operands = operands[1:] if operands[:1] in (["rm"], ["mv"]) else []
        elif name in _LAST:
            operands = operands[-1:]
        elif name not in _OPERANDS:
            operands = []
        found.update(dict.fromkeys(operands))
    found.update((each.target, None) for each in seen.redirections if each.writes)
    return _paths(found, places)


def touched(seen: Seen, directory: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the absolute paths that a text names, and those of them that it writes to."""
    places = _places(seen, directory)
    named: dict[str, None] = {}
    written: dict[str, None] = {}
    for words in seen.commands:
        found = written if _writes(words) else named
        for word in words[1:]:
            found[word] = None
            if "=" in word:
                found[word.partition("=")[2]] = None
    for each in seen.redirections:
        (written if each.writes else named)[each.target] = None
    writes = _paths(written, places)
    return (*_paths(named, places), *writes), writes


def _places(seen: Seen, directory: str) -> set[str]:
    """Return where a text's commands may run."""
    places = {directory}
    for words in seen.commands:
        if program(words) in ("cd", "pushd") and len(words) > 1 and ANY not in words[1]:
            places |= {os.path.join(place, words[1]) for place in tuple(places)[:4]}
    return places


def _writes(words: tuple[str, ...]) -> bool:
    name = program(words)
    if name in _WRITERS:
        return True
    if name == "git":
        return any(word in _GIT_WRITERS for word in words[1:3])
    in_place = name in ("sed", "perl", "gawk", "ruby", "yq") and any(
        word.startswith(("-i", "--in-place"))
        or (word[:1] == "-" and word[1:2] != "-" and "i" in word)
        for word in words[1:]
    )
    return in_place or (name in ("sort", "curl", "wget", "gcc", "cc", "tar") and len(words) > 1)


def _paths(texts: dict[str, None], places: set[str]) -> tuple[str, ...]:
    """Return where texts lead to, as they are written and in truth."""
    paths: dict[str, None] = {}
    for text in texts:
        if not text or text.startswith("-") or len(text) > LONGEST or not text.isprintable():
            continue  # an expansion is not printable either
        for place in places:
            joined = os.path.join(place, text)
            if (written := os.path.normpath(joined)) not in paths:
                paths[written] = None
                paths[os.path.realpath(joined)] = None
        if len(paths) > PATHS:
            break
    return tuple(paths)
