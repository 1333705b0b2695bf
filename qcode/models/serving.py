"""Recipes: how each server serves a model on this machine, with which options and why.

Options of llama.cpp are those of `llama-server --help` (version 0.10434 of the package in
`qcode.local.catalog`; a test compares them). Those of the others are read in their documentation
and code in November 2026: vLLM docs/features/tool_calling.md and the CLI reference of `vllm serve`;
SGLang docs/advanced_features/server_arguments.md; Ollama docs/context-length.mdx and docs/faq.md;
LM Studio lmstudio.ai/docs/cli. `qcode.models.serving_gpu` has vLLM and SGLang.
"""

from __future__ import annotations

from qcode.models import fitting
from qcode.models.fitting import Fit, Room
from qcode.models.hardware import Hardware
from qcode.models.model import Model, Weights
from qcode.models.recipe import Command, Recipe
from qcode.models.serving_gpu import sglang, unsaid, vllm
from qcode.models.speed import speed_of
from qcode.models.traits import Traits, traits
from qcode.models.tuning import llama_options, tuning
from qcode.record import replace

HOST = "127.0.0.1"
LLAMA_CPP, OLLAMA, LM_STUDIO = "llama.cpp", "Ollama", "LM Studio"

_HYBRID = """most of its layers keep one state that cannot be taken back: what changes in \
mid-prompt is read again from the last checkpoint on, so --cache-reuse is left out"""
_SLIDING = """its sliding windows keep the last tokens alone: --cache-reuse is left out; with \
memory to spare --swa-full keeps all"""
_ORIGINS = """pages that a browser shows could use it, too: newer servers take \
`--cors-origins http://127.0.0.1:8080`"""
_OLLAMA_WINDOW = """below 24 GiB of VRAM Ollama gives a model 4096 tokens and cuts longer prompts \
in silence: OLLAMA_CONTEXT_LENGTH is needed, in the service's settings where Ollama runs as one"""
_WHOLE_FILE_GB = 45.0
"""Larger ones are published in several files, as a repository takes 50 GB each."""


def recipes(model: Model, hardware: Hardware) -> tuple[Recipe, ...]:
    """Return a recipe for each server, those that fit first; nothing where there are no weights.

    Pure: `hardware` says what there is (`qcode.models.hardware.this_machine`).
    """
    weights = model.weights
    if weights is None or weights.total_b <= 0:
        return ()
    facts = traits(model)
    space = fitting.room(hardware)
    window = model.context_window
    files = replace(weights, quantisations=_gguf_sizes(weights))
    found = fitting.fit(files, window, space)
    # These two put whole layers into RAM, and not the experts of all layers.
    in_layers = fitting.fit(files, window, space, parts_experts=False)
    all_ = (
        _llama_cpp(model, files, facts, hardware, found),
        vllm(model, weights, facts, hardware),
        sglang(model, weights, facts, hardware),
        _ollama(model, files, hardware, space, in_layers),
        _lm_studio(model, files, hardware, in_layers),
    )
    return tuple(sorted(all_, key=lambda recipe: not recipe.fits))


def _gguf_sizes(weights: Weights) -> dict[str, float]:
    """Return the sizes of GGUF files, and not of what the vendor published (`BF16`, `INT4`)."""
    forms = ("Q", "IQ", "TQ", "UD-", "MXFP4")
    return {name: size for name, size in weights.quantisations.items() if name.startswith(forms)}


def _in_library(files: Weights) -> str:
    """Return what Ollama's library gives for a name without a quantisation, of those known."""
    known = fitting.sizes(files)
    return "Q4_K_M" if "Q4_K_M" in known else min(known, key=known.__getitem__)


