from __future__ import annotations

import pytest

from qcode.local.devices import Gpu
from qcode.models import fitting
from qcode.models.fitting import Fit, Room
from qcode.models.hardware import Hardware
from qcode.models.model import Weights
from qcode.models.speed import bandwidth, speed_of, tokens_per_second

GIB = 1 << 30
CODER = Weights(
    "Qwen/Qwen3-Coder-30B-A3B-Instruct",
    30.5,
    3.3,
    98_304,
    "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF",
    quantisations={"Q8_0": 32.5, "Q6_K": 25.1, "Q4_K_M": 18.6, "Q3_K_M": 14.7, "Q2_K": 11.3},
)
DENSE = Weights("x/dense", 32.0, 32.0, 262_144, "x/dense-GGUF", quantisations={"Q4_K_M": 19.9})


def machine(ram_gib: float, *cards: Gpu, cores: int = 8) -> Hardware:
    return Hardware("linux-x86_64", int(ram_gib * GIB), None, cores, None, cards)


def card(gib: float, name: str = "NVIDIA GeForce RTX 4090") -> Gpu:
    return Gpu("nvidia", name, int(gib * GIB))


def fit(weights: Weights, ram_gib: float, *cards: Gpu, window: int | None = 262_144) -> Fit | None:
    return fitting.fit(weights, window, fitting.room(machine(ram_gib, *cards)))


@pytest.mark.parametrize(
    "cards, place, quantisation, context, cache",
    [
        ((), "cpu", "Q4_K_M", 32_768, "f16"),
        ((card(24),), "gpu", "Q4_K_M", 65_536, "q8_0"),
        ((card(48),), "gpu", "Q8_0", 131_072, "f16"),
        ((card(12),), "experts", "Q4_K_M", 65_536, "f16"),
        ((card(16), card(16)), "gpu", "Q6_K", 65_536, "f16"),
    ],
    ids=["none", "24", "48", "12", "two of 16"],
)
def test_the_best_that_fits_is_taken(
    cards: tuple[Gpu, ...], place: str, quantisation: str, context: int, cache: str
) -> None:
    found = fit(CODER, 64, *cards)

    assert found is not None
    assert (found.place, found.quantisation, found.context, found.cache_type) == (
        *(place, quantisation, context, cache),
    )


def test_what_is_planned_stays_within_the_memories() -> None:
    for vram in (4, 6, 8, 12, 16, 20, 24, 32, 40, 80):
        for ram in (8, 16, 24, 32, 64, 128):
            space = fitting.room(machine(ram, card(vram)))
            for weights in (CODER, DENSE):
                found = fitting.fit(weights, 262_144, space)
                if found is None:
                    continue
                if found.place == "gpu":
                    assert found.needed_gb <= space.vram
                elif found.place == "cpu":
                    assert found.needed_gb <= space.ram
                else:
                    assert found.needed_gb <= space.vram + space.ram
                    assert 0 <= found.in_ram < 1


def test_a_dense_model_leaves_layers_in_ram() -> None:
    found = fit(DENSE, 64, card(16))

    assert found is not None
    assert found.place == "layers"
    assert 0 < found.in_ram < 1


def test_a_server_that_cannot_part_experts_parts_layers() -> None:
    space = fitting.room(machine(64, card(12)))

    found = fitting.fit(CODER, 262_144, space, parts_experts=False)

    assert found is not None
    assert found.place == "layers"


def test_experts_are_worth_more_bits_than_the_gpu_alone() -> None:
    found = fit(CODER, 64, card(16))

    assert found is not None
    assert (found.place, found.quantisation) == ("experts", "Q4_K_M")


def test_a_small_window_is_not_exceeded() -> None:
    found = fit(CODER, 64, card(48), window=8192)

    assert found is not None
    assert found.context == 8192


