"""What bubblewrap and the shell inside it are told, for one confinement; no process is started."""

from __future__ import annotations

import os
import re
import resource
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import qcode
from qcode.sandbox.policy import Confinement, Limits, Network
from qcode.sandbox.unavailable import Unavailable

PRIVATE = ("/tmp", "/var/tmp", "/run")
_RUN_BYTES = 16 * 1024 * 1024

_WRITABLE_PROC = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "mtrr")
"""What uid 0 may write to in a fresh /proc although it has no capabilities."""

_EMPTY = Path(qcode.__file__).with_name("py.typed")
"""A file without content, to be seen instead of hidden ones; a device would be refused by nodev."""

# Runs in the sandbox as a parent of the command, since limits on processes hold per user
# namespace, and since bubblewrap ends at once with the command: whatever the command left
# gets its moment here. Its own stderr is a socket to qcode, which the command cannot open;
# `set -m` makes the command the leader of a process group, as it is without a sandbox.
_SCRIPT = """\
set -m
{ echo 800 >/proc/self/oom_score_adj; } 2>/dev/null
ulimit -c 0
ulimit -f %(file_blocks)d
ulimit -n %(open_files)d
%(processes)s
exec %(unneeded)s
[[ -f $1 && -x $1 ]] || { echo '?' >&2; exit 127; }
echo + >&2
read -r -u 2 || exit
trap : HUP INT QUIT TERM
"$@" %(stderr)s
code=$?
set -- /proc/[0-9]*
for ((i = 0; i < 10 && $# > 2; i++)); do
  read -r -t 0.01 -u 2
  set -- /proc/[0-9]*
done
if (($# > 2)); then
  echo "=$(($# - 2))" >&2
  kill -KILL -1
fi
exit "$code"
"""

_SPECIAL = re.compile(rb"[ \t\n\\]")

Opened = dict[str, int]
"""Descriptors (`O_PATH`) of directories and files by their paths."""


class MovedError(Unavailable):
    """Something to be confined was moved or replaced since it was found: look again."""


def open_mounted(confinement: Confinement) -> Opened:
    """Open what is mounted in its own place, so that nothing else can be taken for it.

    A job, for example, can replace a path by a link while a command is being started.

    Raises:
        OSError: one of the writable ones is not there, or a link is on the way to it.
        MovedError: the same of what is protected or pinned.
        ValueError: all of the file system is to be writable, /proc and /dev too.
    """
    if "/" in confinement.writable:
        raise ValueError("the root directory cannot be writable in a sandbox")
    opened: Opened = {}
    temp = () if own_temp(confinement) else (confinement.temp,)
    try:
        for path in (*confinement.writable, *temp):
            if path not in opened:
                opened[path] = _open_real(path)
        pins = [path for path in confinement.pinned if not _below(path, confinement.protected)]
        for path in (*pins, *confinement.protected):
            if path not in opened and _below(path, confinement.writable):
                try:
                    opened[path] = _open_real(path)
                except OSError as error:
                    raise MovedError(f"{path}: {error}") from error
    except (OSError, MovedError):
        close_all(opened.values())
        raise
    return opened


def close_all(descriptors: Iterable[int]) -> None:
    """Close descriptors."""
    for descriptor in descriptors:
        os.close(descriptor)


def _open_real(path: str) -> int:
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    link = stat.S_ISLNK(os.fstat(descriptor).st_mode)
    if link or os.readlink(f"/proc/self/fd/{descriptor}") != path:
        os.close(descriptor)
        raise OSError(f"{path} is a symbolic link, or leads over one; a real path is needed")
    return descriptor


