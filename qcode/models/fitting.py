"""Which quantisation of a model fits into the memories of a machine, with how much context; pure.

Gigabytes are 1e9 bytes. What is known of a file is its size; what else a server needs is
estimated a little high, as a server that runs out of memory in mid-session is worse than one with
a smaller model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Literal, TypeAlias

from qcode.models.hardware import Hardware
from qcode.models.model import Weights
from qcode.models.speed import FILLED_TOKENS, Speed, tokens_per_second
from qcode.record import Record, replace

Place: TypeAlias = Literal["gpu", "experts", "layers", "cpu"]
"""All in the GPU's memory; experts partly in RAM; layers partly in RAM; all in RAM."""

WANTED = 65_536
"""Tokens of context that an agent should have; Ollama's documentation asks for as much for coding
tools (docs/context-length.mdx, 2026)."""
LEAST = 16_384
"""Tokens; with less, qcode puts aside all the time what the model just read."""
_MOST = 131_072
"""Tokens that are planned for; more costs memory and is rarely filled."""
_GOOD_BITS, _LEAST_BITS, _MOST_BITS = 4.0, 2.3, 9.0
"""For each weight. Below four, models write tool calls less surely; beyond `Q8_0` (8.5), nothing is
gained that anybody measured, and each token costs twice the time."""
_CPU_BITS = 5.2
"""Where RAM is read for each token, the size decides the speed: nothing above `Q4_K_M`."""
_OVERHEAD_GB, _EACH_GPU_GB = 1.0, 0.3
"""Buffers for computing. The 1.5B of the catalogue takes 2.5 GB with 1.1 GB of weights and 0.5 GB
of cache (measured)."""
_KEPT_VRAM_GB = 0.6
"""Of each GPU: driver and desktop."""
_KEPT_RAM = (1.5, 0.1)
"""Of the RAM, for all else: gigabytes at least, and the share of it."""
_Q8_CACHE = 8.5 / 16
_EXPERTS_OF_ACTIVE = 0.6
"""Which part of what a token uses of a mixture of experts is experts, about; the rest is attention
and what all tokens share."""
_LEAST_LAYERS = 0.2
"""Of a model in the GPU's memory; with less the way to and fro eats what is gained."""

BITS: Mapping[str, float] = {
    "Q8_0": 8.5,
    "Q6_K": 6.56,
    "Q5_K_M": 5.65,
    "Q4_K_M": 4.8,
    "Q3_K_M": 3.85,
    "Q2_K": 3.4,
}
"""For each weight, of a 70B model (llama.cpp, examples/quantize/README.md); used where the sizes
of the files are not known."""


class Room(Record):
    """What there is to fill, in GB."""

    vram: float
    ram: float
    gpus: int = 0
    is_unified: bool = False
    """Whether both are one; `ram` is then what is left when the GPU is not used."""


class Fit(Record):
    """A way in which a model fits."""

    quantisation: str
    weights_gb: float
    context: int
    cache_type: str
    """Of keys and values: `f16` or `q8_0`."""
    cache_gb: float
    overhead_gb: float
    place: Place
    in_ram: float = 0.0
    """The share of experts or layers that is in RAM."""

    @property
    def needed_gb(self) -> float:
        """All of it, wherever it is."""
        return self.weights_gb + self.cache_gb + self.overhead_gb

    @property
    def layers_in_ram(self) -> bool:
        """Whether the processor has a part in the work."""
        return self.place != "gpu"


def room(hardware: Hardware, *, now: bool = False, returned_bytes: int = 0) -> Room:
    """Return what may be filled; with `now`, of what is free at this moment.

    `returned_bytes` of RAM are free as soon as the server that has them is stopped.
    """
    vram = 0.0
    for gpu in hardware.gpus:
        usable = gpu.vram_bytes / 1e9 - (0 if gpu.is_unified else _KEPT_VRAM_GB)
        if now and gpu.free_bytes is not None:
            usable = min(usable, gpu.free_bytes / 1e9)
        vram += max(0.0, usable)
    least, share = _KEPT_RAM
    total = hardware.ram_bytes / 1e9
    ram = total - max(least, share * total)
    if now and hardware.free_bytes is not None:
        ram = min(ram, (hardware.free_bytes + returned_bytes) / 1e9 - least / 3)
    return Room(vram, max(0.0, ram), len(hardware.gpus), hardware.is_unified)


