"""A home that cannot be written: qcode's own files go to a temporary folder of the person's.

CI jobs and containers often run with no home, or one mounted read-only. Only what is written
moves (state and cache); settings are still read where they are.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, MutableMapping
from pathlib import Path

from qcode import paths

_MOVED = {"XDG_STATE_HOME": paths.state_dir, "XDG_CACHE_HOME": paths.cache_dir}


def settle(
    note: Callable[[str], None],
    environ: MutableMapping[str, str] = os.environ,
    *,
    make: bool = False,
) -> None:
    """Set the variables of those folders that cannot be made or written, and say so.

    With `make` they are made, which alone shows that they can be.

    Where there is no temporary folder either, nothing is set: whoever writes will say it.
    """
    lost = {
        name: folder() for name, folder in _MOVED.items() if not _can_write(folder(), make=make)
    }
    if not lost:
        return
    base = _temporary()
    if base is None:
        return
    for name in lost:
        environ[name] = str(base / name.removeprefix("XDG_").removesuffix("_HOME").lower())
    if "XDG_STATE_HOME" in lost:
        state = environ["XDG_STATE_HOME"]
        note(
            f"`{lost['XDG_STATE_HOME']}` cannot be written, so sessions are kept in `{state}`; "
            f"XDG_STATE_HOME={state} finds them again"
        )


def _can_write(folder: Path, *, make: bool) -> bool:
    if make:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            return False
    for one in (folder, *folder.parents):
        try:
            mode = os.stat(one).st_mode
        except FileNotFoundError:
            continue
        except OSError:
            return False
        return stat.S_ISDIR(mode) and os.access(one, os.W_OK | os.X_OK)
    return False


def _temporary() -> Path | None:
    """Return a folder that nobody else can write, the same one in each call where that goes."""
    try:
        base = Path(tempfile.gettempdir()) / f"qcode-{os.getuid()}"
        base.mkdir(mode=0o700, exist_ok=True)
        found = os.lstat(base)
        # In a folder that all can write, somebody else may have been there first.
        is_mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        if is_mine and not found.st_mode & 0o077 and os.access(base, os.W_OK | os.X_OK):
            return base
        return Path(tempfile.mkdtemp(prefix="qcode-"))
    except OSError:
        return None
