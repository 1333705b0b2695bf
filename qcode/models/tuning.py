"""How llama.cpp's server is to run a model on this machine: its settings, and as options; pure."""

from __future__ import annotations

from qcode.models import fitting
from qcode.models.fitting import Fit, Room
from qcode.models.hardware import Hardware
from qcode.models.model import Model, Sampling
from qcode.models.traits import Traits
from qcode.record import Record

_REUSE_TOKENS = 256
"""The shortest piece that is moved within the cache instead of being read again."""
_CACHE_SHARE, _MOST_CACHE_MIB, _LEAST_CACHE_MIB = 0.5, 8192, 256
"""Of the RAM that is left, for states of earlier prompts (`--cache-ram`); 8192 is its default."""


class Tuning(Record):
    """How llama.cpp's server is to run a model, whatever form its settings have."""

    context: int
    """Tokens."""
    cache_type: str = "f16"
    """Of keys and values."""
    cache_mib: int = 0
    """For states of earlier prompts."""
    reuse_tokens: int = 0
    """The shortest piece to move within the cache; 0: none is."""
    gpu: tuple[str, ...] = ()
    """Options that say what goes to the GPU; empty: there is none, or the server decides."""
    threads: int | None = None
    """None: the processor has no part in the work."""
    thinks: bool = False
    sampling: Sampling = Sampling()


def tuning(
    model: Model,
    facts: Traits,
    hardware: Hardware,
    found: Fit,
    *,
    layers: int | None = None,
    space: Room | None = None,
) -> Tuning:
    """Return what suits a fit in `space`, or in all that the machine has.

    `layers` as the file itself says, where it is at hand.
    """
    return Tuning(
        found.context,
        found.cache_type,
        _cache_mib(space or fitting.room(hardware), found),
        _REUSE_TOKENS if can_move(model, facts) else 0,
        tuple(_gpu_options(found, layers or facts.layers)) if hardware.gpus else (),
        hardware.cores if found.layers_in_ram else None,
        model.reasoning.style != "none",
        model.sampling,
    )


def llama_options(tuned: Tuning) -> tuple[str, ...]:
    """Return llama-server's options: all but the model, its name and the port."""
    options = ["-c", str(tuned.context), "--parallel", "1", "--jinja"]
    if tuned.thinks:
        options += ["--reasoning-format", "auto"]
    options += tuned.gpu
    if tuned.threads:
        options += ["-t", str(tuned.threads)]
    if tuned.cache_type != "f16":
        # A quantised cache of values wants flash attention, which is `auto` by default.
        options += ["-ctk", tuned.cache_type, "-ctv", tuned.cache_type]
    options += ["--cache-ram", str(tuned.cache_mib)]
    if tuned.reuse_tokens:
        options += ["--cache-reuse", str(tuned.reuse_tokens)]
    return (*options, *sampling_options(tuned.sampling))


def can_move(model: Model, facts: Traits) -> bool:
    """Whether llama.cpp can take pieces of its cache elsewhere when the text before them changed.

    Not with a state that cannot be taken back, not with sliding windows, not beside pictures: the
    server then turns it off with a warning.
    """
    return facts.remembers == "all" and not model.sees_images


def _gpu_options(found: Fit, layers: int | None) -> list[str]:
    match found.place:
        case "gpu":
            return ["-ngl", "99"]
        case "experts":
            if found.in_ram <= 0:
                return ["-ngl", "99"]
            if layers is None:
                return ["-ngl", "99", "--cpu-moe"]
            return ["-ngl", "99", "--n-cpu-moe", str(fitting.layers_moved(found.in_ram, layers))]
        case "layers":
            if layers is None:
                return []  # the server's own choice, by what is free
            return ["-ngl", str(layers - fitting.layers_moved(found.in_ram, layers))]
        case "cpu":
            return ["-ngl", "0"]


def sampling_options(sampling: Sampling) -> tuple[str, ...]:
    """Return what the model's card says, as llama-server's options."""
    pairs = (
        ("--temp", sampling.temperature),
        ("--top-p", sampling.top_p),
        ("--top-k", sampling.top_k),
        ("--min-p", sampling.min_p),
        ("--presence-penalty", sampling.presence_penalty),
        ("--repeat-penalty", sampling.repetition_penalty),
    )
    return tuple(
        word for name, value in pairs if value is not None for word in (name, f"{value:g}")
    )


def _cache_mib(space: Room, found: Fit) -> int:
    """Return how much of the RAM that is left may hold earlier prompts; 0 turns it off."""
    used = {"gpu": 0.0, "cpu": found.needed_gb}.get(
        found.place, found.in_ram * (found.weights_gb + found.cache_gb)
    )
    left = space.ram - (found.needed_gb if space.is_unified else used)
    mib = int(left * 1e9 / (1 << 20) * _CACHE_SHARE)
    return min(_MOST_CACHE_MIB, mib) if mib >= _LEAST_CACHE_MIB else 0
