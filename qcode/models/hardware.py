"""What this machine has to run a model with."""

from __future__ import annotations

import os
from pathlib import Path

from qcode.local import cgroup
from qcode.local.cpu import this_cpu, threads
from qcode.local.devices import Gpu, gpus, output
from qcode.record import Record


class Hardware(Record):
    """Memory, cores and graphics processors, as far as this process may use them."""

    platform: str
    """`system-machine` in lower case, such as `linux-x86_64`."""
    ram_bytes: int
    """All of it; less where a container or a service may have less."""
    free_bytes: int | None
    """Of that, what could be used now; None: it is not told."""
    cores: int
    """That compute best; see `qcode.local.cpu.threads`."""
    flags: frozenset[str] | None = None
    """Instruction sets as /proc/cpuinfo spells them; None where there is no such list."""
    gpus: tuple[Gpu, ...] = ()

    @property
    def vram_bytes(self) -> int:
        """Of all its graphics processors together."""
        return sum(gpu.vram_bytes for gpu in self.gpus)

    @property
    def is_unified(self) -> bool:
        """Whether processor and graphics processor share one memory."""
        return bool(self.gpus) and all(gpu.is_unified for gpu in self.gpus)


def this_machine(root: Path = cgroup.ROOT) -> Hardware:
    """Look at the machine qcode runs on. Takes up to some seconds where a driver is slow.

    Never raises. `root` is the top of the files that are read.
    """
    cpu = this_cpu()
    total, free = _memory(cpu.platform, root)
    if limit := cgroup.memory(root):
        total = min(total or limit.limit, limit.limit)
        free = min(limit.free if free is None else free, limit.free)
    found = gpus(cpu.platform, total, root)
    return Hardware(cpu.platform, total, free, threads(), cpu.flags, found)


def _memory(platform: str, root: Path) -> tuple[int, int | None]:
    """Return all memory and what is available of it (/proc/meminfo, in KiB)."""
    facts = {}
    try:
        for line in (root / "proc/meminfo").read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            number = value.split()[:1]
            if number and number[0].isdecimal():
                facts[key] = int(number[0]) * 1024
    except OSError:
        pass
    if "MemTotal" in facts:
        return facts["MemTotal"], facts.get("MemAvailable", facts.get("MemFree"))
    if platform.startswith("darwin"):
        said = output(["sysctl", "-n", "hw.memsize"]).strip()
        if said.isdecimal():
            return int(said), None
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    except (OSError, ValueError):
        return 0, None
