"""What a process puts on itself before it runs a command."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from typing import Any

from qcode.sandbox.native import kernel, landlock

_SHARED_MEMORY = "/dev/shm"
_OOM_SCORE = "800"


def write_rules(confinement: dict[str, Any]) -> int:
    """Return Landlock rules for writing alone, where mounts deal with reading; -1 without any."""
    if not landlock.version():
        return -1
    rules = landlock.Rules(landlock.WRITES)
    for path in (*confinement["writable"], *("/tmp", "/var/tmp", "/run", "/dev")):
        rules.grant(path, landlock.WRITES)
    return rules.descriptor


def all_rules(confinement: dict[str, Any]) -> tuple[int, dict[str, int]]:
    """Return Landlock rules for reading and writing, and the times that they depend on.

    Temporary directories are everybody's, so the session has one of its own; shared memory
    can be made nowhere but in a place that is the machine's.
    """
    rules = landlock.Rules(landlock.READS | landlock.WRITES | landlock.DEVICE)
    shared = ("/tmp", "/var/tmp", "/run", "/dev")
    seen = landlock.grant_reads(rules, confinement["hidden"], shared)
    for path in confinement["seen"]:
        rules.grant(path, landlock.READS)
    everything = landlock.READS | landlock.WRITES
    for path in (*confinement["writable"], confinement["temp"], _SHARED_MEMORY):
        if path:
            rules.grant(path, everything)
    for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "fd"):
        rules.grant(f"/dev/{name}", landlock.DEVICE | landlock.READ_DIR)
    return rules.descriptor, seen


def set_limits(limits: dict[str, Any], *, is_root: bool) -> None:
    """Limit what the process may use up, as far as the kernel counts it."""
    pairs = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
    ]
    if not is_root and limits["own_count"]:
        # Counted in the user namespace; for uid 0 it has no effect.
        pairs.append((resource.RLIMIT_NPROC, limits["processes"]))
    for kind, wanted in pairs:
        _soft, hard = resource.getrlimit(kind)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (most, most))
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(_OOM_SCORE)
    except OSError:
        pass  # it is better to be without than not to run


def restrict(rules: int, program: bytes) -> None:
    """Give up rights for good: capabilities, new ones, files, system calls; in that order."""
    kernel.drop_capabilities()
    kernel.no_new_privileges()
    if rules >= 0:
        landlock.restrict(rules)
    kernel.filter_calls(program)


def environment(pairs: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return an environment as it came in a request."""
    return dict(pairs)


def names(path: str) -> bytes:
    """Return a path as the system takes it."""
    return os.fsencode(path)