def _llama_cpp(
    model: Model, weights: Weights, facts: Traits, hardware: Hardware, found: Fit | None
) -> Recipe:
    refusal = _no_files(LLAMA_CPP, weights) or _too_large(
        LLAMA_CPP, model, weights, hardware, found
    )
    if refusal or found is None:
        return refusal or Recipe(LLAMA_CPP, False, "")
    options = llama_options(tuning(model, facts, hardware, found))
    source = ["-hf", f"{weights.gguf}:{found.quantisation}"]
    if not model.sees_images:
        source.append("--no-mmproj")
    line = ["llama-server", *source, "--alias", model.id, "--host", HOST, "--port", "8080"]
    return _fitting(
        LLAMA_CPP,
        model,
        weights,
        hardware,
        found,
        commands=(Command((*line, *options)),),
        port=8080,
        install="`brew install llama.cpp`, a release of github.com/ggml-org/llama.cpp, or nothing: "
        f"`qcode local up {model.id}` fetches a server and the model and does all of this",
        notes=(_ORIGINS, *_cache_notes(facts), *_offload_notes(found, facts)),
    )


def _cache_notes(facts: Traits) -> tuple[str, ...]:
    return {"hybrid": (_HYBRID,), "sliding": (_SLIDING,)}.get(facts.remembers, ())


def _offload_notes(found: Fit, facts: Traits) -> tuple[str, ...]:
    if found.place == "experts" and found.in_ram > 0:
        return (
            f"{found.in_ram:.0%} of the experts are computed from RAM; "
            "out of memory? Raise --n-cpu-moe"
            if facts.layers
            else "all experts are computed from RAM, as its number of layers is not known here; "
            "--n-cpu-moe N instead of --cpu-moe leaves some on the GPU",
        )
    if found.place == "layers":
        return (f"{found.in_ram:.0%} of the model is computed from RAM, which slows all of it",)
    return ()


def _ollama(
    model: Model, weights: Weights, hardware: Hardware, space: Room, found: Fit | None
) -> Recipe:
    if weights.ollama:
        # Its library has one form behind that name, whatever else would fit.
        only = _in_library(weights)
        whole = fitting.fit(weights, model.context_window, space, only=only, parts_experts=False)
        if whole is not None or found is None or not weights.gguf:
            found = whole
        else:  # a smaller file than the library's fits
            weights = replace(weights, ollama="")
    name = weights.ollama or (
        f"hf.co/{weights.gguf}:{found.quantisation}" if weights.gguf and found else ""
    )
    refusal = None if weights.ollama else _no_files(OLLAMA, weights)
    refusal = refusal or _too_large(OLLAMA, model, weights, hardware, found)
    if refusal or found is None:
        return refusal or Recipe(OLLAMA, False, "")
    environment = {
        "OLLAMA_HOST": f"{HOST}:11434",
        "OLLAMA_CONTEXT_LENGTH": str(found.context),
        "OLLAMA_NUM_PARALLEL": "1",
        "OLLAMA_KEEP_ALIVE": "60m",
    }
    if found.cache_type != "f16":
        environment |= {"OLLAMA_FLASH_ATTENTION": "1", "OLLAMA_KV_CACHE_TYPE": found.cache_type}
    notes = [_OLLAMA_WINDOW]
    if weights.ollama:
        notes.append("the size is that of what its library most likely has; `ollama show` says it")
    elif found.weights_gb > _WHOLE_FILE_GB:
        notes.append("Ollama takes no model that is published in several files; this one likely is")
    if not weights.ollama:
        notes += unsaid(model.sampling)  # its library's own have that with them
    return _fitting(
        OLLAMA,
        model,
        weights,
        hardware,
        found,
        commands=(
            Command(("ollama", "serve"), environment),
            Command(("ollama", "pull", name)),
        ),
        port=11434,
        called=name,
        install="ollama.com/download",
        notes=tuple(notes),
    )


