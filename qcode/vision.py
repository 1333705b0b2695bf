"""Which models see pictures: as the registry knows, else as far as their names tell."""

from __future__ import annotations

import re

SEEING = (
    r"gpt-4o", r"gpt-4\.1", r"gpt-4-turbo", r"gpt-5", r"o[134](?!-preview|-mini-2024)",
    r"chatgpt-4o", r"claude-(?:3|opus|sonnet|haiku)", r"gemini-(?:1\.5|[2-9])",
    r"gemma-?3(?!.*[:-]1b)",
    r"gemma-?3n", r"gemma-?4", r"qwen[0-9.]*-?vl", r"qwen[0-9.]*-?omni", r"qwen3\.[5-9]", r"qvq",
    r"pixtral", r"mistral-(?:small|medium)-?3", r"ministral-3", r"llava", r"bakllava",
    r"llama-?4", r"llama-?3\.2-(?:11b|90b)", r"llama-?3\.2-vision", r"glm-[0-9.]+v", r"kimi-vl",
    r"kimi-k2\.[5-9]", r"minicpm-?(?:v|o)", r"internvl", r"deepseek-vl", r"phi-?3(?:\.5)?-vision",
    r"phi-?4-multimodal", r"moondream", r"grok-(?:2-vision|vision|4)", r"smolvlm", r"molmo",
    r"step-?3", r"ernie-4\.5-vl", r"nova-(?:lite|pro|premier)", r"granite-?(?:3\.[0-9]-)?vision",
    r"aya-vision", r"[a-z0-9.]+-vision", r"[a-z0-9.]+-vlm?(?![a-z])",
)  # fmt: skip
"""Parts of names; each begins where a word of the name does."""

_SEEING = re.compile(rf"(?<![a-z0-9.])(?:{'|'.join(SEEING)})")


def sees_images(model: str) -> bool:
    """Whether a model of that name takes pictures; one that nobody knows does not."""
    # Read when there is a picture, and not at the start.
    from qcode.models import find, says

    known = find(model)
    if known is not None and says(known, "sees_images"):
        return known.sees_images
    return _SEEING.search(model.lower()) is not None