def sizes(weights: Weights) -> Mapping[str, float]:
    """Return the gigabytes of each quantisation, estimated where the files' are not known."""
    if weights.quantisations:
        return weights.quantisations
    return {name: weights.total_b * bits / 8 for name, bits in BITS.items()}


def cache_bytes(weights: Weights) -> int:
    """Return the bytes of keys and values for each token, at 16 bits.

    Where that is not known: 16 KiB for each billion parameters, at most 256 KiB and at least 32,
    which is no less than dense models with grouped heads have (Qwen2.5 and Llama 3.1).
    """
    if weights.kv_bytes_per_token is not None:
        return weights.kv_bytes_per_token
    return round(min(262_144, max(32_768, 16_384 * weights.total_b)))


def fit(
    weights: Weights,
    window: int | None,
    space: Room,
    *,
    context: int | None = None,
    only: str | None = None,
    parts_experts: bool = True,
) -> Fit | None:
    """Return the best way in which a model fits; None: there is none.

    `window` is what the model was trained for, `context` what somebody insists on, `only` the one
    quantisation that is asked for. `parts_experts`: whether the server can leave experts in RAM and
    the rest of their layers on the GPU.
    """
    known = {name: size for name, size in sizes(weights).items() if only in (None, name)}
    for place, least_bits, most_bits, contexts in _wishes(weights, window, space, context):
        if place == "experts" and not parts_experts:
            continue
        # Quality first among what is as good to work with: context before bits, bits before the
        # form of the cache.
        names = sorted(known, key=known.__getitem__, reverse=True)
        # The smallest may have more bits than are worth it: of a model below a billion, tables
        # that hardly shrink are most of the file.
        fitting = [
            name
            for name in names
            if only
            or least_bits <= known[name] * 8 / weights.total_b < most_bits
            or (name == names[-1] and known[name] * 8 / weights.total_b >= most_bits)
        ]
        for tokens, name, cache in product(contexts, fitting, ("f16", "q8_0")):
            if found := _placed(weights, name, known[name], tokens, cache, place, space):
                return _widened(weights, found, window, space, context)
    return None


def least(weights: Weights, window: int | None, context: int | None = None) -> Fit:
    """Return the smallest way of running a model at all, whatever there is."""
    known = sizes(weights)
    name = min(known, key=known.__getitem__)
    tokens = min(context or LEAST, window or context or LEAST)
    return _sized(weights, name, known[name], tokens, "q8_0", "cpu", 1)


def reads(weights: Weights, found: Fit) -> tuple[float, float]:
    """Return the gigabytes that one token reads of the GPU's memory and of RAM."""
    active = found.weights_gb * min(1.0, weights.active_b / weights.total_b)
    cache = found.cache_gb * min(1.0, FILLED_TOKENS / found.context)
    match found.place:
        case "gpu":
            return active + cache, 0.0
        case "cpu":
            return 0.0, active + cache
        case "experts":
            moved = active * _EXPERTS_OF_ACTIVE * found.in_ram
            return active - moved + cache, moved
        case "layers":
            whole = active + cache
            return whole * (1 - found.in_ram), whole * found.in_ram


def speed(weights: Weights, found: Fit, bandwidths: Speed) -> float | None:
    """Return the tokens a second that may be expected; see `qcode.models.speed`."""
    return tokens_per_second(*reads(weights, found), bandwidths)


