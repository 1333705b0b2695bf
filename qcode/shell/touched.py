"""Which files a shell text names, for file rules; what is not named, the sandbox holds."""

from __future__ import annotations

import os

from qcode.shell.pieces import ANY, GLOB
from qcode.shell.through import Seen, program

_WRITERS = frozenset(
    {"rm", "rmdir", "unlink", "mv", "cp", "tee", "dd", "touch", "truncate", "ln", "install",
     "chmod", "chown", "chgrp", "shred", "rsync", "mkdir", "patch", "sponge", "ed", "ex",
     "vi", "vim", "nano", "emacs", "split", "csplit", "mktemp"}
)  # fmt: skip
_GIT_WRITERS = frozenset({"checkout", "restore", "rm", "mv", "apply", "stash", "clean"})


def touched(seen: Seen, directory: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the absolute paths that a text names, and those of them that it writes to."""
    places = {directory}
    for words in seen.commands:
        if program(words) in ("cd", "pushd") and len(words) > 1 and ANY not in words[1]:
            places |= {os.path.join(place, words[1]) for place in tuple(places)[:4]}
    named: dict[str, None] = {}
    written: dict[str, None] = {}
    for words in seen.commands:
        writes = _writes(words)
        for word in words[1:]:
            for text in {word, word.partition("=")[2]}:
                _add(named, text, places)
                if writes:
                    _add(written, text, places)
    for each in seen.redirections:
        _add(written if each.writes else named, each.target, places)
    return tuple(named), tuple(written)


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


def _add(paths: dict[str, None], text: str, places: set[str]) -> None:
    if not text or text.startswith("-") or ANY in text or GLOB in text or len(text) > 1024:
        return
    for place in places:
        joined = os.path.join(place, text)
        paths[os.path.normpath(joined)] = None
        paths[os.path.realpath(joined)] = None
