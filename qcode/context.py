"""What the model is told before the first message."""

from __future__ import annotations

from qcode.edit_formats import DEFAULT, EditFormat
from qcode.prompts import load


def system_prompt(edit_format: EditFormat = DEFAULT, name: str = "system") -> str:
    """Return the system prompt: the same bytes in every session and repository.

    Only the form in which the model changes files makes a difference, and which prompt
    `name` is, for models that need another (`qcode.families`).

    Nothing volatile (date, directory, git state) belongs here: the tools'
    schemas follow it in the model's context, and a server's cache of both is
    only good while every byte before them is the same.
    """
    if edit_format == "answer":
        return load(f"{name}_answer")
    form = "replace" if edit_format == "multi" else edit_format
    return load(name, editing=load(f"editing/{form}")).strip()


def fitting(system: str, edit_format: EditFormat, name: str = "system") -> str:
    """Return a session's system prompt for a model of this form.

    It stays, as a server may still hold it, unless it tells of files in the answer and the
    model calls tools, or the other way round.
    """
    in_answer = system_prompt("answer", name)
    began = system.startswith(in_answer)
    if began == (edit_format == "answer"):
        return system
    return system_prompt(edit_format, name) + (system.removeprefix(in_answer) if began else "")


def output_limit(context_window: int | None, wanted: int | None, most: int | None = None) -> int:
    """Return the `max_tokens` of each request; `most` is what the model can write at once.

    Without one a small model that repeats itself runs to the window's end. An
    eighth of the window leaves room for the conversation, 1,024 tokens suffice
    for a call with a small file, and 16,384 for a large one.
    """
    if wanted is not None:
        return wanted
    limit = 8192 if context_window is None else max(1024, min(16384, context_window // 8))
    return limit if most is None else min(limit, most)


def estimate_tokens(text: str) -> int:
    """Return roughly how many tokens a text is: code has 3 to 4 characters a token."""
    return len(text) // 4 + 1