def _wishes(
    weights: Weights, window: int | None, space: Room, context: int | None
) -> Iterator[tuple[Place, float, float, tuple[int, ...]]]:
    """Yield places, bounds of bits for a weight, and contexts to try, best first."""
    mixture = weights.active_b < 0.6 * weights.total_b
    wide, all_ = (
        _contexts((WANTED, 32_768), window, context),
        _contexts((WANTED, 32_768, LEAST), window, context),
    )
    if space.vram:
        yield "gpu", _GOOD_BITS, _MOST_BITS, wide
        if mixture and not space.is_unified:
            yield "experts", _GOOD_BITS, _CPU_BITS, wide
        yield "gpu", 3.0, _MOST_BITS, all_
        if mixture and not space.is_unified:
            yield "experts", _LEAST_BITS, _CPU_BITS, all_
        if not space.is_unified:
            yield "layers", _GOOD_BITS, _CPU_BITS, all_
            yield "layers", _LEAST_BITS, _CPU_BITS, all_
        yield "gpu", _LEAST_BITS, _MOST_BITS, all_
    # Without a GPU a long prompt takes minutes to read: no more than what is of use.
    slow = _contexts((32_768, LEAST), window, context)
    yield "cpu", _GOOD_BITS, _CPU_BITS, slow
    yield "cpu", _LEAST_BITS, _CPU_BITS, slow
    yield "cpu", _LEAST_BITS, _MOST_BITS, slow  # there is nothing smaller


def _contexts(usual: tuple[int, ...], window: int | None, context: int | None) -> tuple[int, ...]:
    if context is not None:
        return (min(context, window or context),)
    return tuple(dict.fromkeys(min(each, window or each) for each in usual))


def _placed(
    weights: Weights, name: str, size: float, tokens: int, cache: str, place: Place, space: Room
) -> Fit | None:
    """Return the fit if there is room for it there."""
    wanted = _sized(weights, name, size, tokens, cache, place, max(1, space.gpus))
    match place:
        case "gpu":
            return wanted if wanted.needed_gb <= space.vram else None
        case "cpu":
            return wanted if wanted.needed_gb <= space.ram else None
        case "experts":
            # Attention and what all tokens share is no more than what one token uses.
            fixed = size * min(1.0, weights.active_b / weights.total_b)
            experts = size - fixed
            spare = space.vram - fixed - wanted.cache_gb - wanted.overhead_gb
            moved = max(0.0, experts - spare)
            if spare < 0 or moved > space.ram:
                return None
            return replace(wanted, in_ram=moved / experts if experts else 0.0)
        case "layers":
            movable = size + wanted.cache_gb
            held = min(movable, space.vram - wanted.overhead_gb)
            if held < _LEAST_LAYERS * movable or movable - held > space.ram:
                return None
            return replace(wanted, in_ram=1 - held / movable)


def _sized(
    weights: Weights, name: str, size: float, tokens: int, cache: str, place: Place, gpus: int
) -> Fit:
    share = 1.0 if cache == "f16" else _Q8_CACHE
    cached = cache_bytes(weights) * tokens * share / 1e9
    overhead = _OVERHEAD_GB + _EACH_GPU_GB * (gpus - 1 if place != "cpu" else 0)
    return Fit(name, size, tokens, cache, cached, overhead, place)


def _widened(
    weights: Weights, found: Fit, window: int | None, space: Room, context: int | None
) -> Fit:
    """Use what is left of a GPU's memory for context."""
    if context is not None or found.place not in ("gpu", "experts"):
        return found
    tokens = min(found.context * 2, window or _MOST)
    while found.context < tokens <= _MOST:
        more = _placed(
            weights,
            found.quantisation,
            found.weights_gb,
            tokens,
            found.cache_type,
            found.place,
            space,
        )
        # More context is not worth experts that go to slower memory.
        if more is None or more.in_ram > found.in_ram + 0.02:
            return found
        found, tokens = more, min(tokens * 2, window or _MOST)
    return found


def layers_moved(share: float, layers: int) -> int:
    """Return how many of the layers that is, rounded so that the rest surely fits."""
    return min(layers, math.ceil(share * layers - 1e-9))
