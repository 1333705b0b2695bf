"""Recipes for the servers that want all of a model in the memory of GPUs: vLLM and SGLang."""

from __future__ import annotations

import json

from qcode.models import fitting
from qcode.models.hardware import Hardware
from qcode.models.model import Model, Sampling, Weights
from qcode.models.recipe import Command, Recipe
from qcode.models.speed import FILLED_TOKENS, speed_of, tokens_per_second
from qcode.models.traits import Traits
from qcode.record import Record, replace

VLLM, SGLANG = "vLLM", "SGLang"
_HOST = "127.0.0.1"
_SHARE = 0.9
"""Of each GPU that they take (vLLM's `--gpu-memory-utilization`, SGLang's default)."""
_EACH_GB = 2.5
"""Of each GPU for activations and CUDA graphs, about."""
_FORMS = ("BF16", "INT4", "FP4", "MXFP4")
"""In which a vendor publishes weights; sizes by such a name are of the repository itself."""
_CONTEXTS = (131_072, 65_536, 32_768, 16_384)


class _Plan(Record):
    repository: str
    bits: float
    weights_gb: float
    context: int
    cache_gb: float
    cards: int
    fits: bool

    @property
    def needed_gb(self) -> float:
        """VRAM of all cards together."""
        return (self.weights_gb + self.cache_gb + _EACH_GB * self.cards) / _SHARE


def vllm(model: Model, weights: Weights, facts: Traits, hardware: Hardware) -> Recipe:
    """Return vLLM's recipe.

    Its prefix cache is on by default. It takes the card's sampling from the repository's
    `generation_config.json`; what the registry knows is said all the same, as not all have one.
    """
    plan = _plan(model, weights, facts, hardware)
    if not plan.fits:
        return _refused(VLLM, plan, hardware)
    line = ["vllm", "serve", plan.repository, "--served-model-name", model.id]
    line += ["--host", _HOST, "--port", "8000", "--max-model-len", str(plan.context)]
    if plan.cards > 1:
        line += ["--tensor-parallel-size", str(plan.cards)]
    if facts.vllm_tools:
        line += ["--enable-auto-tool-choice", "--tool-call-parser", facts.vllm_tools]
    if facts.vllm_template:
        line += ["--chat-template", facts.vllm_template]
    if facts.vllm_reasoning and model.reasoning.style != "none":
        line += ["--reasoning-parser", facts.vllm_reasoning]
    # qcode shows how much of a prompt was reused, and vLLM only tells when asked to.
    line += ["--enable-prefix-caching", "--enable-prompt-tokens-details"]
    if sampling := _sampling(model.sampling):
        line += ["--override-generation-config", json.dumps(sampling)]
    notes = [*_notes(VLLM, facts.vllm_tools, facts), *unsaid(_penalty(model.sampling))]
    if facts.vllm_template:
        notes.append(f"`{facts.vllm_template}` is in vLLM's repository")
    install = "`uv pip install vllm --torch-backend auto`"
    return _recipe(VLLM, model, weights, hardware, plan, line, 8000, install, notes)


def sglang(model: Model, weights: Weights, facts: Traits, hardware: Hardware) -> Recipe:
    """Return SGLang's recipe. Its radix cache is on by default, and so is the card's sampling."""
    plan = _plan(model, weights, facts, hardware)
    if not plan.fits:
        return _refused(SGLANG, plan, hardware)
    line = ["python3", "-m", "sglang.launch_server", "--model-path", plan.repository]
    line += ["--served-model-name", model.id, "--host", _HOST, "--port", "30000"]
    line += ["--context-length", str(plan.context)]
    if plan.cards > 1:
        line += ["--tp-size", str(plan.cards)]
    if facts.sglang_tools:
        line += ["--tool-call-parser", facts.sglang_tools]
    if facts.sglang_reasoning and model.reasoning.style != "none":
        line += ["--reasoning-parser", facts.sglang_reasoning]
    line.append("--enable-cache-report")
    notes = [*_notes(SGLANG, facts.sglang_tools, facts), *unsaid(_penalty(model.sampling))]
    install = "`uv pip install sglang`"
    return _recipe(SGLANG, model, weights, hardware, plan, line, 30_000, install, notes)


def _plan(model: Model, weights: Weights, facts: Traits, hardware: Hardware) -> _Plan:
    """Return the best that fits; where nothing does, the least that would."""
    each = min((gpu.vram_bytes / 1e9 for gpu in hardware.gpus), default=0.0)
    runs = bool(hardware.gpus) and hardware.gpus[0].kind != "apple"
    window = model.context_window
    plans = []
    for tokens in dict.fromkeys(min(each, window or each) for each in _CONTEXTS):
        for repository, bits, size in _published(weights, facts):
            cache = fitting.cache_bytes(weights) * tokens / 1e9
            # The largest context first, for it the weights as published, and for these no more
            # GPUs than they need: the heads of small models do not divide by eight.
            for cards in _splits(hardware):
                plan = _Plan(repository, bits, size, tokens, cache, cards, False)
                plans.append(plan)
                if runs and plan.needed_gb <= cards * each:
                    return replace(plan, fits=True)
    # The most cards, as nothing fits on fewer; of that the least.
    return min(plans, key=lambda plan: (-plan.cards, plan.needed_gb))


