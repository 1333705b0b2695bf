"""The system call filter: a program for the kernel, built as bytes.

Numbers and layout are those of `linux/seccomp.h`, `linux/filter.h`, `linux/audit.h` and
of each machine's system call table; a machine without a table here gets no filter, and
so counts as one without a sandbox.
"""

from __future__ import annotations

import os
import struct
from typing import Literal

Sockets = Literal["own-network", "host-network", "internet", "none"]
"""Which may be made: in a network of one's own, in the host's, in the host's without those of
the file system, or none but pairs."""

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL = 0x80000000
_EPERM, _EACCES, _ENOSYS = 1, 13, 38

_LOAD, _JEQ, _JGE, _JSET, _AND, _RET = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NR, _ARCH = 0, 4

_ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000

# Name: number on x86-64, on arm64; None where the machine has no such call.
_CALLS: dict[str, tuple[int | None, int | None]] = {
    "ioctl": (16, 29),
    "clone": (56, 220),
    "clone3": (435, 435),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "open": (2, None),
    "openat": (257, 56),
    "openat2": (437, 437),
    "creat": (85, None),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "uselib": (134, None),
}

_FORBIDDEN = (
    "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd",
    "io_uring_setup", "io_uring_enter", "io_uring_register",
    "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount",
    "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "open_tree_attr",
    "bpf", "perf_event_open", "userfaultfd", "add_key", "request_key", "keyctl",
    "open_by_handle_at", "name_to_handle_at", "fanotify_init",
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "reboot", "swapon", "swapoff", "acct", "settimeofday", "clock_settime",
    "sethostname", "setdomainname", "iopl", "ioperm", "modify_ldt", "quotactl", "quotactl_fd",
    "syslog", "vhangup", "lookup_dcookie", "nfsservctl", "uselib",
)  # fmt: skip
"""Refused with EPERM whatever their arguments are."""

_TERMINAL_INPUT = (0x5412, 0x541C, 0x5423)  # TIOCSTI, TIOCLINUX, TIOCSETD
_NEW_NAMESPACE = 0x7E020080
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_STREAM, _DATAGRAM, _TYPE = 1, 2, 0xF
_SET_ID = 0o6000
_MAKES = 0o100 | 0o20000000  # O_CREAT, O_TMPFILE (without O_DIRECTORY, which others have too)
_DEVICES = (0o060000, 0o020000)  # S_IFBLK, S_IFCHR
_FORMAT = 0o170000

_Step = tuple[int, int, int, int]


class Unsupported(Exception):
    """There is no table of system calls for this machine."""


