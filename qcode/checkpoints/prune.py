"""Dropping the states of sessions that ended long ago."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

from qcode.checkpoints.keeper import open_store, private_folder

KEPT_DAYS = 30.0
"""Days after its last change for which a session's states are kept."""
_DAY_S = 86_400.0


def prune(root: Path, folder: Path, *, days: float = KEPT_DAYS) -> list[str]:
    """Drop the refs of old sessions in a directory's store; return the sessions' ids.

    In a repository the objects go when its own `git gc` finds them unreferenced;
    in a private store at once.
    """
    if not days >= 0:
        raise ValueError("days must be 0 or more")
    oldest = time.time() - days * _DAY_S
    store = open_store(root, folder)
    dropped = []
    try:
        for name, commit in store.refs("refs/qcode/"):
            written = re.search(rb"^committer .*> (\d+) ", store.get(commit), re.MULTILINE)
            if written and int(written[1]) <= oldest and store.set_ref(name, "", commit):
                session = name.removeprefix("refs/qcode/")
                dropped.append(session)
                for suffix in ("lock", "pending"):
                    (folder / f"{session}.{suffix}").unlink(missing_ok=True)
        if dropped and store.is_private:
            store.git("prune", "--expire=now")
    finally:
        store.close()
    return dropped


def forget(root: Path, session: str, folder: Path) -> None:
    """Drop the states of one session, if there are any."""
    store = open_store(root, folder, session)
    try:
        name = f"refs/qcode/{session}"
        commit = store.ref(name)
        if commit is not None:
            store.set_ref(name, "", commit)
            if store.is_private:
                store.git("prune", "--expire=now")
    finally:
        store.close()
    for suffix in ("lock", "pending"):
        (folder / f"{session}.{suffix}").unlink(missing_ok=True)


def prune_now_and_then(root: Path, folder: Path) -> list[str]:
    """Prune at most once a day; also the private stores of directories that are gone."""
    stamp = private_folder(root, folder) / "pruned"
    try:
        if time.time() - stamp.stat().st_mtime < _DAY_S:
            return []
    except FileNotFoundError:
        pass
    stamp.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp.touch()
    for place in folder.glob("*/root"):
        try:
            gone = not os.path.exists(place.read_bytes())
            idle = time.time() - place.stat().st_mtime > KEPT_DAYS * _DAY_S
        except OSError:
            continue
        if gone and idle:
            shutil.rmtree(place.parent, ignore_errors=True)
    return prune(root, folder)