def _published(weights: Weights, facts: Traits) -> list[tuple[str, float, float]]:
    """Return the vendor's repositories with bits for each weight and gigabytes."""
    known = weights.quantisations
    name, bits = weights.repository, facts.published_bits
    whole = next((known[one] for one in _FORMS if one in known), weights.total_b * bits / 8)
    has_both = facts.has_fp8 and bits > 8
    if has_both and "FP8" in known and "BF16" not in known:
        return [(name, 8.0, known["FP8"])]  # there is nothing else
    found = [(name, bits, whole)]
    if has_both:
        found.append((f"{name}-FP8", 8.0, known.get("FP8", weights.total_b)))
    return found


def _splits(hardware: Hardware) -> list[int]:
    """Return over how many GPUs to split: powers of two, as attention heads are."""
    return [1 << power for power in range(max(1, len(hardware.gpus).bit_length()))]


def _sampling(sampling: Sampling) -> dict[str, float]:
    """Return what vLLM takes as defaults; a presence penalty is not among them."""
    values = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
    }
    return {name: value for name, value in values.items() if value is not None}


def _penalty(sampling: Sampling) -> Sampling:
    return Sampling(presence_penalty=sampling.presence_penalty)


def unsaid(sampling: Sampling) -> tuple[str, ...]:
    """Say what of the card's sampling a server is not told, and how qcode can tell it."""
    names = [name for name in Sampling.__match_args__ if name != "source"]
    said = [(name, getattr(sampling, name)) for name in names]
    values = [f"{name} = {value:g}" for name, value in said if value is not None]
    if not values:
        return ()
    return (
        f"its card says to sample so: `extra_body = {{ {', '.join(values)} }}` in the settings",
    )


def _notes(server: str, parser: str, facts: Traits) -> tuple[str, ...]:
    notes = []
    if not parser:
        notes.append(
            f"{server} is not known to have a tool parser for it: qcode reads its calls from the "
            "text (`tool_protocol`)"
        )
    if facts.remembers == "hybrid":
        notes.append(
            "most of its layers keep one state that cannot be taken back: only whole beginnings of "
            "prompts are reused"
        )
    return tuple(notes)


def _recipe(
    server: str,
    model: Model,
    weights: Weights,
    hardware: Hardware,
    plan: _Plan,
    line: list[str],
    port: int,
    install: str,
    notes: list[str],
) -> Recipe:
    active = plan.weights_gb * min(1.0, weights.active_b / weights.total_b)
    read = active + plan.cache_gb * min(1.0, FILLED_TOKENS / plan.context)
    speed = speed_of(hardware)
    # Split by tensors, the cards read at the same time; what they tell one another takes time.
    estimate = tokens_per_second(read / (plan.cards**0.8), 0.0, speed)
    cards = f"{plan.cards} GPUs" if plan.cards > 1 else "the GPU"
    return Recipe(
        server,
        True,
        f"fits: {plan.weights_gb:.1f} GB of weights ({_called(plan.bits)}), {plan.cache_gb:.1f} GB "
        f"of cache for {plan.context} tokens, in the memory of {cards}",
        (Command(tuple(line)),),
        Command(("qcode", "-m", model.id, "--base-url", f"http://{_HOST}:{port}/v1")),
        install,
        _called(plan.bits),
        plan.context,
        plan.weights_gb,
        plan.cache_gb,
        plan.needed_gb,
        estimate,
        tuple(notes),
    )


def _refused(server: str, plan: _Plan, hardware: Hardware) -> Recipe:
    needs = (
        f"at least {plan.needed_gb:.0f} GB of VRAM ({_called(plan.bits)}, {plan.context} tokens)"
    )
    if not hardware.gpus or hardware.gpus[0].kind == "apple":
        why = f"needs NVIDIA or AMD GPUs with {needs}"
    else:
        count = len(hardware.gpus)
        there = f"{hardware.vram_bytes / 1e9:.0f} GB are here"
        if count > 1:
            each = min(gpu.vram_bytes / 1e9 for gpu in hardware.gpus)
            there = f"{plan.cards} of {count} GPUs have {plan.cards * each:.0f} GB to share evenly"
        why = f"does not fit: {needs} are needed, {there}"
    return Recipe(
        server,
        False,
        why,
        quantisation=_called(plan.bits),
        context=plan.context,
        weights_gb=plan.weights_gb,
        cache_gb=plan.cache_gb,
        needed_gb=plan.needed_gb,
    )


def _called(bits: float) -> str:
    return {16.0: "BF16", 8.0: "FP8", 4.4: "MXFP4"}.get(bits, "as published")
