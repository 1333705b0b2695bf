from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qcode.local import cgroup
from qcode.local.devices import Gpu, gpus, output, power_watts
from qcode.models.hardware import Hardware, this_machine

GIB = 1 << 30
MEMINFO = "MemTotal:       16777216 kB\nMemFree: 1048576 kB\nMemAvailable:    8388608 kB\n"

Write = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The top of a machine's files: 16 GiB of memory, half of it available, no groups."""
    return put(tmp_path / "root", {"proc/meminfo": MEMINFO})


def put(top: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return top


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Put a shell script on an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(name: str, body: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return write


def test_this_machine_has_memory_and_cores() -> None:
    here = this_machine()

    assert here.ram_bytes > 100_000_000
    assert here.free_bytes is None or 0 <= here.free_bytes <= here.ram_bytes
    assert here.cores >= 1
    assert here.platform.startswith(platform.system().lower())


def test_memory_is_what_the_kernel_says(root: Path, program: Write) -> None:
    here = this_machine(root)

    assert (here.ram_bytes, here.free_bytes, here.gpus) == (16 * GIB, 8 * GIB, ())


def test_a_containers_limit_counts_with_what_it_can_give_back(root: Path, program: Write) -> None:
    put(
        root,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{4 * GIB}\n",
            "sys/fs/cgroup/memory.current": f"{3 * GIB}\n",
            "sys/fs/cgroup/memory.stat": f"anon 5\ninactive_file {2 * GIB}\n",
        },
    )

    here = this_machine(root)

    assert (here.ram_bytes, here.free_bytes) == (4 * GIB, 3 * GIB)


def test_the_limit_of_a_group_further_up_holds_too(root: Path) -> None:
    put(
        root,
        {
            "proc/self/cgroup": "0::/user.slice/one.scope\n",
            "sys/fs/cgroup/user.slice/memory.max": f"{2 * GIB}\n",
            "sys/fs/cgroup/user.slice/one.scope/memory.max": "max\n",
            "sys/fs/cgroup/user.slice/cpu.max": "150000 100000\n",
        },
    )

    assert cgroup.memory(root) == cgroup.Memory(2 * GIB, 2 * GIB)
    assert cgroup.cores(root) == 2


def test_groups_of_the_first_version_are_read(root: Path) -> None:
    put(
        root,
        {
            "proc/self/cgroup": "4:memory:/jobs/one\n2:cpu,cpuacct:/jobs\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes": f"{GIB}\n",
            "sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes": f"{GIB // 2}\n",
            "sys/fs/cgroup/cpu/jobs/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu/jobs/cpu.cfs_period_us": "100000\n",
        },
    )

    assert cgroup.memory(root) == cgroup.Memory(GIB, GIB // 2)
    assert cgroup.cores(root) == 1


@pytest.mark.parametrize("text", ["max 100000\n", "", "-1", "1 0", "nonsense"])
def test_no_limit_is_none(text: str, root: Path) -> None:
    put(
        root,
        {
            "sys/fs/cgroup/cpu.max": text,
            "sys/fs/cgroup/cpu.cfs_quota_us": text,
            "sys/fs/cgroup/memory.max": text,
        },
    )

    assert (cgroup.cores(root), cgroup.memory(root)) == (None, None)


def test_nothing_to_read_is_no_error(tmp_path: Path, program: Write) -> None:
    here = this_machine(tmp_path / "nothing")

    assert here.free_bytes is None
    assert here.ram_bytes > 0  # what the C library says


def test_nvidia_cards_are_told_by_their_tool(program: Write, tmp_path: Path) -> None:
    program("nvidia-smi", "echo 'NVIDIA GeForce RTX 4090, 24564, 24000'; echo 'Quadro, 1024, 900'")

    assert gpus("linux-x86_64", GIB, tmp_path) == (
        Gpu("nvidia", "NVIDIA GeForce RTX 4090", 24564 << 20, 24000 << 20),
    )


def test_a_board_that_shares_its_memory_has_that(program: Write, tmp_path: Path) -> None:
    program("nvidia-smi", "echo 'NVIDIA GB10, [N/A], [N/A]'")

    assert gpus("linux-aarch64", 100 * GIB, tmp_path) == (
        Gpu("nvidia", "NVIDIA GB10", 90 * GIB, None, is_unified=True),
    )


def test_amd_cards_are_told_by_the_kernel(program: Write, tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "sys/class/drm/card0/device/mem_info_vram_total": f"{GIB // 2}\n",
            "sys/class/drm/card1/device/mem_info_vram_total": f"{24 * GIB}\n",
            "sys/class/drm/card1/device/mem_info_vram_used": f"{GIB}\n",
            "sys/class/drm/card1/device/product_name": "Radeon RX 7900 XTX\n",
        },
    )

    assert gpus("linux-x86_64", GIB, tmp_path) == (
        Gpu("amd", "Radeon RX 7900 XTX", 24 * GIB, 23 * GIB),
    )


@pytest.mark.parametrize(
    "ram, limit, usable", [(24, 0, 16), (128, 0, 96), (128, 112 * 1024, 112), (24, "x", 16)]
)
def test_a_mac_lends_a_part_of_its_memory(
    ram: int, limit: object, usable: int, program: Write
) -> None:
    program("sysctl", f'[ "$2" = iogpu.wired_limit_mb ] && echo {limit} || echo Apple M4 Max')

    assert gpus("darwin-arm64", ram * GIB) == (
        Gpu("apple", "Apple M4 Max", usable * GIB, None, is_unified=True),
    )


@pytest.mark.parametrize("body", ["exit 9", "echo 'NVIDIA-SMI has failed'", "printf '\\377,,'"])
def test_a_driver_that_fails_is_no_card(body: str, program: Write, tmp_path: Path) -> None:
    program("nvidia-smi", body)

    assert gpus("linux-x86_64", GIB, tmp_path) == ()
    assert power_watts() is None


def test_power_is_that_of_all_cards(program: Write) -> None:
    program("nvidia-smi", "echo 61.50; echo 300; echo '[N/A]'")

    assert power_watts() == 361.5


@pytest.mark.slow
def test_a_driver_that_hangs_is_left_alone(program: Write) -> None:
    program("nvidia-smi", "exec /bin/sleep 60")
    began = time.monotonic()

    assert output(["nvidia-smi"]) == ""

    assert time.monotonic() - began < 20


def test_memories_are_one_only_if_all_cards_share_it() -> None:
    own, shared = Gpu("nvidia", "a", GIB), Gpu("apple", "b", GIB, None, is_unified=True)

    assert [Hardware("", 0, 0, 1, None, cards).is_unified for cards in ((), (own,), (shared,))] == [
        False,
        False,
        True,
    ]
