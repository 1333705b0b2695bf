"""What tokens cost in electricity where the model runs on this machine: an estimate, in joules.

The watts are measured where the machine tells them: Intel's and AMD's RAPL counters (the kernel's
power/powercap documentation; since 2020 often readable by root alone), and what NVIDIA's cards say
that they draw. Else they are assumed, and said to be.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from qcode.local.cgroup import ROOT
from qcode.local.devices import power_watts
from qcode.models.hardware import Hardware
from qcode.record import Record

_MEASURED_S = 0.25
"""Counters move about once a millisecond."""
_CORE_W, _REST_W, _MOST_CPU_W = 7.0, 15.0, 250.0
"""Of a core that computes, of memory and board besides, and of a processor at most. Assumed:
desktop processors are sold for 65 to 170 W with 6 to 16 cores."""
_CARD_W = 250.0
"""Of a graphics card that writes tokens. Assumed: they are sold for 170 to 450 W, and memory is
what limits them here."""
_MAC_W = 50.0
"""Of a Mac with Apple's chips under such load. Assumed."""


class Power(Record):
    """What is drawn while the model computes."""

    watts: float
    source: str
    """`measured by …` or `assumed: …`, for people."""
    is_assumed: bool


def energy(seconds: float, watts: float) -> float:
    """Return the joules of that long at that power; pure."""
    return max(0.0, seconds) * max(0.0, watts)


def energy_of_tokens(
    read: int, written: int, read_per_s: float, written_per_s: float, watts: float
) -> float:
    """Return the joules of tokens that were read anew and written, by how fast that goes; pure.

    A speed of 0 is one that nobody knows: those tokens count for nothing.
    """
    parts = ((read, read_per_s), (written, written_per_s))
    return energy(sum(max(0, count) / rate for count, rate in parts if rate > 0), watts)


def power(hardware: Hardware, *, root: Path = ROOT, measured_s: float = _MEASURED_S) -> Power:
    """Return what this machine draws; to be asked while it computes, as at rest it draws less.

    Takes `measured_s` where there are counters. Never raises.
    """
    card = power_watts() if any(gpu.kind == "nvidia" for gpu in hardware.gpus) else None
    before = counters(root)
    if before:
        began = time.monotonic()
        time.sleep(measured_s)
        watts = drawn(before, counters(root), time.monotonic() - began, root)
        if watts is not None and (card is not None or not hardware.gpus):
            sources = "RAPL and NVIDIA's driver" if card is not None else "RAPL"
            return Power(watts + (card or 0.0), f"measured by {sources}", is_assumed=False)
    if card is not None:
        return Power(card, "measured by NVIDIA's driver, its cards alone", is_assumed=False)
    return assumed(hardware)


def assumed(hardware: Hardware) -> Power:
    """Return what such a machine draws, about; pure."""
    if hardware.gpus and hardware.gpus[0].kind == "apple":
        return Power(
            _MAC_W, f"assumed: {_MAC_W:.0f} W for {hardware.gpus[0].name}", is_assumed=True
        )
    watts = _REST_W + min(_MOST_CPU_W, _CORE_W * max(1, hardware.cores))
    if not hardware.gpus:
        cores = f"{hardware.cores} core" + ("s" if hardware.cores != 1 else "")
        return Power(watts, f"assumed: {watts:.0f} W for {cores}", is_assumed=True)
    count = len(hardware.gpus)
    watts = _CARD_W * count + _REST_W
    cards = "a graphics card" if count == 1 else f"{count} graphics cards"
    return Power(watts, f"assumed: {watts:.0f} W for {cards}", is_assumed=True)


def counters(root: Path = ROOT) -> Mapping[str, int]:
    """Return RAPL's counters of processors and memory, in microjoules, by zone."""
    found = {}
    try:
        zones = sorted((root / "sys/class/powercap").glob("intel-rapl:*"))
    except OSError:
        return {}
    for zone in zones:
        try:
            name = (zone / "name").read_text().strip()
            # Cores and graphics are parts of the package; memory is not.
            if name.startswith("package") or name == "dram":
                found[zone.name] = int((zone / "energy_uj").read_text())
        except (OSError, ValueError):
            continue
    return found


def drawn(
    before: Mapping[str, int], after: Mapping[str, int], seconds: float, root: Path = ROOT
) -> float | None:
    """Return the watts between two readings; None: they do not tell."""
    if seconds <= 0 or not before or before.keys() != after.keys():
        return None
    total = 0
    for zone, first in before.items():
        spent = after[zone] - first
        if spent < 0:  # it began anew at its largest value
            spent += _range(root / "sys/class/powercap" / zone / "max_energy_range_uj")
        total += max(0, spent)
    return total / 1e6 / seconds


def _range(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0
