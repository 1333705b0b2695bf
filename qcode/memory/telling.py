"""Files of instructions as text: for the model within a budget, for a person as a list."""

from __future__ import annotations

import re

from qcode.context import estimate_tokens
from qcode.memory.files import Found, Instructions, Places, shares, show
from qcode.prompts import load

TOKENS = 6000
"""For all files, unless another number is given."""


def told(found: Found, places: Places, tokens: int = TOKENS) -> str:
    """Return what the model is told of the files; nothing if there are none."""
    if not found.files:
        return ""
    sizes = [estimate_tokens(file.text) for file in found.files]
    parts = [
        _part(file, show(file.path, places), room, size)
        for file, room, size in zip(found.files, shares(sizes, tokens), sizes, strict=True)
    ]
    return load("memory/instructions", files="\n\n".join(parts))


def _part(file: Instructions, path: str, room: int, size: int) -> str:
    text, note = file.text.strip(), ""
    if room < size:
        cut = text[: room * 4]
        # At the end of a line, so that no half of a rule is obeyed.
        text = cut[: cut.rfind("\n")] if "\n" in cut else cut
    if room < size or file.is_cut:
        note = "\n" + load("memory/cut", path=path)
    # What is in the file must not look like its end.
    text = re.sub(r"<(?=/?instructions\b)", "&lt;", text, flags=re.IGNORECASE)
    of = "the person" if file.is_own else "the repository"
    path = re.sub(r"[\s\"<>]", " ", path)
    return f'<instructions file="{path}" of="{of}">\n{text}{note}\n</instructions>'


def whole(found: Found, places: Places) -> str:
    """Return the files' texts for a person, each below its path."""
    parts = [f"— {show(file.path, places)}\n{file.text.strip()}" for file in found.files]
    return "\n\n".join(parts) or listed(found, places)


def listed(found: Found, places: Places) -> str:
    """Return the files with their sizes and what imports them, one a line, then the notes."""
    if not found.files and not found.notes:
        return f"no instruction files ({', '.join(places.names)}) from here up, nor in {places.own}"
    rows = []
    for file in found.files:
        by = f", imported by {show(file.imported_by, places)}" if file.imported_by else ""
        cut = ", cut" if file.is_cut else ""
        size = estimate_tokens(file.text)
        rows.append(f"  {show(file.path, places)}  {size:,} tokens{cut}{by}")
    total = sum(estimate_tokens(file.text) for file in found.files)
    rows.append(f"  {total:,} tokens altogether; `/memory show` prints them")
    return "\n".join([*rows, *(f"  {note}" for note in found.notes)])
