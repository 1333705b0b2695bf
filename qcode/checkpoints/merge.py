"""Two changes of one file put together, where they do not touch the same lines."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile

from qcode import paths
from qcode.checkpoints.states import Entry
from qcode.checkpoints.store import Store
from qcode.record import replace
from qcode.sandbox import house

_TIMEOUT_S = 20.0


def merge(
    store: Store, base: Entry | None, ours: Entry | None, theirs: Entry | None
) -> Entry | None:
    """Return the file with both changes, or None where that would be a guess."""
    if base is None or ours is None or theirs is None:
        return None
    if not all(stat.S_ISREG(entry.mode) for entry in (base, ours, theirs)):
        return None
    if base.mode not in (ours.mode, theirs.mode) and ours.mode != theirs.mode:
        return None
    mode = theirs.mode if ours.mode == base.mode else ours.mode
    if base.oid in (ours.oid, theirs.oid):
        return replace(theirs if ours.oid == base.oid else ours, mode=mode)
    content = merge_text(store.get(ours.oid), store.get(base.oid), store.get(theirs.oid))
    return None if content is None else Entry(mode, store.put("blob", content))


def merge_text(ours: bytes, base: bytes, theirs: bytes) -> bytes | None:
    """Return both changes of a text in one, or None if they overlap or it is no text."""
    if any(b"\0" in content[:8000] for content in (ours, base, theirs)):
        return None
    place = paths.cache_dir()  # what is in the system's own temporary directory git cannot see
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="merge-", dir=place) as folder:
        names = []
        for name, content in (("ours", ours), ("base", base), ("theirs", theirs)):
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(content)
            names.append(path)
        try:
            done = house.run(
                ["git", "merge-file", "-p", "-q", *names],
                cwd=folder,  # outside any repository: no configuration of one is read
                env={**os.environ, "GIT_DIR": folder},
                timeout_s=_TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    return done.stdout if done.returncode == 0 else None
