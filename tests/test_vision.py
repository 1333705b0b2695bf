from __future__ import annotations

import pytest

from qcode.vision import sees_images


@pytest.mark.parametrize(
    "model",
    [
        *("gpt-4o-mini", "openai/gpt-5.1", "o3", "o4-mini", "anthropic/claude-sonnet-4-5"),
        *("claude-3-5-haiku-latest", "gemini/gemini-2.5-pro", "Qwen/Qwen2.5-VL-7B-Instruct"),
        *("qwen3-vl:8b", "gemma3:4b", "google/gemma-3-27b-it", "llava:13b", "pixtral-12b"),
        *("llama3.2-vision:11b", "Llama-4-Scout", "glm-4.5v", "minicpm-v:8b", "mistral-small3.2"),
    ],
)
def test_models_that_see_are_known(model: str) -> None:
    assert sees_images(model)


@pytest.mark.parametrize(
    "model",
    [
        *("gpt-3.5-turbo", "gpt-oss-20b", "qwen2.5-coder:7b", "Qwen3-Coder-30B", "deepseek-chat"),
        *("gemma3:1b", "llama3.2:3b", "llama-3.3-70b", "glm-4.6", "kimi-k2", "codestral-latest"),
        *("o1-preview", "devstral", "scripted", "claude-2.1", "phi-4"),
    ],
)
def test_others_are_not_taken_to_see(model: str) -> None:
    assert not sees_images(model)
