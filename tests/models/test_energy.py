from __future__ import annotations

from pathlib import Path

import pytest

from qcode.local.devices import Gpu
from qcode.models.energy import assumed, counters, drawn, energy, energy_of_tokens, power
from qcode.models.hardware import Hardware

CARD = Gpu("nvidia", "NVIDIA GeForce RTX 4090", 24 << 30)
MAC = Gpu("apple", "Apple M4", 16 << 30, None, is_unified=True)


def machine(*cards: Gpu, cores: int = 8) -> Hardware:
    return Hardware("linux-x86_64", 64 << 30, None, cores, None, cards)


def zone(root: Path, name: str, called: str, microjoules: str) -> Path:
    folder = root / "sys/class/powercap" / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{called}\n")
    (folder / "energy_uj").write_text(microjoules)
    (folder / "max_energy_range_uj").write_text("1000000\n")
    return folder


def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    path = tmp_path / "bin" / "nvidia-smi"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent))


def test_energy_is_power_over_time() -> None:
    assert energy(10, 65) == 650
    assert energy(-1, 65) == energy(1, -65) == 0


def test_tokens_take_the_time_of_reading_and_of_writing() -> None:
    assert energy_of_tokens(1000, 100, 500, 10, 50) == pytest.approx(600)
    assert energy_of_tokens(1000, 100, 0, 10, 50) == pytest.approx(500)
    assert energy_of_tokens(0, 0, 0, 0, 50) == 0


def test_packages_and_memory_count_and_their_parts_do_not(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", "100")
    zone(tmp_path, "intel-rapl:0:0", "core", "50")
    zone(tmp_path, "intel-rapl:0:1", "dram", "20")
    zone(tmp_path, "intel-rapl:1", "psys", "900")
    zone(tmp_path, "intel-rapl:2", "package-1", "broken")

    assert counters(tmp_path) == {"intel-rapl:0": 100, "intel-rapl:0:1": 20}


def test_a_counter_that_began_anew_goes_on(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", "0")

    anew = drawn({"intel-rapl:0": 900_000}, {"intel-rapl:0": 400_000}, 0.125, tmp_path)
    on = drawn({"intel-rapl:0": 100_000}, {"intel-rapl:0": 400_000}, 0.125, tmp_path)

    assert (anew, on) == (4.0, 2.4)


@pytest.mark.parametrize(
    "before, after, seconds", [({}, {}, 1), ({"a": 1}, {"b": 1}, 1), ({"a": 1}, {"a": 2}, 0)]
)
def test_readings_that_do_not_tell_are_none(
    before: dict[str, int], after: dict[str, int], seconds: float
) -> None:
    assert drawn(before, after, seconds) is None


def test_what_counters_say_is_measured(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", "100")

    found = power(machine(), root=tmp_path, measured_s=0.01)

    assert (found.watts, found.source, found.is_assumed) == (0.0, "measured by RAPL", False)


def test_what_cards_draw_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi(tmp_path, monkeypatch, "echo 123.5")

    alone = power(machine(CARD), root=tmp_path)
    zone(tmp_path, "intel-rapl:0", "package-0", "100")
    both = power(machine(CARD), root=tmp_path, measured_s=0.01)

    assert (alone.watts, alone.is_assumed) == (123.5, False)
    assert (both.watts, both.source) == (123.5, "measured by RAPL and NVIDIA's driver")


def test_a_processor_alone_does_not_stand_for_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smi(tmp_path, monkeypatch, "exit 1")
    zone(tmp_path, "intel-rapl:0", "package-0", "100")

    assert power(machine(CARD), root=tmp_path, measured_s=0.01).is_assumed


@pytest.mark.parametrize(
    "hardware, watts, source",
    [
        (machine(cores=2), 29, "assumed: 29 W for 2 cores"),
        (machine(cores=1), 22, "assumed: 22 W for 1 core"),
        (machine(CARD), 265, "assumed: 265 W for a graphics card"),
        (machine(CARD, CARD), 515, "assumed: 515 W for 2 graphics cards"),
        (machine(MAC), 50, "assumed: 50 W for Apple M4"),
    ],
)
def test_what_is_assumed_says_so(hardware: Hardware, watts: float, source: str) -> None:
    found = assumed(hardware)

    assert (found.watts, found.source, found.is_assumed) == (watts, source, True)


def test_nothing_to_read_is_assumed(tmp_path: Path) -> None:
    assert power(machine(), root=tmp_path / "nothing") == assumed(machine())
