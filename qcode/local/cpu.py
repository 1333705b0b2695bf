"""What this machine's processor can do, and how much of it there is."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from qcode.local import cgroup


@dataclass(frozen=True, slots=True)
class Cpu:
    """What decides which prebuilt program runs."""

    platform: str
    """`system-machine` in lower case, such as `linux-x86_64`."""
    flags: frozenset[str] | None
    """Instruction sets as /proc/cpuinfo spells them; None where there is no such list."""


def this_cpu() -> Cpu:
    """Look at the machine qcode runs on."""
    name = f"{platform.system()}-{platform.machine()}".lower().replace("amd64", "x86_64")
    for line in _cpuinfo().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            return Cpu(name, frozenset(value.split()))
    return Cpu(name, None)


def threads() -> int:
    """How many threads compute best: one for each core that may be used, at least one.

    Two threads on one core's two halves share its arithmetic units and only wait for each
    other; a container's quota of time counts as that many cores.
    """
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1
    cores = _cores(_cpuinfo(), allowed) or len(allowed)
    return max(1, min(cores, cgroup.cores() or cores))


def _cores(cpuinfo: str, allowed: set[int]) -> int:
    """Count distinct (socket, core) pairs among the allowed processors; 0 if it is not told."""
    found = set()
    for block in cpuinfo.split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        facts = {key.strip(): value.strip() for key, _, value in pairs}
        number = facts.get("processor", "")
        if number.isdigit() and int(number) in allowed and "core id" in facts:
            found.add((facts.get("physical id"), facts["core id"]))
    return len(found)


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return ""
