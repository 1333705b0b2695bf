"""What a server has to know of a family of models: parsers, how it remembers, layers.

Names of parsers are those that the servers register, read in their code in November 2026:
vLLM `vllm/tool_parsers/__init__.py` and `vllm/reasoning/__init__.py` (vllm-project/vllm at
0064cc9), SGLang `function_call_parser.py` (sgl-project/sglang at 00828e5) and
`reasoning_parser.py` (at 002e9bf).
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from qcode.models.model import Model
from qcode.record import Record, replace

Remembers: TypeAlias = Literal["all", "sliding", "hybrid"]
"""What a model keeps of what it read.

`all`: keys and values of every token; a server can cut them anywhere.
`sliding`: most layers keep only the last tokens.
`hybrid`: most layers keep one state for all of it, which cannot be taken back to an earlier token.
"""


class Traits(Record):
    """Of one family; empty names: that server has no parser for it."""

    vllm_tools: str = ""
    vllm_reasoning: str = ""
    sglang_tools: str = ""
    sglang_reasoning: str = ""
    remembers: Remembers = "all"
    layers: int | None = None
    """None: not known here."""
    published_bits: float = 16.0
    """For each weight, in the repository of its vendor."""
    has_fp8: bool = False
    """Whether the vendor publishes a repository of the same name with `-FP8` behind it."""
    vllm_template: str = ""
    """A chat template of vLLM's examples that its tool calls need."""


def traits(model: Model) -> Traits:
    """Return what is known, by the model's name and else by how it writes calls."""
    name = f"{model.id} {model.weights.repository if model.weights else ''}".lower()
    found = next((one for pattern, one in _BY_NAME if re.search(pattern, name)), None)
    if found is None:
        found = _BY_FORMAT.get(model.call_format, Traits())
    layers = next((count for pattern, count in _LAYERS if re.search(pattern, name)), None)
    remembers: Remembers = "hybrid" if re.search(_HYBRID, name) else found.remembers
    remembers = "sliding" if re.search(_SLIDING, name) else remembers
    if re.search(r"-(?:fp8|nvfp4|awq|gptq|int4|int8|w4a16)\b", name):
        bits = 4.5 if re.search(r"nvfp4|awq|gptq|int4|w4a16", name) else 8.0
        found = replace(found, published_bits=bits, has_fp8=False)
    return replace(found, layers=layers, remembers=remembers)


_QWEN3_CODER = Traits("qwen3_coder", "", "qwen3_coder", "", has_fp8=True)
_HERMES = Traits("hermes", "", "qwen", "")
_GLM45 = Traits("glm45", "glm45", "glm45", "glm45", has_fp8=True)
_GLM47 = Traits("glm47", "glm47", "glm47", "glm45", has_fp8=True)
_MINIMAX = Traits("minimax_m2", "minimax_m2", "minimax-m2", "minimax", published_bits=8.0)
_KIMI_K2 = Traits("kimi_k2", "kimi_k2", "kimi_k2", "kimi_k2", published_bits=8.0)
_DEEPSEEK_V3 = Traits("deepseek_v3", "deepseek_r1", "deepseekv3", "deepseek-r1", published_bits=8.0)
_DEEPSEEK_V31 = replace(
    _DEEPSEEK_V3,
    vllm_tools="deepseek_v31",
    vllm_reasoning="deepseek_v3",
    sglang_tools="deepseekv31",
    sglang_reasoning="deepseek-v3",
    vllm_template="examples/tool_chat_template_deepseekv31.jinja",
)
_DEEPSEEK_V32 = replace(
    _DEEPSEEK_V31, vllm_tools="deepseek_v32", sglang_tools="deepseekv32", vllm_template=""
)
_DEEPSEEK_V4 = replace(
    _DEEPSEEK_V32,
    vllm_tools="deepseek_v4",
    vllm_reasoning="deepseek_v4",
    sglang_tools="deepseekv4",
    sglang_reasoning="deepseek-v4",
)
_GPT_OSS = Traits("openai", "openai_gptoss", "gpt-oss", "gpt-oss", published_bits=4.4)
"""MXFP4 experts and 16 bits for the rest."""
_MISTRAL = Traits("mistral", "mistral", "mistral", "mistral")
_LLAMA_4 = Traits(
    "llama4_pythonic",
    "",
    "pythonic",
    "",
    vllm_template="examples/tool_chat_template_llama4_pythonic.jinja",
)
_LLAMA_3 = Traits(
    "llama3_json",
    "",
    "llama3",
    "",
    vllm_template="examples/tool_chat_template_llama3.1_json.jinja",
)

