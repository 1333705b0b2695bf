from __future__ import annotations

import pytest

from qcode.families import billions, family_of
from qcode.prompts import load


@pytest.mark.parametrize(
    "model, size",
    [
        ("qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", 1.5),
        ("Mixtral-8x7B-Instruct", 56),
        ("Qwen3-Coder-30B-A3B-Instruct", 30),
        ("qwen3-coder-next", None),
        ("gpt-5", None),
    ],
)
def test_a_name_tells_the_size(model: str, size: float | None) -> None:
    assert billions(model) == size


@pytest.mark.parametrize(
    "model, family",
    [
        ("qwen2.5-coder:0.5b", "small-coder"),
        ("Qwen/Qwen3-Coder-Next-FP8", "usual"),
        ("qwen3:4b", "small"),
        ("qwen3:8b", "usual"),
        ("gpt-oss:20b", "patch"),
        ("claude-opus-4-6", "large"),
        ("deepseek-coder:1.3b", "small-coder"),
        ("deepseek-r1:8b", "usual"),
        ("", "usual"),
    ],
)
def test_the_first_family_that_a_name_belongs_to_holds(model: str, family: str) -> None:
    found = family_of(model)

    assert found.name == family
    assert found.surroundings == (not family.startswith("small"))
    assert "{{editing}}" not in load(found.system, editing="x")
