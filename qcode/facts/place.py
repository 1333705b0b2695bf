"""Where the facts of a workspace are kept; light, as every session asks."""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path


def file_of(folder: Path, root: Path) -> Path:
    """Return the file of a workspace; its name tells a person which it is."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", root.name)[:40] or "root"
    # Two workspaces of one name and sum are told apart by what the file says.
    return folder / f"{name}-{zlib.crc32(os.fsencode(root)):08x}.json"
