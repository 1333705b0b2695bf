"""What servers call a model, brought down to what the registry calls it; pure."""

from __future__ import annotations

import re

_SUFFIXES = re.compile(
    r"[-.:@_](?:gguf|safetensors|mlx|awq|gptq|exl[23]|fp(?:4|8|16|32)|bf16|f16|f32|int[48]|mxfp4|nvfp4"
    r"|w[48]a(?:8|16)|[248]-?bit|ud|(?:i|t)?q\d[a-z0-9_]*|\d{5}-of-\d{5}|latest|instruct|it|chat"
    r"|free|nitro|floor|hf|maas|tee|turbo|v\d{1,2}:\d|preview|dynamic|unsloth|bnb)$"
)
"""What says in which form or by whom, and not which model."""

_SIZE = re.compile(r"(?<=[-:])(\d+(?:\.\d+)?)b(?:[-.:_]a(\d+(?:\.\d+)?)b)?(?=$|[-:])")


def plain(name: str) -> str:
    """Return the name without vendor, packaging and quantisation, in lower case.

    `hf.co/unsloth/Qwen3-Coder-Next-GGUF:Q4_K_M` and `/models/qwen3-coder-next-q4_k_m.gguf` are
    `qwen3-coder-next`.
    """
    text = name.strip().lower().replace("\\", "/").rstrip("/").rpartition("/")[2]
    text = text.replace(" ", "-").replace("_", "-") if "gguf" not in text else text
    while (shorter := _SUFFIXES.sub("", text)) != text:
        text = shorter
    return text.replace("_", "-").replace(":", "-").strip("-.")
