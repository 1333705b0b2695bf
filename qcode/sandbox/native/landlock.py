"""Landlock: rules on files that a process puts on itself; see `linux/landlock.h`.

What is granted is granted for all that is below. There are no exceptions, so what is
to be kept secret is left out by granting what is beside it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterable

from qcode.sandbox.native.kernel import call

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
_MAKES_AND_REMOVES = 0x1FF0
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

READS = EXECUTE | READ_FILE | READ_DIR
WRITES = WRITE_FILE | _MAKES_AND_REMOVES | _REFER | _TRUNCATE
DEVICE = READ_FILE | WRITE_FILE | _TRUNCATE | _IOCTL_DEV
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEV

_BITS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}
_BITS_NOW = 0xFFFF  # from version 5 on; later bits are not used here
_SCOPES = 3  # abstract sockets and signals stay inside, from version 6 on


def version() -> int:
    """Return the version of the interface, 0 where there is none."""
    try:
        return call("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


class Rules:
    """A set of rules being made."""

    def __init__(self, handled: int) -> None:
        """Begin it; what of `handled` is not granted afterwards will be refused.

        Raises:
            OSError: the kernel has none of it.
        """
        level = version()
        if level == 0:
            raise OSError(errno.ENOSYS, "the kernel has no Landlock")
        self._handled = handled & _BITS.get(level, _BITS_NOW)
        scopes = _SCOPES if level >= 6 else 0
        try:
            self.descriptor = self._create(scopes)
        except OSError as error:
            if error.errno != errno.EINVAL or not scopes:
                raise
            self.descriptor = self._create(0)  # a version that was ported back in part

    def _create(self, scopes: int) -> int:
        wanted = struct.pack("=QQQ", self._handled, 0, scopes) if scopes else b""
        wanted = wanted or struct.pack("=Q", self._handled)
        buffer = ctypes.create_string_buffer(wanted, len(wanted))
        return call("landlock_create_ruleset", buffer, len(wanted), 0)

    def grant(self, path: str | bytes, rights: int) -> None:
        """Allow something at and below a path; what does not exist needs no rule."""
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            rights &= self._handled
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _OF_FILES
            if rights:
                rule = struct.pack("=Qi", rights, descriptor)
                buffer = ctypes.create_string_buffer(rule, len(rule))
                call("landlock_add_rule", self.descriptor, 1, buffer, 0)
        finally:
            os.close(descriptor)


def restrict(descriptor: int) -> None:
    """Put rules on this process and what it starts; it has to have no new privileges."""
    call("landlock_restrict_self", descriptor, 0)


def grant_reads(rules: Rules, hidden: Iterable[str], skipped: Iterable[str]) -> dict[str, int]:
    """Grant reading of everything but what is hidden or skipped.

    Directories on the way to something hidden are gone through entry by entry; their own
    names can be listed. Returns those with their times of change: when one is another, the
    rules are old.
    """
    left_out = {os.path.normpath(path) for path in (*hidden, *skipped)}
    on_the_way = {os.path.normpath(parent) for path in left_out for parent in _parents(path)}
    seen: dict[str, int] = {}

    def walk(directory: str) -> None:
        try:
            seen[directory] = os.stat(directory).st_mtime_ns
            entries = list(os.scandir(directory))
        except OSError:
            return
        rules.grant(directory, READ_DIR)
        for entry in entries:
            path = os.path.normpath(entry.path)
            if path in left_out or entry.is_symlink():
                continue
            if path in on_the_way:
                walk(path)
            else:
                rules.grant(path, READS)

    if left_out:
        walk("/")
    else:
        rules.grant("/", READS)
    return seen


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) or "/" for count in range(1, len(parts))]