def _lm_studio(model: Model, weights: Weights, hardware: Hardware, found: Fit | None) -> Recipe:
    refusal = _no_files(LM_STUDIO, weights)
    refusal = refusal or _too_large(LM_STUDIO, model, weights, hardware, found)
    if refusal or found is None:
        return refusal or Recipe(LM_STUDIO, False, "")
    share = {"gpu": "max", "cpu": "off"}.get(found.place, f"{1 - found.in_ram:.2f}")
    key = weights.gguf.rpartition("/")[2].lower().removesuffix("-gguf")
    source = f"https://huggingface.co/{weights.gguf}@{found.quantisation}"
    load = ["lms", "load", key, "--identifier", model.id]
    load += ["--context-length", str(found.context), "--gpu", share, "-y"]
    return _fitting(
        LM_STUDIO,
        model,
        weights,
        hardware,
        found,
        commands=(
            Command(("lms", "get", source)),
            Command(tuple(load)),
            Command(("lms", "server", "start", "--port", "1234")),
        ),
        port=1234,
        install="lmstudio.ai; run it once, then `lms` is there",
        notes=(
            "`lms ls` says the name by which `lms load` knows it, if it is another",
            *unsaid(model.sampling),
        ),
    )


def _fitting(
    server: str,
    model: Model,
    weights: Weights,
    hardware: Hardware,
    found: Fit,
    *,
    commands: tuple[Command, ...],
    port: int,
    install: str,
    called: str = "",
    notes: tuple[str, ...] = (),
) -> Recipe:
    """Return the recipe of a server of GGUF files, whose needs are alike."""
    bandwidths = speed_of(hardware)
    warnings = []
    if weights.kv_bytes_per_token is None:
        warnings.append("how much its cache takes is not known; a large one was assumed")
    if not weights.quantisations:
        warnings.append("the sizes of its files are not known; they are estimated")
    if found.weights_gb * 8 / weights.total_b < 3.6:
        warnings.append("with so few bits it will call tools less surely")
    if bandwidths.is_assumed:
        warnings.append("the GPU is not known: 300 GB/s were assumed for the speed")
    return Recipe(
        server,
        True,
        f"fits: {_where(found, hardware)}",
        commands,
        use(called or model.id, port),
        install,
        found.quantisation,
        found.context,
        found.weights_gb,
        found.cache_gb,
        found.needed_gb,
        fitting.speed(weights, found, bandwidths),
        (*notes, *warnings),
    )


def use(name: str, port: int) -> Command:
    """Return how qcode is told of a server on this machine."""
    return Command(("qcode", "-m", name, "--base-url", f"http://{HOST}:{port}/v1"))


def _where(found: Fit, hardware: Hardware) -> str:
    parts = (
        f"{found.weights_gb:.1f} GB of weights ({found.quantisation}), {found.cache_gb:.1f} GB of "
    )
    parts += f"cache for {found.context} tokens"
    if found.cache_type != "f16":
        parts += f" at {found.cache_type}"
    places = {
        "gpu": "all in the memory of the GPU" + ("s" if len(hardware.gpus) > 1 else ""),
        "experts": "attention on the GPU, experts as far as there is room",
        "layers": "as many layers on the GPU as there is room for",
        "cpu": "in RAM",
    }
    return f"{parts}, {places[found.place]}"


def _no_files(server: str, weights: Weights) -> Recipe | None:
    if weights.gguf:
        return None
    return Recipe(server, False, "no repository of GGUF files is known for it")


def _too_large(
    server: str, model: Model, weights: Weights, hardware: Hardware, found: Fit | None
) -> Recipe | None:
    if found is not None:
        return None
    smallest = fitting.least(weights, model.context_window)
    space = fitting.room(hardware)
    there = f"{space.ram:.1f} GB of RAM can be used here"
    if space.vram:
        there = f"{space.vram:.1f} GB of VRAM and {there}"
    if space.is_unified:
        there = f"{space.vram:.1f} GB can be used here"
    return Recipe(
        server,
        False,
        f"does not fit: at least {smallest.needed_gb:.1f} GB are needed ({smallest.quantisation}, "
        f"{smallest.context} tokens), {there}",
        quantisation=smallest.quantisation,
        context=smallest.context,
        weights_gb=smallest.weights_gb,
        cache_gb=smallest.cache_gb,
        needed_gb=smallest.needed_gb,
    )
