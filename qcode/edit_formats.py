"""In which form a model is told to change files; pure.

All forms are understood from any model. Telling a model only of the one that it
writes best keeps its requests short, and spares it a choice it gets wrong. Which that is
follows from its family (`qcode.families`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

EditFormat: TypeAlias = Literal["replace", "multi", "patch", "whole", "answer"]
"""What the model is told of:

- `replace`: text replaced by another, one place a call
- `multi`: the same, and several places and files in one call
- `patch`: the patches that OpenAI trains its models on
- `whole`: short files written whole, for models that cannot copy text exactly
- `answer`: files and commands written in the answer itself, for models that write no calls well;
  such a model is told of no tools at all (`qcode.calls.written`)
"""

DEFAULT: EditFormat = "replace"
_TOLD: Mapping[EditFormat, tuple[str, ...]] = {
    "replace": ("edit",),
    "multi": ("edit", "multi_edit"),
    "patch": ("apply_patch",),
    "whole": ("edit",),
    "answer": (),
}


def told(edit_format: EditFormat, default: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the tools that a model is told of, in order.

    `default` are those without a choice of form; what stands there for `edit` is replaced.
    """
    if edit_format == "answer":
        return ()
    at = default.index("edit")
    return (*default[:at], *_TOLD[edit_format], *default[at + 1 :])


def prompt_of(edit_format: EditFormat, tool: str) -> str:
    """Return the name of the prompt that describes a tool otherwise than usual, or nothing."""
    return "tools/write_file_whole" if (edit_format, tool) == ("whole", "write_file") else ""
