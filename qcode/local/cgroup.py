"""What a container or a service's slice leaves of the machine: memory and processor time.

Both generations of Linux's control groups are read; a limit anywhere above a process holds for
it, so that each group up to the top counts. Formats: the kernel's admin-guide/cgroup-v2.rst and
admin-guide/cgroup-v1/memory.rst.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
_UNLIMITED = 1 << 60
"""Version 1 writes a number near 2**63 where there is no limit."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A limit and how much of it is left, in bytes."""

    limit: int
    free: int


def memory(root: Path = ROOT) -> Memory | None:
    """Return the tightest limit on this process's memory; None: there is none."""
    found = [one for folder in _folders("memory", root) if (one := _memory(folder))]
    return min(found, key=lambda one: one.free) if found else None


def cores(root: Path = ROOT) -> int | None:
    """Return how many cores' worth of time this process may use, rounded up; None: no limit."""
    found = [one for folder in _folders("cpu", root) if (one := _cores(folder))]
    return min(found, default=None)


def _folders(controller: str, root: Path) -> Iterator[Path]:
    """Yield the folders of the groups that this process is in, up to the top of each tree."""
    mounted = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    # Inside of a container the path is often that of the host; its own group is then the top.
    yield mounted
    yield mounted / controller
    for line in lines:
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number == "0" and not names:
            top = mounted
        elif controller in names.split(","):
            top = mounted / controller
        else:
            continue
        inner = top / path.strip().lstrip("/")
        while inner != top and top in inner.parents:
            yield inner
            inner = inner.parent


def _memory(folder: Path) -> Memory | None:
    for limit_name, used_name in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        limit = _number(folder / limit_name)
        if limit is not None and limit < _UNLIMITED:
            used = _number(folder / used_name) or 0
            # What is kept of files goes when the memory is needed.
            return Memory(limit, max(0, limit - used + _stat(folder, "inactive_file")))
    return None


def _stat(folder: Path, name: str) -> int:
    try:
        lines = (folder / "memory.stat").read_text(errors="replace").splitlines()
    except OSError:
        return 0
    for line in lines:
        key, _, value = line.partition(" ")
        if key in (name, f"total_{name}") and value.strip().isdecimal():
            return int(value)
    return 0


def _cores(folder: Path) -> int | None:
    try:
        limit, period = (folder / "cpu.max").read_text().split()
        return math.ceil(int(limit) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        pass  # `max`, or version 1
    quota, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return math.ceil(quota / period_us) if quota and period_us else None


def _number(file: Path) -> int | None:
    """Read one number that is not negative; None for anything else, such as `max` or -1."""
    try:
        text = file.read_text(errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
