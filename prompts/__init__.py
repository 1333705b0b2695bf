"""Texts that qcode gives the model, one Markdown file each; no logic."""

from __future__ import annotations

import os

_HERE = os.path.dirname(os.path.abspath(__file__))


def load(name: str, /, **values: str) -> str:
    """Return a prompt without its final newline, `{{key}}` replaced by each value.

    `name` is the file's path without `.md`: `system`, `tools/edit`.

    Raises:
        LookupError: there is no such prompt, or its keys are not those given.
    """
    try:
        with open(os.path.join(_HERE, *f"{name}.md".split("/")), encoding="utf-8") as file:
            text = file.read().rstrip("\n")
    except FileNotFoundError:
        raise LookupError(f"no prompt {name!r}; there are: {', '.join(_names())}") from None
    for key, value in values.items():
        mark = "{{" + key + "}}"
        if mark not in text:
            raise LookupError(f"prompt {name!r} has no {mark}")
        text = text.replace(mark, value)
    if not values and "{{" in text:
        raise LookupError(f"prompt {name!r} needs values for its {{{{…}}}}")
    return text


def _names() -> list[str]:
    found = []
    for folder, _, files in os.walk(_HERE):
        for file in files:
            stem, extension = os.path.splitext(file)
            if extension == ".md":
                path = os.path.relpath(os.path.join(folder, stem), _HERE)
                found.append(path.replace(os.sep, "/"))
    return sorted(found)
