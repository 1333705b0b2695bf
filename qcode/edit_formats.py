"""In which form a model is told to change files; pure.

All forms are understood from any model. Telling a model only of the one that it
writes best keeps its requests short, and spares it a choice it gets wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

EditFormat: TypeAlias = Literal["replace", "multi", "patch", "whole"]
"""What the model is told of:

- `replace`: text replaced by another, one place a call
- `multi`: the same, and several places and files in one call
- `patch`: the patches that OpenAI trains its models on
- `whole`: short files written whole, for models that cannot copy text exactly
"""

DEFAULT: EditFormat = "replace"
EMBEDDED: EditFormat = "replace"
"""For the models of `qcode local`, whatever their size."""

_SMALL = 4.0
"""Billions of parameters up to which a model writes files better than it copies parts of them."""
_LARGE = 200.0
"""From here on an open model is as good with several edits a call as the hosted ones."""
_PATCH = re.compile(r"(?:^|[/:])(?:gpt-5|codex|o3|o4|gpt-oss)(?![a-z0-9])|(?<![a-z])codex(?![a-z])")
_SEVERAL = re.compile(
    r"(?<![a-z])(?:claude|deepseek|kimi|glm|gemini|qwen3-max|qwen3-coder[-:](?:plus|480b))"
)
_LESSER = re.compile(r"(?<![a-z])(?:lite|nano|distill)(?![a-z])")
_SIZE = re.compile(r"(?<![a-z0-9.])(?:(\d{1,2})x)?(\d{1,4}(?:\.\d{1,2})?)b(?![a-z0-9])")
"""`1.5b`, `8x7b`; not `a3b`, the active part of a larger model."""

_TOLD: Mapping[EditFormat, tuple[str, ...]] = {
    "replace": ("edit",),
    "multi": ("edit", "multi_edit"),
    "patch": ("apply_patch",),
    "whole": ("edit",),
}


def format_for(model: str) -> EditFormat:
    """Return the form that suits a model, as far as its name tells."""
    name = model.lower()
    if _PATCH.search(name):
        return "patch"
    size = max((int(times or 1) * float(each) for times, each in _SIZE.findall(name)), default=None)
    if size is not None and size <= _SMALL:
        return "whole"
    is_large = size is None or size >= _LARGE
    if is_large and _SEVERAL.search(name) and not _LESSER.search(name):
        return "multi"
    return DEFAULT


def told(edit_format: EditFormat, default: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the tools that a model is told of, in order.

    `default` are those without a choice of form; what stands there for `edit` is replaced.
    """
    at = default.index("edit")
    return (*default[:at], *_TOLD[edit_format], *default[at + 1 :])


def prompt_of(edit_format: EditFormat, tool: str) -> str:
    """Return the name of the prompt that describes a tool otherwise than usual, or nothing."""
    return "tools/write_file_whole" if (edit_format, tool) == ("whole", "write_file") else ""
