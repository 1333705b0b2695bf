"""System calls that Python does not have, through ctypes; numbers of x86-64 and arm64.

Sources: the kernel's `unistd.h`, `mount.h`, `sched.h`, `prctl.h` and `capability.h`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long

_MACHINES = ("x86_64", "aarch64")
_NUMBERS = {
    "clone": (56, 220),
    "setns": (308, 268),
    "unshare": (272, 97),
    "capset": (126, 91),
    "seccomp": (317, 277),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "mount_setattr": (442, 442),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
}

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18

ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE = 1 | os.O_CLOEXEC  # OPEN_TREE_CLONE
_MOVE_EMPTY_SOURCE = 4

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP = 1, 4, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 36, 38, 47
_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION = 0x20080522
_LAST_CAPABILITY = 63


def call(name: str, *arguments: object) -> int:
    """Make a system call.

    Raises:
        OSError: it failed.
    """
    number = _NUMBERS[name][_MACHINES.index(platform.machine())]
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result: int = _syscall(ctypes.c_long(number), *given)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def _check(result: int, what: str, path: bytes | None = None) -> None:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}", path)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones."""
    call("unshare", flags)


def setns(descriptor: int, kind: int) -> None:
    """Enter a namespace."""
    call("setns", descriptor, kind)


def clone(flags: int) -> int:
    """Fork with new namespaces; returns twice, as `os.fork` does."""
    import signal

    return call("clone", flags | signal.SIGCHLD, 0, 0, 0, 0)


def mount(
    source: bytes | None, target: bytes, kind: bytes | None, flags: int, data: bytes | None = None
) -> None:
    """Mount something."""
    result = _libc.mount(source, target, kind, ctypes.c_ulong(flags), data)
    _check(result, "mount", target)


def tree_of(descriptor: int) -> int:
    """Return a copy, attached nowhere yet, of the mounts at and below what is open."""
    return call("open_tree", descriptor, b"", _OPEN_TREE | _AT_EMPTY_PATH | _AT_RECURSIVE)


def attach(tree: int, target: bytes) -> None:
    """Put a copy of mounts somewhere."""
    call("move_mount", tree, b"", _AT_FDCWD, target, _MOVE_EMPTY_SOURCE)


def set_attributes(
    path: bytes, *, of: int = _AT_FDCWD, on: int = 0, off: int = 0, deep: bool = True
) -> None:
    """Change a mount's attributes, and with `deep` those below; `path` may be empty."""
    wanted = ctypes.create_string_buffer(struct.pack("=QQQQ", on, off, 0, 0))
    flags = (_AT_RECURSIVE if deep else 0) | (0 if path else _AT_EMPTY_PATH)
    call("mount_setattr", of, path, flags, wanted, 32)


def prctl(option: int, argument: int = 0, second: int = 0) -> None:
    """Change something of this process."""
    result = _libc.prctl(
        option, ctypes.c_ulong(argument), ctypes.c_ulong(second), ctypes.c_ulong(0),
        ctypes.c_ulong(0),
    )  # fmt: skip
    _check(result, f"prctl {option}")


def die_with_parent(number: int) -> None:
    """Get that signal when the parent ends."""
    prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent ended."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """Let no other process of the user look into this one."""
    prctl(_PR_SET_DUMPABLE, 0)


def no_new_privileges() -> None:
    """Have set-user-id programs run as what they are started by."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Give up every capability for good."""
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            prctl(_PR_CAPBSET_DROP, capability)
        except OSError:
            break  # the kernel has no more of them, or this process none to drop
    try:
        prctl(_PR_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)
    except OSError:
        pass  # there are none without capabilities
    header = ctypes.create_string_buffer(struct.pack("=II", _CAPABILITY_VERSION, 0))
    call("capset", header, ctypes.create_string_buffer(24))


def filter_calls(program: bytes) -> None:
    """Put a system call filter (`seccomp.program`) on this process and what it starts."""
    array = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(
        struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(array))
    )
    call("seccomp", 1, 0, header)
