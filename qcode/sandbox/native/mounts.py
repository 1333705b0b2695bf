"""What a confined process sees of the file system, built from mounts.

The base is made once, in namespaces of the server's own: everything read-only, private
temporary directories, a few devices. A template adds what one confinement says, and each
command gets a copy of its template with a /proc of its own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from qcode.sandbox.native import kernel

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
          ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx"))  # fmt: skip
PRIVATE = ("/tmp", "/var/tmp", "/run")
"""Directories that each session has for itself."""
_INODES = 200_000
_SMALL = b"size=16m,nr_inodes=4096,mode=0755"

PROC_READ_ONLY = ("sys", "sysrq-trigger", "irq", "bus", "fs")
PROC_MASKED = ("kcore", "keys", "timer_list", "kmsg")


def make_base(temp_bytes: int) -> dict[str, int]:
    """Cover this mount namespace; return what is covered, open, by its path.

    Raises:
        OSError: the kernel or whoever watches it does not allow that.
    """
    kernel.mount(None, b"/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    covered = {
        path: os.open(path, os.O_PATH | os.O_CLOEXEC)
        for path in PRIVATE
        if os.path.isdir(path) and not os.path.islink(path)
    }
    devices = {}
    for name in _DEVICES:
        try:
            devices[name] = os.open(f"/dev/{name}", os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
    trees = {name: kernel.tree_of(descriptor) for name, descriptor in devices.items()}
    kernel.set_attributes(b"/", on=kernel.ATTR_RDONLY | kernel.ATTR_NOSUID)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    sized = f"size={temp_bytes},nr_inodes={_INODES},mode=1777".encode()
    for path in covered:
        data = _SMALL if path == "/run" else sized
        kernel.mount(b"tmpfs", path.encode(), b"tmpfs", flags, data)
    _make_devices(trees, sized)
    for descriptor in (*devices.values(), *trees.values()):
        os.close(descriptor)
    return covered


def _make_devices(trees: dict[str, int], sized: bytes) -> None:
    unrunnable = kernel.MS_NOSUID | kernel.MS_NOEXEC
    kernel.mount(b"tmpfs", b"/dev", b"tmpfs", unrunnable, _SMALL)
    for name, tree in trees.items():
        path = f"/dev/{name}"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
        kernel.attach(tree, path.encode())
        kernel.set_attributes(path.encode(), off=kernel.ATTR_RDONLY)
    for name, target in _LINKS:
        os.symlink(target, f"/dev/{name}")
    os.mkdir("/dev/pts")
    data = b"newinstance,ptmxmode=0666,mode=620"
    kernel.mount(b"devpts", b"/dev/pts", b"devpts", unrunnable, data)
    os.mkdir("/dev/shm")
    os.mkdir("/dev/mqueue")
    kernel.mount(b"tmpfs", b"/dev/shm", b"tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, sized)


def make_template(
    covered: dict[str, int],
    *,
    seen: Sequence[str],
    writable: Sequence[str],
    pinned: Sequence[str],
    protected: Sequence[str],
    hidden: Sequence[str],
) -> None:
    """Leave the base for a namespace with what one confinement says.

    `seen` are to be readable although they may lie in what is covered.

    Raises:
        OSError: something cannot be mounted; then nothing may be run there.
    """
    below = tuple(f"{top}/" for top in covered)
    shown = [(path, _tree(path, covered)) for path in seen if path.startswith(below)]
    trees = [(path, _tree(path, covered)) for path in writable]
    kernel.unshare(kernel.CLONE_NEWNS)
    for path, tree in shown:
        _make_place(path, tree, covered)
        kernel.attach(tree, os.fsencode(path))
        os.close(tree)
    for path, tree in trees:
        _make_place(path, tree, covered)
        kernel.attach(tree, os.fsencode(path))
        _open_up(os.fsencode(path))
        os.close(tree)
    for path in pinned:
        if os.path.isdir(path):
            _bind(path)
    for path in protected:
        if os.path.lexists(path):
            _bind(path)
            kernel.set_attributes(os.fsencode(path), on=kernel.ATTR_RDONLY)
    movable = tuple(f"{top}/" for top in writable)
    for path in hidden:
        try:
            _hide(path)
        except FileNotFoundError:
            # A socket that was just closed, say; where a job can move things, one may be back.
            if path.startswith(movable):
                raise


def _tree(path: str, covered: dict[str, int]) -> int:
    for top, descriptor in covered.items():
        if path.startswith(f"{top}/"):
            below = path[len(top) + 1 :]
            opened = os.open(below, os.O_PATH | os.O_CLOEXEC, dir_fd=descriptor)
            break
    else:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        return kernel.tree_of(opened)
    finally:
        os.close(opened)


def _make_place(path: str, tree: int, covered: dict[str, int]) -> None:
    """Make what a tree is put on, where the base has covered it."""
    if os.path.lexists(path) or not any(path.startswith(f"{top}/") for top in covered):
        return
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    if stat.S_ISDIR(os.fstat(tree).st_mode):
        os.mkdir(path, 0o755)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _open_up(path: bytes) -> None:
    on, off = kernel.ATTR_NOSUID | kernel.ATTR_NODEV, kernel.ATTR_RDONLY
    try:
        kernel.set_attributes(path, on=on, off=off)
    except PermissionError:
        # Something mounted below was read-only before: that stays.
        kernel.set_attributes(path, on=on, off=off, deep=False)


def _bind(path: str) -> None:
    name = os.fsencode(path)
    kernel.mount(name, name, None, kernel.MS_BIND | kernel.MS_REC)


def _hide(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return  # covered already, or gone
    name = os.fsencode(path)
    if stat.S_ISDIR(mode):
        flags = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount(b"tmpfs", name, b"tmpfs", flags, b"nr_inodes=1,mode=0555")
    elif not stat.S_ISLNK(mode):
        kernel.mount(b"/dev/null", name, None, kernel.MS_BIND)


def mount_proc(*, is_root: bool, processes: int) -> bool:
    """Give this namespace a /proc of its own; return whether it limits the number of processes.

    Raises:
        OSError: it cannot be had, so that other processes would be in sight.
    """
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount(b"proc", b"/proc", b"proc", flags)
    limited = True
    try:
        # From Linux 6.14 on each process namespace has its own; 301 is the least.
        with open("/proc/sys/kernel/pid_max", "w", encoding="ascii") as file:
            file.write(str(max(301, processes)))
    except OSError:
        limited = False
    for name in PROC_READ_ONLY:
        path = f"/proc/{name}"
        if os.path.exists(path):
            _bind(path)
            kernel.set_attributes(path.encode(), on=kernel.ATTR_RDONLY)
    if is_root:
        for name in PROC_MASKED:
            if os.path.exists(f"/proc/{name}"):
                kernel.mount(b"/dev/null", f"/proc/{name}".encode(), None, kernel.MS_BIND)
    return limited
