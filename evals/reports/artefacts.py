"""What is kept of a trial: found by what it is, since agents name their files otherwise.

The folder holds what a model wrote: files are read whole up to a limit, never through a link
that leads out of it, and never waited for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from qcode.files_safe import read_small

Part = Literal["prompt", "answer", "diff", "check", "output"]

_NAMES: dict[Part, re.Pattern[str]] = {
    "prompt": re.compile(r"prompt.*\.(md|txt)|prompt"),
    "answer": re.compile(r"answer.*\.(md|txt)|answer"),
    "diff": re.compile(r"(diff|changes|patch).*|.*\.(diff|patch)"),
    "check": re.compile(r"check.*\.(txt|log|out)|check(-output)?"),
    "output": re.compile(r"(agent|output|stdout).*\.(txt|log|out|jsonl|json)|stdout|output"),
}
MOST_BYTES = 8 << 20
"""Of one file; a longer one is told of by its size."""
MOST_FILES = 2_000
"""That are looked at below one trial's folder."""
_HEAD = 4_096


def texts(folder: Path, part: Part) -> list[tuple[str, str]]:
    """Return what is kept of a part, a name and a text for each try, the first one first."""
    found = []
    for path in sorted(_files(folder), key=lambda path: (len(path.stem), path.name)):
        if path.parent == folder and _NAMES[part].fullmatch(path.name):
            try:
                text = read_small(path, MOST_BYTES).decode("utf-8", "replace")
            except OSError as error:
                text = f"(cannot be shown: {error.strerror})"
            found.append((path.name, text))
    return found


def journals(folder: Path) -> list[Path]:
    """Return the journals of sessions of qcode's own, the first one first.

    Ids of sessions sort by time. The journal of a subagent stands behind its session's.
    """
    found = [path for path in _files(folder) if path.suffix == ".jsonl" and _is_journal(path)]
    return sorted(found, key=lambda path: (len(path.relative_to(folder).parts), path.name))


def _files(folder: Path) -> Iterator[Path]:
    """Yield the ordinary files below, in order."""
    try:
        found = sorted(islice(folder.rglob("*"), MOST_FILES))
    except OSError:
        return
    yield from (path for path in found if path.is_file() and not path.is_symlink())


def _is_journal(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD).startswith(b'{"type":"session"')
    except OSError:
        return False