def options(
    confinement: Confinement,
    opened: Opened,
    *,
    cwd: str,
    env: Mapping[str, str],
    seen: Sequence[str] = (),
    shared_network: bool = False,
    uid: int,
) -> list[str]:
    """Return bubblewrap's options for a confinement.

    Args:
        opened: From `open_mounted`; inherited by bubblewrap.
        cwd: Where the command starts.
        env: All that it gets; bubblewrap itself gets none of it.
        seen: Directories that are readable even where /tmp is private.
        shared_network: Whether it is started in a network namespace made for it before.
        uid: Who runs it; 0 can write to more of /proc.

    Raises:
        MovedError: what is hidden is not where it was found.
        ValueError: there is a NUL in something, which would begin another option.
    """
    writable = confinement.writable
    told = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    told += ["--unshare-cgroup-try", "--cap-drop", "ALL", "--die-with-parent", "--new-session"]
    if confinement.network is not Network.ON and not shared_network:
        told.append("--unshare-net")
    told += ["--ro-bind", "/", "/", "--dev", "/dev"]
    size = str(confinement.limits.temp_bytes)
    told += ["--perms", "1777", "--size", size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    told += ["--proc", "/proc"]
    if uid == 0:
        for name in _WRITABLE_PROC:
            told += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    told += _private(confinement, opened, size)
    for path in seen:
        if _below(path, PRIVATE) and not _below(path, writable):
            told += ["--ro-bind-try", path, path]
    for path, descriptor in opened.items():
        if path in confinement.protected:
            told += ["--ro-bind-fd", str(descriptor), path]
        elif path in writable or path in confinement.pinned:
            told += ["--bind-fd", str(descriptor), path]
    told += _hiding(confinement, (*writable, *seen))
    told += ["--chdir", cwd, "--clearenv"]
    for name, value in env.items():
        told += ["--setenv", name, value]
    if any("\0" in word for word in told):
        raise ValueError("embedded null byte")
    return told


def open_parents_of_hidden(confinement: Confinement) -> Opened:
    """Open the directories that hold what is to be hidden, where commands can move them.

    Open they also keep their numbers (`other_parents`), which would be given again.

    Raises:
        MovedError: one is not there, or a link is on the way to it.
    """
    opened: Opened = {}
    for path in confinement.hidden:
        parent = os.path.dirname(path)
        if parent in opened or _below(parent, confinement.hidden):
            continue
        if _below(path, confinement.writable):
            try:
                opened[parent] = _open_real(parent)
            except OSError as error:
                close_all(opened.values())
                raise MovedError(f"{parent}: {error}") from error
    return opened


def other_parents(parents: Opened, pid: int) -> set[str]:
    """Return which of these directories are others in a process's view.

    Then the mount that hides something is on what bubblewrap made itself in its place: a
    job had it moved, and may put it back.
    """
    others = set()
    for path, descriptor in parents.items():
        try:
            there = os.lstat(f"/proc/{pid}/root{path}")
        except OSError:
            others.add(path)
            continue
        if not os.path.samestat(there, os.fstat(descriptor)):
            others.add(path)
    return others


def mount_points(told: Sequence[str]) -> set[str]:
    """Return where these options have something mounted, come what may."""
    points = set()
    for number, word in enumerate(told):
        if word in ("--bind-fd", "--ro-bind-fd", "--ro-bind"):
            points.add(told[number + 2])
        elif word == "--tmpfs":
            points.add(told[number + 1])
        elif word == "--chdir":
            break
    return points


def not_mounted(points: Iterable[str], pid: int) -> set[str]:
    """Return where, of these places, a process sees nothing mounted.

    Raises:
        OSError: there is no such process.
    """
    with open(f"/proc/{pid}/mountinfo", "rb") as file:
        found = {line.split(b" ", 5)[4] for line in file}
    return {point for point in points if _escaped(point) not in found}


def _escaped(path: str) -> bytes:
    """Return a path as the kernel writes it into its lists of mounts."""
    return _SPECIAL.sub(lambda found: b"\\%03o" % found[0][0], os.fsencode(path))


def own_temp(confinement: Confinement) -> bool:
    """Whether /tmp is memory of this command alone, sized, instead of the session's directory."""
    return not confinement.temp or confinement.limits.temp_bytes != Limits().temp_bytes


def _private(confinement: Confinement, opened: Opened, size: str) -> list[str]:
    told = []
    for path in PRIVATE:
        if not os.path.isdir(path) or os.path.islink(path):
            continue
        if path == PRIVATE[0] and not own_temp(confinement):
            told += ["--bind-fd", str(opened[confinement.temp]), path]
        else:
            bytes_ = str(_RUN_BYTES) if path == "/run" else size
            mode = "755" if path == "/run" else "1777"
            told += ["--perms", mode, "--size", bytes_, "--tmpfs", path]
    return told


def _hiding(confinement: Confinement, shown_again: Sequence[str]) -> list[str]:
    """Options for what is hidden; last of all, since a mount above would show it again."""
    told: list[str] = []
    hidden: set[str] = set()
    for path in sorted(confinement.hidden):
        if _below(path, hidden):
            continue
        there = os.path.lexists(path) and os.path.realpath(path) == path
        if not there and _below(path, confinement.writable):
            raise MovedError(f"{path} is not there any more")
        if _below(path, (*PRIVATE, "/proc", "/dev")) and not _below(path, shown_again):
            continue
        if there and os.path.isdir(path):
            told += ["--tmpfs", path, "--remount-ro", path]
        elif there:
            told += ["--ro-bind", str(_EMPTY) if _EMPTY.is_file() else os.devnull, path]
        hidden.add(path)
    return told


def _below(path: str, places: Collection[str]) -> bool:
    """Whether a path is one of these places or lies in one."""
    while path not in places:
        path, _, name = path.rpartition("/")
        if not name:
            return False
    return True


def script(limits: Limits, *, stderr: int | None, unneeded: Sequence[int], uid: int) -> str:
    """Return what the shell inside runs, with the command as its arguments.

    Args:
        limits: What the command may use up.
        stderr: The descriptor that becomes the command's stderr; None for its stdout.
        unneeded: Descriptors that the command must not get.
        uid: Who runs it; a number of processes does not hold for 0.
    """
    to = "2>&1" if stderr is None else f"2>&{stderr} {stderr}>&-"
    processes = f"ulimit -u {_possible(resource.RLIMIT_NPROC, limits.processes)}" if uid else ":"
    return _SCRIPT % {
        "file_blocks": _possible(resource.RLIMIT_FSIZE, limits.file_bytes) // 1024,
        "open_files": _possible(resource.RLIMIT_NOFILE, limits.open_files),
        "processes": processes,
        "unneeded": " ".join(f"{number}>&-" for number in unneeded) or ":",
        "stderr": to,
    }


def _possible(which: int, wanted: int) -> int:
    hard = resource.getrlimit(which)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
