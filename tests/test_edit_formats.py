from __future__ import annotations

from typing import get_args

import pytest

from qcode.edit_formats import EditFormat, prompt_of, told
from qcode.families import family_of
from qcode.prompts import load
from qcode.tools import all_tools, default_tools

DEFAULT = [tool.name for tool in default_tools()]


@pytest.mark.parametrize(
    "model, expected",
    [
        ("gpt-5", "patch"),
        ("gpt-5.1-codex-max", "patch"),
        ("openai/gpt-5-mini", "patch"),
        ("codex-mini-latest", "patch"),
        ("o3", "patch"),
        ("o4-mini", "patch"),
        ("openai/gpt-oss-120b", "patch"),
        ("gpt-oss:20b", "patch"),
        ("gpt-4.1", "replace"),
        ("gpt-4o", "replace"),
        ("gpt-50", "replace"),
        ("solo3", "replace"),
        ("anthropic/claude-sonnet-4-5", "multi"),
        ("openrouter/anthropic/claude-opus-4.1", "multi"),
        ("deepseek-chat", "multi"),
        ("deepseek/deepseek-reasoner", "multi"),
        ("deepseek-r1:8b", "replace"),
        ("DeepSeek-R1-Distill-Qwen-32B", "replace"),
        ("deepseek-coder:6.7b", "replace"),
        ("deepseek-coder:1.3b", "answer"),
        ("moonshotai/Kimi-K2-Instruct", "multi"),
        ("kimi-dev-72b", "replace"),
        ("zai-org/GLM-4.6", "multi"),
        ("glm-4-9b-chat", "replace"),
        ("gemini-2.5-pro", "multi"),
        ("gemini-2.5-flash-lite", "replace"),
        ("qwen3-coder-plus", "multi"),
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct", "multi"),
        ("qwen3-coder:480b", "multi"),
        ("qwen3-coder:30b", "replace"),
        ("Qwen3-Coder-30B-A3B-Instruct", "replace"),
        ("qwen2.5-coder:32b-instruct-q4_K_M", "replace"),
        ("qwen2.5-coder:7b", "replace"),
        ("qwen2.5-coder-1.5b-instruct", "answer"),
        ("qwen2.5-coder:0.5b", "answer"),
        ("qwen3:4b", "whole"),
        ("gemma3:4b-it-qat", "answer"),
        ("Llama-3.2-3B-Instruct", "answer"),
        ("Mixtral-8x7B-Instruct", "replace"),
        ("devstral", "replace"),
        ("", "replace"),
    ],
)
def test_the_form_follows_from_the_name(model: str, expected: str) -> None:
    assert family_of(model).edit_format == expected


def test_the_default_is_the_list_without_a_choice() -> None:
    assert told("replace", DEFAULT) == tuple(DEFAULT)


def test_who_writes_files_in_the_answer_is_told_of_no_tool() -> None:
    assert told("answer", DEFAULT) == ()


def test_each_form_tells_of_tools_that_there_are() -> None:
    known = {tool.name for tool in all_tools()}

    assert told("multi", DEFAULT)[2:4] == ("edit", "multi_edit")
    assert told("patch", DEFAULT)[1:3] == ("write_file", "apply_patch")
    assert "edit" not in told("patch", DEFAULT)
    for form in get_args(EditFormat):
        assert set(told(form, DEFAULT)) <= known


def test_small_models_are_told_to_write_short_files_whole() -> None:
    assert "300 lines" in load(prompt_of("whole", "write_file"))
    assert prompt_of("whole", "edit") == ""
    assert prompt_of("replace", "write_file") == ""
