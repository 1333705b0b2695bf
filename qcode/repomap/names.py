"""The names that a workspace defines, as far as they are already known.

Nothing is looked at or made for them: what the map of an earlier request left behind is
read, so a name may be gone, and a new one missing.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from qcode.repomap.index import file_of
from qcode.repomap.store import Damaged, identity

MOST = 200_000
_BUSY_S = 0.2


def known_names(root: Path, folder: Path | None = None) -> list[str]:
    """Return the names, the short ones first; none where there is no map yet, or a busy one."""
    real = Path(os.path.realpath(root))
    file = file_of(real, folder)
    if not file.exists():
        return []
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)
        ) as store:
            whose = store.execute("SELECT value FROM about WHERE key = 'is'").fetchone()
            if whose is None or whose[0] != identity(real):
                return []
            rows = store.execute("SELECT DISTINCT name FROM names LIMIT ?", (MOST,))
            names = [str(row[0]) for row in rows]
    except Damaged:
        return []
    names.sort(key=lambda name: (len(name), name))
    return names
