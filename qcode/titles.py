"""What people call their sessions.

The journal tells it, somewhere in the file; so that a list need not read thousands of files
to their ends, the last one stands in a small file beside the journal as well.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from qcode.escapes import plain
from qcode.secrets import Masker

SUFFIX = ".title"
LONGEST = 120
"""Characters of a title."""


def clean(text: str) -> str:
    """Return a title as it is kept: one line that drives no terminal, without secrets."""
    return Masker().mask(" ".join(plain(text[: 8 * LONGEST]).split()))[:LONGEST].strip()


def beside(journal: Path) -> Path:
    """Return where the title of a session is found quickly."""
    return journal.with_suffix(SUFFIX)


def read(journal: Path) -> str:
    """Return the title of a session; nothing if it has none."""
    try:
        with beside(journal).open("rb") as file:
            return clean(file.read(8 * LONGEST).decode("utf-8", "replace"))
    except OSError:
        return ""


def write(journal: Path, title: str) -> None:
    """Have lists show a title, or none any more if there is nothing in it.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    place = beside(journal)
    if not title:
        place.unlink(missing_ok=True)
        return
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(title + "\n")
        os.replace(name, place)
    except BaseException:
        os.unlink(name)
        raise
