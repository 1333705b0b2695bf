"""The graphics processors of this machine and their memory, as the system's own tools say.

Nothing here raises or takes longer than a few seconds: what cannot be found out is not there.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from qcode.local.cgroup import ROOT
from qcode.record import Record

_TIMEOUT_S = 5.0
"""A driver that hangs must not keep qcode; `nvidia-smi` takes up to 2 s to wake a card."""
_LEAST_BYTES = 2 << 30
"""Less holds no model: what a processor's own graphics set aside of the memory."""
_MIB = 1 << 20
_SMALL_MAC_BYTES = 36 << 30


class Gpu(Record):
    """One of them."""

    kind: str
    """`nvidia`, `amd` or `apple`."""
    name: str
    vram_bytes: int
    """What programs may use of it, all of it."""
    free_bytes: int | None = None
    """Of that, now; None: it is not told."""
    is_unified: bool = False
    """Whether that is a part of the machine's memory."""


def gpus(platform: str, ram_bytes: int, root: Path = ROOT) -> tuple[Gpu, ...]:
    """Return those that are worth computing with; `platform` is `system-machine`."""
    if platform == "darwin-arm64":
        return _apple(ram_bytes)
    found = [*_nvidia(ram_bytes), *_amd(root)]
    return tuple(gpu for gpu in found if gpu.vram_bytes >= _LEAST_BYTES)


def output(command: list[str]) -> str:
    """Return what a short command prints; empty when it is not there, fails or takes too long."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError):
        return ""
    try:
        text, _ = process.communicate(timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        _abandon(process)
        return ""
    return text.decode(errors="replace") if process.returncode == 0 else ""


def _abandon(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it started, without waiting for what hangs in the kernel."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    if process.stdout:
        process.stdout.close()
    try:
        process.wait(1.0)
    except subprocess.TimeoutExpired:
        process.returncode = -signal.SIGKILL  # Popen must not complain that it still runs


def _nvidia(ram_bytes: int) -> list[Gpu]:
    query = "--query-gpu=name,memory.total,memory.free"
    found = []
    for line in output(["nvidia-smi", query, "--format=csv,noheader,nounits"]).splitlines():
        name, _, sizes = line.partition(",")
        total, _, free = (part.strip() for part in sizes.partition(","))
        if total.isdecimal():
            left = int(free) * _MIB if free.isdecimal() else None
            found.append(Gpu("nvidia", name.strip(), int(total) * _MIB, left))
        elif total.startswith("["):
            # `[N/A]` or `[Not Supported]`: boards such as GB10 share the machine's memory.
            found.append(Gpu("nvidia", name.strip(), ram_bytes * 9 // 10, None, is_unified=True))
    return found


def _amd(root: Path) -> list[Gpu]:
    """Read amdgpu's files, in bytes (the kernel's gpu/amdgpu/driver-misc.rst)."""
    found = []
    try:
        cards = sorted((root / "sys/class/drm").glob("card[0-9]*/device/mem_info_vram_total"))
    except OSError:
        return []
    for file in cards:
        total, used = _text(file), _text(file.with_name("mem_info_vram_used"))
        if total.isdecimal():
            free = int(total) - int(used) if used.isdecimal() else None
            name = _text(file.with_name("product_name")) or "AMD GPU"
            found.append(Gpu("amd", name, int(total), free))
    return found


def _apple(ram_bytes: int) -> tuple[Gpu, ...]:
    """The GPU may use two thirds of a small Mac's memory and three quarters of a larger one's,
    unless `iogpu.wired_limit_mb` says otherwise. That is Metal's recommendedMaxWorkingSetSize,
    as logs tell it: 21.8 of 32 GB (ggml-org/llama.cpp#2011), 49 of 64 GB (#1870)."""
    name = output(["sysctl", "-n", "machdep.cpu.brand_string"]).strip() or "Apple"
    limit = output(["sysctl", "-n", "iogpu.wired_limit_mb"]).strip()
    usable = ram_bytes * 2 // 3 if ram_bytes <= _SMALL_MAC_BYTES else ram_bytes * 3 // 4
    if limit.isdecimal() and int(limit):
        usable = int(limit) * _MIB
    return (Gpu("apple", name, usable, None, is_unified=True),) if usable else ()


def power_watts() -> float | None:
    """Return what NVIDIA's cards draw now, all together; None: none says so."""
    query = ["nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
    numbers = re.findall(r"^\s*(\d+(?:\.\d+)?)\s*$", output(query), re.MULTILINE)
    return sum(map(float, numbers)) if numbers else None


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