def test_what_is_asked_for_is_taken_or_nothing() -> None:
    space = fitting.room(machine(32))

    asked = fitting.fit(CODER, 262_144, space, context=4096, only="Q6_K")

    assert asked is not None
    assert (asked.quantisation, asked.context) == ("Q6_K", 4096)
    assert fitting.fit(CODER, 262_144, space, only="Q8_0") is None
    assert fitting.fit(CODER, 262_144, space, only="Q5_K_M") is None


def test_nothing_fits_where_nothing_does() -> None:
    assert fit(CODER, 8) is None
    assert fitting.least(CODER, 262_144).quantisation == "Q2_K"
    assert fitting.least(CODER, 262_144).needed_gb == pytest.approx(13.2, abs=0.1)


def test_sizes_that_are_not_known_are_estimated() -> None:
    bare = Weights("x/y", 32.0, 32.0)

    assert fitting.sizes(bare)["Q4_K_M"] == pytest.approx(19.2)
    assert fitting.cache_bytes(bare) == 262_144
    assert fitting.cache_bytes(Weights("x/y", 0.5, 0.5)) == 32_768


def test_now_means_what_is_free() -> None:
    busy = Hardware(
        "linux-x86_64", 64 * GIB, 8 * GIB, 8, None, (Gpu("nvidia", "a", 24 * GIB, GIB),)
    )

    later, now = fitting.room(busy), fitting.room(busy, now=True)
    stopped = fitting.room(busy, now=True, returned_bytes=4 * GIB)

    assert (later.vram, later.ram) > (now.vram, now.ram)
    assert now.vram == pytest.approx(1.07, abs=0.01)
    assert stopped.ram - now.ram == pytest.approx(4.29, abs=0.01)


def test_a_shared_memory_is_not_counted_twice() -> None:
    mac = machine(64, Gpu("apple", "Apple M4 Max", 48 * GIB, None, is_unified=True))
    large = Weights("x/large", 200.0, 10.0, 50_000, quantisations={"Q4_K_M": 70.0})

    assert fitting.fit(large, 131_072, fitting.room(mac)) is None


@pytest.mark.parametrize(
    "name, expected",
    [
        ("NVIDIA GeForce RTX 3090", 936),
        ("NVIDIA GeForce RTX 3090 Ti", 936),
        ("NVIDIA A100-SXM4-80GB", 2039),
        ("NVIDIA H100 PCIe", 2000),
        ("Apple M4 Max", 410),
        ("Apple M1", 68),
        ("something else", None),
    ],
)
def test_bandwidths_are_found_by_name(name: str, expected: float | None) -> None:
    assert bandwidth(card(24, name)) == expected


def test_slower_memory_makes_fewer_tokens() -> None:
    def rate(found: Fit | None, hardware: Hardware) -> float:
        assert found is not None
        told = fitting.speed(CODER, found, speed_of(hardware))
        assert told is not None
        return told

    rates = [
        rate(fit(CODER, 64, *cards), machine(64, *cards))
        for cards in ((), (card(12),), (card(24),))
    ]

    assert rates == sorted(rates)
    assert 5 < rates[0] < 40
    assert 60 < rates[2] < 300


def test_an_unknown_card_is_assumed_to_be_ordinary() -> None:
    told = speed_of(machine(64, card(24, "something else")))

    assert told.is_assumed
    assert tokens_per_second(10.0, 0.0, told) == pytest.approx(17.4, abs=0.1)
    assert tokens_per_second(10.0, 0.0, speed_of(machine(64))) is None


@pytest.mark.parametrize("share, moved", [(0.0, 0), (0.01, 1), (0.5, 24), (1.0, 48)])
def test_a_part_of_a_layer_is_a_layer(share: float, moved: int) -> None:
    assert fitting.layers_moved(share, 48) == moved


def test_room_is_plain_numbers() -> None:
    assert fitting.room(machine(10)) == Room(0.0, pytest.approx(9.24, abs=0.01), 0, False)  # type: ignore[arg-type]