_BY_NAME: tuple[tuple[str, Traits], ...] = (
    (r"hermes", _HERMES),  # before the family that it was made from
    (r"qwen-?3-?coder", _QWEN3_CODER),
    (
        r"qwen-?3[.-][5-9](?!\d|b)",
        replace(_QWEN3_CODER, vllm_reasoning="qwen3", sglang_reasoning="qwen3"),
    ),
    (r"mimo", Traits("mimo", "mimo", "mimo", "mimo", published_bits=8.0)),
    (r"qwen-?3", replace(_HERMES, vllm_reasoning="qwen3", sglang_reasoning="qwen3", has_fp8=True)),
    (r"qwen|qwq", _HERMES),
    (r"glm-?4\.[56](?!\d|b)", _GLM45),
    (r"glm-?(?:4\.[7-9]|[5-9])(?!\d|b)", _GLM47),
    (
        r"minimax-?m3",
        replace(
            _MINIMAX,
            vllm_tools="minimax_m3",
            vllm_reasoning="minimax_m3",
            sglang_tools="minimax-m3",
            sglang_reasoning="minimax-m3",
        ),
    ),
    (r"minimax", _MINIMAX),
    (
        r"kimi-?k3",
        Traits("kimi_k3", "kimi_k3", "kimi_k3", "kimi_k3", published_bits=4.5),
    ),
    (r"kimi-?k2(?:[.-][5-9](?!\d|b)|-thinking)", replace(_KIMI_K2, published_bits=4.6)),
    (r"kimi", _KIMI_K2),
    (r"deepseek-?v4", _DEEPSEEK_V4),
    (r"deepseek-?v3[.-]2", _DEEPSEEK_V32),
    (r"deepseek-?v3[.-]1", _DEEPSEEK_V31),
    (r"deepseek-?(?:v3|r1)", _DEEPSEEK_V3),
    (r"gpt-?oss", _GPT_OSS),
    # FP8 by the cards of both sizes of Devstral 2; those before it are in 16 bits.
    (r"devstral-(?:small-)?2(?:-|\b)(?!5\d\d)", replace(_MISTRAL, published_bits=8.0)),
    (r"mistral|devstral|magistral|codestral|ministral|mixtral", _MISTRAL),
    (r"llama-?4", _LLAMA_4),
    (r"llama-?3", _LLAMA_3),
    (r"gemma-?4", Traits("gemma4", "gemma4", "gemma4", "gemma4")),
    (r"granite-?4", Traits("granite4")),
    (r"nemotron-?3", Traits("qwen3_coder", "nemotron_v3", "qwen3_coder", "nemotron_3")),
    (r"seed-?oss", Traits("seed_oss", "seed_oss")),
    (r"step-?3[.-]5", Traits("step3p5", "step3p5", "step3p5", "step3p5")),
    (r"hunyuan", Traits("hunyuan_a13b", "hunyuan_a13b", "hunyuan", "hunyuan")),
    (r"olmo-?3", Traits("olmo3", "olmo3")),
    (r"lfm-?2", Traits("lfm2", "", "lfm2")),
)
"""The first that is found in the id or the repository holds."""

_BY_FORMAT = {
    "hermes": _HERMES,
    "qwen3-coder": _QWEN3_CODER,
    "qwen3.5": _QWEN3_CODER,
    "glm": _GLM47,
    "minimax": _MINIMAX,
    "kimi-k2": _KIMI_K2,
    "kimi_k2": _KIMI_K2,
    "deepseek": _DEEPSEEK_V3,
    "harmony": _GPT_OSS,
    "mistral": _MISTRAL,
    "llama": _LLAMA_3,
}
"""For a model whose name tells no family."""

_HYBRID = (
    r"qwen-?3-next|qwen-?3-coder-next|qwen-?3[.-][5-9](?!\d|b)|nemotron-?(?:3|h|nano)|granite-?4"
    r"|kimi-linear|falcon-?h1|jamba|lfm-?2|minimax-(?:m1|text-01)|mamba|ring-.*linear"
)
"""Gated delta nets, Mamba and other linear attention in most layers. llama.cpp reads all of a
prompt again where it would have to go back in one (ggml-org/llama.cpp#18497), unless one of its
context checkpoints helps."""
_SLIDING = r"gpt-?oss|gemma-?[2-4]|command-(?:a|r7b)|mimo-v2|llama-?4|step-?3[.-]5|olmo-?3"
"""Sliding windows in most layers."""

_LAYERS: tuple[tuple[str, int], ...] = (
    (r"qwen-?3-coder-30b|qwen-?3-30b|qwen-?3-next|qwen-?3-coder-next", 48),
    (r"qwen-?3-coder-480b", 62),
    (r"qwen-?3-235b", 94),
    (r"qwen-?3[.-][56]-35b", 40),
    (r"qwen-?3[.-]5-122b", 48),
    (r"qwen-?3[.-]5-397b", 60),
    (r"qwen-?3[.-][56]-27b", 64),
    (r"gpt-?oss-20b", 24),
    (r"gpt-?oss-120b", 36),
    (r"glm-?4\.[5-7]-air", 46),
    (r"glm-?4\.[67]-flash", 47),
    (r"glm-?4\.[5-7](?![\w.-]*(?:air|flash))", 92),
    (r"minimax-?m2", 62),
    (r"deepseek-?(?:v3|r1)|kimi-?k2", 61),
    (r"qwen-?2\.5(?:-coder)?-0\.5b", 24),
    (r"qwen-?2\.5(?:-coder)?-(?:1\.5|7)b", 28),
    (r"qwen-?2\.5(?:-coder)?-3b", 36),
    (r"qwen-?2\.5(?:-coder)?-14b", 48),
    (r"qwen-?2\.5(?:-coder)?-32b", 64),
    (r"devstral|mistral-small", 40),
)
"""`num_hidden_layers` of the vendors' config.json. One more or less does no harm: it is about how
many of them stay in which memory."""
