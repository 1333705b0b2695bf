"""A confinement made of plain mounts, to see that its parts are the right ones."""

from __future__ import annotations

import shlex
import subprocess
from functools import lru_cache
from pathlib import Path

from qcode.sandbox.policy import Confinement


@lru_cache(maxsize=1)
def why_not() -> str:
    """Return why mounts cannot be made here; empty where they can."""
    try:
        done = _unshared("mount -t tmpfs none /mnt && echo ok", Path("/"))
    except OSError as error:
        return str(error)
    return "" if done.stdout.strip() == "ok" else done.stderr.strip() or "no mounts"


def run(confinement: Confinement, command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command with what it is confined to mounted in its order."""
    steps = ["set -e", "mount --make-rprivate /"]
    for path in (*confinement.writable, *confinement.pinned):
        steps.append(f"mount --bind {shlex.quote(path)} {shlex.quote(path)}")
    for path in confinement.protected:
        steps.append(f"mount --bind {shlex.quote(path)} {shlex.quote(path)}")
        steps.append(f"mount -o remount,bind,ro {shlex.quote(path)}")
    for path in confinement.hidden:
        # A socket of somebody else may be gone by now.
        if Path(path).is_dir():
            steps.append(
                f"mount -t tmpfs -o size=4k,ro none {shlex.quote(path)} 2>/dev/null || true"
            )
        else:
            steps.append(f"mount --bind /dev/null {shlex.quote(path)} 2>/dev/null || true")
    steps += [f"cd {shlex.quote(str(cwd))}", "set +e", command]
    return _unshared("\n".join(steps), cwd)


def _unshared(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", script],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