def program(*, sockets: Sockets, debugger: bool = False, machine: str | None = None) -> bytes:
    """Return the filter: an array of `struct sock_filter`.

    `debugger` lets ptrace through, which is of use only where other processes are out of
    sight.

    Raises:
        Unsupported: the machine's calls are not known here.
    """
    machine = machine or os.uname().machine
    if machine not in _ARCHES:
        raise Unsupported(machine)
    column = list(_ARCHES).index(machine)
    steps: list[_Step] = [
        (_LOAD, 0, 0, _ARCH),
        (_JEQ, 1, 0, _ARCHES[machine]),  # else the numbers below would mean other calls
        (_RET, 0, 0, _KILL),
        (_LOAD, 0, 0, _NR),
    ]
    if machine == "x86_64":
        steps += [(_JGE, 0, 1, _X32), (_RET, 0, 0, _ERRNO | _ENOSYS)]
    for name, body in _checks(sockets):
        number = _CALLS[name][column]
        if number is not None:
            steps += [(_JEQ, 0, len(body), number), *body]
    forbidden = _FORBIDDEN if debugger else (*_FORBIDDEN, "ptrace")
    for name in forbidden:
        number = _CALLS[name][column]
        if number is not None:
            steps += [(_JEQ, 0, 1, number), (_RET, 0, 0, _ERRNO | _EPERM)]
    steps.append((_RET, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _checks(sockets: Sockets) -> list[tuple[str, list[_Step]]]:
    """Return the calls that depend on their arguments, each with what decides; each body ends."""
    no = (_RET, 0, 0, _ERRNO | _EPERM)
    yes = (_RET, 0, 0, _ALLOW)
    checks: list[tuple[str, list[_Step]]] = [
        ("ioctl", _refused(1, _TERMINAL_INPUT)),
        ("clone", [(_LOAD, 0, 0, _argument(0)), (_JSET, 0, 1, _NEW_NAMESPACE), no, yes]),
        # Its flags are behind a pointer; C libraries then take `clone`.
        ("clone3", [(_RET, 0, 0, _ERRNO | _ENOSYS)]),
        ("socketpair", _allowed(0, (_UNIX,))),
    ]
    match sockets:
        case "none":
            checks.append(("socket", [(_RET, 0, 0, _ERRNO | _EACCES)]))
        case "own-network":
            checks.append(("socket", _allowed(0, (_UNIX, _INET, _INET6, _NETLINK))))
        case "host-network":
            checks.append(("socket", _plain_sockets((_UNIX, _NETLINK))))
        case "internet":
            checks.append(("socket", _plain_sockets((_NETLINK,))))
    for name, index in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("fchmodat2", 2)):
        checks.append((name, [(_LOAD, 0, 0, _argument(index)), (_JSET, 0, 1, _SET_ID), no, yes]))
    # What is made new has a mode too; without these flags there is no such argument.
    for name, flags, index in (("open", 1, 2), ("openat", 2, 3)):
        body = [(_LOAD, 0, 0, _argument(flags)), (_JSET, 1, 0, _MAKES), yes]
        body += [(_LOAD, 0, 0, _argument(index)), (_JSET, 0, 1, _SET_ID), no, yes]
        checks.append((name, body))
    checks.append(("creat", [(_LOAD, 0, 0, _argument(1)), (_JSET, 0, 1, _SET_ID), no, yes]))
    # Its arguments are behind a pointer; C libraries do without.
    checks.append(("openat2", [(_RET, 0, 0, _ERRNO | _ENOSYS)]))
    for name, index in (("mknod", 1), ("mknodat", 2)):
        body = [(_LOAD, 0, 0, _argument(index)), (_JSET, 0, 1, _SET_ID), no]
        body += [(_AND, 0, 0, _FORMAT)]
        for kind in _DEVICES:
            body += [(_JEQ, 0, 1, kind), no]
        checks.append((name, [*body, yes]))
    return checks


def _argument(index: int) -> int:
    """Return where an argument's low word is: the kernel takes an `int`, and so is it compared."""
    return 16 + 8 * index


def _refused(index: int, values: tuple[int, ...]) -> list[_Step]:
    body: list[_Step] = [(_LOAD, 0, 0, _argument(index))]
    for value in values:
        body += [(_JEQ, 0, 1, value), (_RET, 0, 0, _ERRNO | _EPERM)]
    return [*body, (_RET, 0, 0, _ALLOW)]


def _allowed(index: int, values: tuple[int, ...]) -> list[_Step]:
    body: list[_Step] = [(_LOAD, 0, 0, _argument(index))]
    for value in values:
        body += [(_JEQ, 0, 1, value), (_RET, 0, 0, _ALLOW)]
    return [*body, (_RET, 0, 0, _ERRNO | _EACCES)]


def _plain_sockets(families: tuple[int, ...]) -> list[_Step]:
    """Return what refuses raw sockets of the internet, which see the packets of others."""
    refused = (_RET, 0, 0, _ERRNO | _EACCES)
    allowed = (_RET, 0, 0, _ALLOW)
    body: list[_Step] = [(_LOAD, 0, 0, _argument(0))]
    for family in families:
        body += [(_JEQ, 0, 1, family), allowed]
    body += [(_JEQ, 2, 0, _INET), (_JEQ, 1, 0, _INET6), refused]
    body += [(_LOAD, 0, 0, _argument(1)), (_AND, 0, 0, _TYPE)]
    for kind in (_STREAM, _DATAGRAM):
        body += [(_JEQ, 0, 1, kind), allowed]
    return [*body, refused]
